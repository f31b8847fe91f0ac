//! What every command that drives a run shares: the deployment, the cloud, the signals, and what is said at the end.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::args::{DeploymentArgs, Global};
use super::context::Context;
use super::env::Env;
use super::exit::Exit;
use super::problem;
use super::problem::{Kind, Report, of_end};
use super::reporter::Reporter;
use super::settings::{Setting, Settings};
use super::sign_in::SignIn;
use super::signals::beside_signals;
use super::status::status;
use super::ui::{Ui, plain};
use crate::clock::Clock;
use crate::config::{
    Credentials, CredentialsSource, Loaded, Overrides, Policy, Predecessor, Sources, load, reload_credentials,
};
use crate::engine::{End, Engine, Outcome};
use crate::file::expect_regular;
use crate::journal::Journal;
use crate::oci::{Endpoint, Endpoints, Http, Oci, Transport};
use crate::run::{EventKind, Holder, RunId, Update};
use crate::workflows::{Versions, World, registry};

/// What a change has besides the time of its request, and of a read, to come to its end after a signal.
const GRACE: Duration = Duration::from_secs(30);

/// How often the reporter is asked whether it has something to say.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// The program as one command sees it.
pub(super) struct Session<'s> {
    pub(super) ui: &'s Ui,
    pub(super) env: &'s Env,
    pub(super) global: &'s Global,
    pub(super) clock: Clock,
    /// What this process was started with, its own name first.
    pub(super) args: &'s [OsString],
}

