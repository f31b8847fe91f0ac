//! What every command that drives a run shares: the journal, the cloud, the signals, and what is said at the end.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::args::{Auth, DeploymentArgs, Global};
use super::exit::Exit;
use super::problem::{Report, of_end};
use super::reporter::Reporter;
use super::ui::Ui;
use super::{Env, problem};
use crate::clock::Clock;
use crate::config::{Credentials, CredentialsSource, Flags, Policy, Sources, reload_credentials};
use crate::engine::{Engine, Outcome, Trial};
use crate::journal::{Journal, KeySource, boot_id};
use crate::oci::identity::{Identity, Profile};
use crate::oci::{Endpoints, Http, Oci, Region, Transport};
use crate::retry::RetryPolicy;
use crate::run::{Holder, RunSelector};
use crate::workflows::{World, registry};

/// What a run needs to be driven again by another process, besides its input. Kept with it; never secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Context {
    source: CredentialsSource,
    env: String,
    profile: Option<String>,
    config_file: Option<PathBuf>,
    region: Option<String>,
    endpoint: Option<String>,
    pub(super) policy: Policy,
}

/// The program as one command sees it.
pub(super) struct Session<'s> {
    pub(super) ui: &'s Ui,
    pub(super) env: &'s Env,
    pub(super) global: &'s Global,
    pub(super) clock: Clock,
}