impl Session<'_> {
    /// The sources of a deployment.
    pub(super) fn with_sources<T>(&self, args: &DeploymentArgs, load: impl FnOnce(&Sources<'_>) -> T) -> T {
        let look_up = |name: &str| self.env.text(name);
        let flags = Overrides {
            name: args.name.clone(),
            config_file: args.config_file.clone(),
            ci_config: args.ci_config.clone(),
            ci_config_file: args.ci_config_file.clone(),
            ci_filter: args.ci_filter.clone(),
            lb_filter: args.lb_filter.clone(),
            backends: args.backends.clone(),
            predecessor: match &args.replace {
                Some(id) => Some(Predecessor::Named(id.clone())),
                None => args.first.then_some(Predecessor::MayBeMissing),
            },
        };
        load(&Sources {
            deployment: args.file.as_deref(),
            aliases: &args.alias,
            flags,
            profile: &self.global.env,
            env: &look_up,
            allows_unknown_fields: args.allow_unknown_fields,
        })
    }

    /// A deployment; what is unusual about it is said.
    pub(super) fn deployment(&self, args: &DeploymentArgs) -> Result<Loaded, Report> {
        let loaded = self.with_sources(args, load)?;
        self.warn(&loaded);
        Ok(loaded)
    }

    /// Says what is unusual about a deployment.
    pub(super) fn warn(&self, loaded: &Loaded) {
        for warning in &loaded.warnings {
            self.ui.note(&plain(&format!("warning: {warning}")));
        }
    }

    /// What is kept with a run that is started now.
    pub(super) fn context(&self, source: CredentialsSource, policy: &Policy) -> Result<Context, Report> {
        let names_credentials = source != CredentialsSource::Profile;
        let sign_in =
            Settings::given(self.global, self.env, names_credentials).or_rc(self.env, names_credentials)?;
        Ok(Context { source, env: self.global.env.clone(), sign_in, policy: policy.clone() })
    }

    /// Whether the deployment's own credentials can sign at all, found without the cloud.
    pub(super) fn check_credentials(&self, loaded: &Loaded) -> Result<(), Report> {
        let Some(credentials) = &loaded.credentials else { return Ok(()) };
        let context = self.context(loaded.source.clone(), &loaded.policy)?;
        let http = self.http(&context.policy, None)?;
        let sign_in = SignIn {
            settings: &context.sign_in,
            env: self.env,
            ui: self.ui,
            clock: self.clock,
            http: &http,
            regions: &self.regions(),
        };
        sign_in.credentials(credentials).map(drop)
    }

    /// The credentials that a run was started with, read again.
    pub(super) fn reload(&self, context: &Context) -> Result<Option<Credentials>, Report> {
        let look_up = |name: &str| self.env.text(name);
        Ok(reload_credentials(&context.source, &context.env, &look_up)?)
    }

    /// The cloud, signed in. What the flags and the environment of this process say wins over what the run was
    /// started with.
    pub(super) async fn world(
        &self,
        context: &Context,
        credentials: Option<&Credentials>,
    ) -> Result<World, Report> {
        let names_credentials = context.source != CredentialsSource::Profile;
        let settings = Settings::given(self.global, self.env, names_credentials).or(&context.sign_in);
        let policy = &context.policy;
        let bundle = settings.path(Setting::CertBundle).or_else(|| self.other_bundle());
        let http = self.http(policy, bundle.as_deref())?;
        let regions = self.regions();
        let said = settings.get(Setting::Region).map(|text| regions.parse(text)).transpose()?;
        let sign_in = SignIn {
            settings: &settings,
            env: self.env,
            ui: self.ui,
            clock: self.clock,
            http: &http,
            regions: &regions,
        };
        let (identity, own) = sign_in.identity(credentials).await?;
        let endpoints = match sign_in.endpoint(credentials) {
            Some(url) => Endpoints::One(self.endpoint(&url, &settings)?),
            None => Endpoints::Of(match said.or(own) {
                Some(region) => region,
                None => self.last_region(&regions)?,
            }),
        };
        self.expect_hosts(&endpoints).await?;
        Ok(World {
            oci: Oci::new(Transport::new(http, endpoints, identity)),
            policy: policy.clone(),
            versions: Versions::default(),
        })
    }

    /// Where every call goes that does not go to Oracle's hosts; it is said, since whoever is there gets what is sent.
    fn endpoint(&self, url: &str, settings: &Settings) -> Result<Endpoint, Report> {
        let endpoint = Endpoint::parse(url, settings.allows_http())?;
        if endpoint.is_of_this_machine() {
            self.ui.note(&format!("every call goes to {endpoint}"));
        } else if !endpoint.is_oracles() {
            self.ui.warn(&format!("every call goes to {endpoint}, which is not Oracle's"));
        }
        Ok(endpoint)
    }

    /// The connections of a command, which trust the machine's own roots where there is no `bundle`. The library that reads
    /// those waits for a pipe, and reads a device for ever.
    fn http(&self, policy: &Policy, bundle: Option<&Path>) -> Result<Http, Report> {
        if bundle.is_none()
            && let Some(roots) = self.env.get("SSL_CERT_FILE")
            && let Some(error) = fs::metadata(roots).ok().and_then(|found| expect_regular(&found).err())
        {
            return Err(Report::usage(format!("cannot read the certificates in {roots}: {error}"))
                .hint("SSL_CERT_FILE names them"));
        }
        Ok(Http::new(policy.request_timeout, bundle, self.clock)?)
    }

    /// What the CLI trusts when it is told nothing (`set_request_session_properties_from_context`).
    fn other_bundle(&self) -> Option<PathBuf> {
        let named = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].iter().find_map(|name| self.env.get(name));
        named.filter(|file| !file.is_empty()).map(PathBuf::from)
    }

    /// This process, and who runs it.
    pub(super) fn holder(&self) -> Holder {
        let user = ["USER", "LOGNAME"].iter().find_map(|name| self.env.get(name));
        Holder::of_this_process(user.unwrap_or("unknown"))
    }

    /// Drives a run with `go`, beside the signals, and says how it was left.
    pub(super) async fn drive<E: Into<Report>>(
        &self,
        journal: &Journal,
        world: &World,
        name: &str,
        go: impl AsyncFnOnce(&Engine<'_, World>) -> Result<Outcome, E>,
    ) -> Result<Exit, Report> {
        let cancel = CancellationToken::new();
        // A std mutex, never held across an await.
        let reporter = Mutex::new(Reporter::new(self.ui, name));
        let registry = registry();
        let is_detached = self.env.is_detached();
        let driven = OnceLock::new();
        let note_which = |update: Update<'_>| {
            if let Update::Event(event) = update
                && driven.set(event.run).is_ok()
                && is_detached
                && matches!(event.kind, EventKind::RunStarted { .. })
            {
                self.ui.exact(&event.run.to_string());
            }
        };
        let engine = Engine::new(journal, world, &registry)
            .retry(world.policy.retry.clone())
            .cancel(cancel.clone())
            .grace(world.policy.request_timeout * 2 + GRACE)
            .holder(self.holder())
            .tell(note_which)
            .tell(|update| locked(&reporter).update(update));
        // Boxed: a workflow within the engine within a command is deeper than the compiler likes to lay out.
        let working = beside_ticks(&reporter, self.clock, Box::pin(go(&engine)));
        let (outcome, signalled) = beside_signals(self.ui, &cancel, working).await?;
        let Some(outcome) = outcome else {
            let exit = signalled.unwrap_or(Exit::Interrupted);
            return Ok(self.stopped_at_once(journal, driven.get().copied(), exit).await);
        };
        let outcome = outcome.map_err(Into::into)?;
        let exit = match Exit::of(&outcome.end) {
            Exit::Interrupted => signalled.unwrap_or(Exit::Interrupted),
            exit => exit,
        };
        match of_end(outcome.run, &outcome.end) {
            report if self.ui.is_json => {
                self.ui.json(&with_report(journal.run(outcome.run).await?.to_json(), report.as_ref()));
            }
            Some(report) => {
                problem::Report { exit, ..report }.print(self.ui);
            }
            None => self.ui.out(&summary(journal, &outcome).await?),
        }
        Ok(exit)
    }

    /// What is said after the second signal. The journal is right whatever was under way.
    async fn stopped_at_once(&self, journal: &Journal, run: Option<RunId>, exit: Exit) -> Exit {
        let Some(run) = run else {
            let message = "stopped before a run was taken up, or just then".to_owned();
            let hint = Some("nothing was sent; `deployctl history` shows whether there is a run".to_owned());
            return Report { kind: Kind::Interrupted, message, hint, exit }.print(self.ui);
        };
        let record = tokio::time::timeout(AT_ONCE, journal.run(run)).await.ok().and_then(Result::ok);
        // The signal may have come when everything was done.
        let is_over = record.as_ref().is_some_and(|record| record.state.is_over());
        let report = of_end(run, &End::Interrupted).filter(|_| !is_over);
        match (record, report) {
            (Some(record), report) if self.ui.is_json => {
                self.ui.json(&with_report(record.to_json(), report.as_ref()));
            }
            (_, Some(report)) => drop(report.print(self.ui)),
            (_, None) => {}
        }
        exit
    }
}