impl Session<'_> {
    /// The sources of a deployment.
    pub(super) fn with_sources<T>(&self, args: &DeploymentArgs, load: impl FnOnce(&Sources<'_>) -> T) -> T {
        let look_up = |name: &str| self.env.get(name).map(ToOwned::to_owned);
        let flags = Flags {
            name: args.name.clone(),
            config_file: args.config_file.clone(),
            ci_config: args.ci_config.clone(),
            ci_config_file: args.ci_config_file.clone(),
            ci_filter: args.ci_filter.clone(),
            lb_filter: args.lb_filter.clone(),
            backends: args.backends.clone(),
        };
        load(&Sources { deployment: args.file.as_deref(), flags, profile: &self.global.env, env: &look_up })
    }

    /// What is kept with a run that is started now.
    pub(super) fn context(&self, source: CredentialsSource, policy: &Policy) -> Context {
        Context {
            source,
            env: self.global.env.clone(),
            profile: self.global.profile.clone(),
            config_file: self
                .env
                .get("OCI_CLI_CONFIG_FILE")
                .or(self.env.get("OCI_CONFIG_FILE"))
                .map(PathBuf::from),
            region: self.global.region.clone(),
            endpoint: self.endpoint(),
            policy: policy.clone(),
        }
    }

    fn endpoint(&self) -> Option<String> {
        self.global.endpoint.clone().or_else(|| self.env.get("OCI_CLI_ENDPOINT").map(ToOwned::to_owned))
    }

    /// The credentials that a run was started with, read again.
    pub(super) fn reload(&self, context: &Context) -> Result<Option<Credentials>, Report> {
        let look_up = |name: &str| self.env.get(name).map(ToOwned::to_owned);
        Ok(reload_credentials(&context.source, &context.env, &look_up)?)
    }

    /// Where the journal is.
    pub(super) fn journal_path(&self) -> Result<PathBuf, Report> {
        if let Some(path) = &self.global.journal {
            return Ok(path.clone());
        }
        let state = self.env.get("XDG_STATE_HOME").filter(|folder| Path::new(folder).is_absolute());
        let folder = match (state, self.env.home()) {
            (Some(folder), _) => PathBuf::from(folder),
            (None, Some(home)) => home.join(".local/state"),
            (None, None) => {
                return Err(Report::usage("there is no home folder for the journal")
                    .hint("name a file with --journal"));
            }
        };
        Ok(folder.join("deployctl/journal.db"))
    }

    fn key(&self) -> KeySource {
        KeySource { from_env: self.env.get("DEPLOYCTL_JOURNAL_KEY").map(|key| key.to_owned().into()) }
    }

    /// Opens the journal, making it where there is none.
    pub(super) async fn journal(&self) -> Result<Journal, Report> {
        Ok(Journal::open(&self.journal_path()?, self.key(), self.clock).await?)
    }

    /// Opens the journal that must be there for a run to be found in it.
    pub(super) async fn existing_journal(&self, selector: &RunSelector) -> Result<Journal, Report> {
        let path = self.journal_path()?;
        let journal = Journal::open_existing(&path, self.key(), self.clock).await?;
        journal.ok_or_else(|| {
            Report::usage(format!("no run matches `{selector}`: there is no journal {}", path.display()))
                .hint("name the journal with --journal")
        })
    }

    /// Opens the journal if there is one.
    pub(super) async fn journal_if_any(&self) -> Result<Option<Journal>, Report> {
        Ok(Journal::open_existing(&self.journal_path()?, self.key(), self.clock).await?)
    }

    /// The cloud, signed in. The flags of this process win over those that the run was started with.
    pub(super) fn world(
        &self,
        context: &Context,
        credentials: Option<&Credentials>,
    ) -> Result<World, Report> {
        let own_region = self.global.region.as_ref().or(context.region.as_ref());
        let (identity, region) = match credentials {
            Some(credentials) => {
                let identity = Identity::api_key(
                    &credentials.tenancy,
                    &credentials.user,
                    &credentials.fingerprint,
                    &credentials.private_key,
                    credentials.pass_phrase.as_ref(),
                )
                .map_err(|error| {
                    let place = &credentials.place;
                    let report = Report::from(error);
                    Report { message: format!("{place}: private-key: {}", report.message), ..report }
                })?;
                (identity, Region::parse(own_region.unwrap_or(&credentials.region))?)
            }
            None => {
                let profile = self.profile(context)?;
                let region = match own_region {
                    Some(region) => Region::parse(region)?,
                    None => profile.region()?,
                };
                (profile.identity()?, region)
            }
        };
        if self.global.auth == Some(Auth::SecurityToken) && !matches!(identity, Identity::Session { .. }) {
            return Err(Report::usage("--auth security_token, but the profile names no security_token_file"));
        }
        let endpoints = match self.endpoint().or_else(|| context.endpoint.clone()) {
            Some(url) => Endpoints::One(url),
            None => Endpoints::Of(region),
        };
        let policy = &context.policy;
        let http = Http::new(policy.request_timeout, self.clock)?;
        Ok(World {
            oci: Oci::new(Transport::new(http, endpoints, identity)),
            poll_interval: policy.poll_interval,
            instance_timeout: policy.instance_timeout,
            backend_timeout: policy.backend_timeout,
            drain_delay: policy.drain_delay,
        })
    }

    fn profile(&self, context: &Context) -> Result<Profile, Report> {
        let name = self.global.profile.as_deref().or(context.profile.as_deref()).unwrap_or("DEFAULT");
        let home = self.env.home();
        let file = match (&context.config_file, &home) {
            (Some(file), _) => file.clone(),
            (None, Some(home)) => home.join(".oci/config"),
            (None, None) => return Err(Report::usage("there is no home folder for .oci/config")),
        };
        Ok(Profile::read(&file, name, home.as_deref())?)
    }

    /// This process, and who runs it.
    pub(super) fn holder(&self) -> Holder {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let user =
            ["USER", "LOGNAME"].iter().find_map(|name| self.env.get(name)).unwrap_or("unknown").to_owned();
        Holder { host, boot_id: boot_id(), pid: std::process::id(), since: self.clock.now(), user }
    }

    /// Drives a run with `go`, beside the signals, and says how it was left.
    pub(super) async fn drive<E: Into<Report>>(
        &self,
        journal: &Journal,
        world: &World,
        policy: &Policy,
        name: &str,
        go: impl AsyncFnOnce(&mut Engine<'_, World>) -> Result<Outcome, E>,
    ) -> Result<Exit, Report> {
        let cancel = CancellationToken::new();
        let mut reporter = Reporter::new(self.ui, name);
        let registry = registry();
        let mut tell = |update: crate::run::Update<'_>| reporter.update(update);
        let mut engine = Engine {
            journal,
            world,
            registry: &registry,
            clock: self.clock,
            retry: retry(policy),
            cancel: cancel.clone(),
            holder: self.holder(),
            trial: Trial::None,
            tell: &mut tell,
        };
        let (outcome, signalled) = beside_signals(self.ui, &cancel, go(&mut engine)).await?;
        let Some(outcome) = outcome else {
            // The second signal: the journal is right whatever was under way.
            return Ok(signalled.unwrap_or(Exit::Interrupted));
        };
        drop(engine);
        let outcome = outcome.map_err(Into::into)?;
        let exit = match Exit::of(&outcome.end) {
            Exit::Interrupted => signalled.unwrap_or(Exit::Interrupted),
            exit => exit,
        };
        if self.ui.is_json {
            self.ui.json(&journal.run(outcome.run).await?.to_json());
        } else {
            match of_end(outcome.run, &outcome.end) {
                Some(report) => {
                    problem::Report { exit, ..report }.print(self.ui);
                }
                None => self.ui.out(&summary(journal, &outcome).await?),
            }
        }
        Ok(exit)
    }
}

/// What is said of a run that ended as it was asked to.
async fn summary(journal: &Journal, outcome: &Outcome) -> Result<String, Report> {
    let record = journal.run(outcome.run).await?;
    let fact = |name: &str| record.facts.get(name).map_or("none", String::as_str);
    let took = record.finished_at.map(|at| super::ui::between(record.created_at, at)).unwrap_or_default();
    let id = record.id.short();
    let head = format!("run {id} of {} {} ({took})", record.name, record.state);
    Ok(match record.state {
        crate::run::RunState::Succeeded => format!(
            "{head}\n  new instance  {}\n  old instance  {}\n  undo          deployctl rollback {id}",
            fact("new-instance-id"),
            fact("old-instance-id")
        ),
        _ => head,
    })
}

/// The engine's words for how failed attempts are spaced.
pub(super) fn retry(policy: &Policy) -> RetryPolicy {
    RetryPolicy {
        initial_interval: policy.retry.initial_interval,
        max_interval: policy.retry.max_interval,
        multiplier: policy.retry.multiplier,
        max_elapsed: policy.retry.max_elapsed,
    }
}

/// Drives `work` to its end. The first signal asks it to stop, the second does not wait for it.
pub(super) async fn beside_signals<T>(
    ui: &Ui,
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<(Option<T>, Option<Exit>), Report> {
    let listen =
        |kind| signal(kind).map_err(|error| Report::ours(format!("cannot listen for signals: {error}")));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let mut signalled = None;
    tokio::pin!(work);
    loop {
        let exit = tokio::select! {
            done = &mut work => return Ok((Some(done), signalled)),
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
            _ = hang_up.recv() => Exit::Terminated,
        };
        if signalled.is_some() {
            return Ok((None, Some(exit)));
        }
        signalled = Some(exit);
        ui.note("stopping after the request in flight; once more stops at once");
        cancel.cancel();
    }
}