/// How long the journal is waited for when a person waits for nothing any more.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The published run, with what a person would be told of how it was left.
fn with_report(mut run: serde_json::Value, report: Option<&Report>) -> serde_json::Value {
    if let Some(report) = report {
        // What stopped this process alone is in no row of the run.
        if run["error"].is_null() {
            run["error"] = report.message.as_str().into();
        }
        run["reason"] = json!(report.kind);
        run["hint"] = report.hint.as_deref().into();
    }
    run
}

/// What is said of a run that ended as it was asked to.
async fn summary(journal: &Journal, outcome: &Outcome) -> Result<String, Report> {
    let record = journal.run(outcome.run).await?;
    let fact = |name: &str| record.facts.get(name).map_or("none", String::as_str);
    let took = record.finished_at.map(|at| super::ui::between(record.created_at, at)).unwrap_or_default();
    let id = record.id.short();
    let head = format!("run {id} of {} {} ({took})", record.name, status(&record));
    Ok(match record.state {
        crate::run::RunState::Succeeded => format!(
            "{head}\n  new instance  {}\n  old instance  {}{}",
            fact("new-instance-id"),
            fact("old-instance-id"),
            // What a person ended is not gone back from.
            match journal.abandoned(outcome.run).await? {
                Some(_) => String::new(),
                None => format!("\n  undo          deployctl rollback {id}"),
            }
        ),
        _ => head,
    })
}

fn locked(reporter: &Mutex<Reporter>) -> MutexGuard<'_, Reporter> {
    reporter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drives `work` to its end, and lets the reporter say that it goes on.
async fn beside_ticks<T>(
    reporter: &Mutex<Reporter>,
    clock: Clock,
    mut work: impl Future<Output = T> + Unpin,
) -> T {
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = clock.sleep(TICK) => locked(reporter).tick(clock.now()),
        }
    }
}
