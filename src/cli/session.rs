//! What all commands that drive a run share: the deployment, the cloud, the signals, and the report at the end.

use std::ffi::OsString;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::args::{DeploymentArgs, Global};
use super::exit::Exit;
use super::gate::{self, is_at_a_gate};
use super::problem;
use super::problem::{Kind, Report, of_end, of_rival};
use super::reporter::Reporter;
use super::signals::beside_signals;
use super::status::{status, with_image};
use super::ui::{Ui, plain};
use super::variables::is_detached;
use crate::clock::Clock;
use crate::config::{
    Credentials, CredentialsSource, Deployment, Loaded, Overrides, Policy, Predecessor, Sources, Until, load,
};
use crate::engine::{End, Engine, Outcome, Started};
use crate::env::Env;
use crate::journal::Journal;
use crate::oci::sign_in::Notice;
use crate::run::{EventKind, Holder, RunId, RunRecord, Target, Update, time_of};
use crate::workflows::{
    Context, IN_SERVICE_AT, NEW_IMAGE, NEW_INSTANCE, OLD_IMAGE, OLD_INSTANCE, PUBLISHED, Process, World,
    complete_origin, registry,
};

/// The time that a change may take after a signal, on top of the time limits of its request and of a read.
const GRACE: Duration = Duration::from_secs(30);

/// How often the reporter is asked for a report.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// A deployment, or a part of it, that was read and checked, and the world in which to carry it out.
pub(super) struct Ready<D> {
    pub(super) deployment: D,
    /// The data that is stored with a run of it.
    pub(super) context: Context,
    pub(super) world: World,
}

/// What became of driving a run.
pub(super) enum Driven {
    /// The process left it.
    Left(Box<Outcome>, Exit),
    /// The user did not want to wait. The run is not known if it was not taken up yet.
    StoppedAtOnce(Option<RunId>, Exit),
}

/// The program as one command sees it.
pub(super) struct Session<'s> {
    pub(super) ui: &'s Ui,
    pub(super) env: &'s Env,
    pub(super) global: &'s Global,
    pub(super) clock: Clock,
    /// The arguments of this process. The first is its own name.
    pub(super) args: &'s [OsString],
    /// Whether the process waits where only a person lets the run go on, also without a terminal.
    pub(super) holds: bool,
}

impl Session<'_> {
    /// The sources of a deployment.
    pub(super) fn sources<'a>(&'a self, args: &'a DeploymentArgs) -> Sources<'a> {
        let flags = Overrides {
            name: args.name.clone(),
            config_file: args.config_file.clone(),
            ci_config: args.ci_config.clone(),
            ci_config_file: args.ci_config_file.clone(),
            ci_filter: args.ci_filter.clone(),
            lb_filter: args.lb_filter.clone(),
            backends: args.backends.clone(),
            predecessor: predecessor(args),
        };
        Sources {
            deployment: args.file.as_deref(),
            aliases: &args.alias,
            flags,
            profile: &self.global.env,
            env: self.env,
            allows_unknown_fields: args.allow_unknown_fields,
        }
    }

    /// Reads a deployment and prints its warnings.
    pub(super) fn deployment(&self, args: &DeploymentArgs) -> Result<Loaded<Deployment>, Report> {
        let loaded = load(&self.sources(args))?;
        self.warn(&loaded);
        Ok(loaded)
    }

    /// Prints the warnings about a deployment.
    pub(super) fn warn(&self, loaded: &Loaded<Deployment>) {
        for warning in &loaded.warnings {
            self.ui.note(&plain(&format!("warning: {warning}")));
        }
    }

    /// A deployment with everything that a run of it needs, signed in.
    pub(super) async fn ready(&self, args: &DeploymentArgs) -> Result<Ready<Deployment>, Report> {
        self.ready_with(self.deployment(args)?).await
    }

    /// The same for a deployment that was read already.
    pub(super) async fn ready_with(&self, loaded: Loaded<Deployment>) -> Result<Ready<Deployment>, Report> {
        let mut ready = self.sign_in(loaded).await?;
        complete_origin(&mut ready.deployment, &ready.world).await;
        Ok(ready)
    }

    /// Signs in for what was read.
    pub(super) async fn sign_in<D>(&self, loaded: Loaded<D>) -> Result<Ready<D>, Report> {
        let Loaded { deployment, policy, credentials, source, warnings: _ } = loaded;
        let context = self.context(source, policy)?;
        let world = self.world(&context, credentials.as_ref()).await?;
        Ok(Ready { deployment, context, world })
    }

    /// The data that is stored with a run that starts now.
    fn context(&self, source: CredentialsSource, policy: Policy) -> Result<Context, Report> {
        Ok(Context::new(&self.process(), &self.global.env, source, policy)?)
    }

    /// Checks, without the cloud, whether the deployment's own credentials can sign at all.
    pub(super) fn check_credentials(&self, loaded: &Loaded<Deployment>) -> Result<(), Report> {
        let Some(credentials) = &loaded.credentials else { return Ok(()) };
        let context = self.context(loaded.source.clone(), loaded.policy.clone())?;
        Ok(context.check(&self.process(), credentials)?)
    }

    /// The data that was stored with a run.
    pub(super) async fn context_of(&self, journal: &Journal, run: RunId) -> Result<Context, Report> {
        let stored = journal.context(run).await?;
        Context::restored(&stored).map_err(|error| {
            Report::ours(format!("the journal's context of the run cannot be read: {error}"))
                .hint("use the version of deployctl that started it, or a newer one")
        })
    }

    /// The signed-in world of a run that was started before.
    pub(super) async fn world_of(&self, context: &Context) -> Result<World, Report> {
        let credentials = context.credentials(self.env)?;
        self.world(context, credentials.as_ref()).await
    }

    /// The signed-in world.
    async fn world(&self, context: &Context, credentials: Option<&Credentials>) -> Result<World, Report> {
        Ok(context.world(&self.process(), credentials).await?)
    }

    /// This process, for signing in.
    fn process(&self) -> Process<'_> {
        let tell = Box::new(|notice: Notice| self.notice(&notice));
        Process { flags: self.global.sign_in(), env: self.env, clock: self.clock, tell }
    }

    fn notice(&self, notice: &Notice) {
        let text = notice.to_string();
        if notice.is_warning() { self.ui.warn(&text) } else { self.ui.note(&text) }
    }

    /// This process and its user, as a holder of runs.
    pub(super) fn holder(&self) -> Holder {
        let user = ["USER", "LOGNAME"].iter().find_map(|name| self.env.get(name));
        Holder::of_this_process(user.unwrap_or("unknown"))
    }

    /// Drives a run with `go` while listening for signals, and reports how the run was left.
    pub(super) async fn drive<E: Into<Report>>(
        &self,
        journal: &Journal,
        world: &World,
        name: &str,
        go: impl AsyncFnOnce(&Engine<'_, World>) -> Result<Outcome, E>,
    ) -> Result<Exit, Report> {
        let driven = self.driven(journal, world, name, go).await?;
        self.report(journal, driven).await
    }

    /// Drives a run with `go` while listening for signals.
    pub(super) async fn driven<E: Into<Report>>(
        &self,
        journal: &Journal,
        world: &World,
        name: &str,
        go: impl AsyncFnOnce(&Engine<'_, World>) -> Result<Outcome, E>,
    ) -> Result<Driven, Report> {
        let cancel = CancellationToken::new();
        // A std mutex suffices, because it is never held across an await.
        let reporter = Mutex::new(Reporter::new(self.ui, name));
        let registry = registry();
        let is_detached = is_detached(self.env);
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
            .retry_policy(world.policy.retry.clone())
            .cancel(cancel.clone())
            .grace(world.policy.request_timeout * 2 + GRACE)
            .holder(self.holder())
            .holds(world.policy.until == Until::End && (self.holds || self.ui.notes().is_terminal()))
            .tell(note_which)
            .tell(|update| locked(&reporter).update(update));
        // Boxed, because the nested future of command, engine and workflow is too deep for the compiler to lay out.
        let working = beside_ticks(&reporter, self.clock, Box::pin(go(&engine)));
        let (outcome, signalled) = beside_signals(self.ui, &cancel, working).await?;
        let Some(outcome) = outcome else {
            let exit = signalled.unwrap_or(Exit::Interrupted);
            return Ok(Driven::StoppedAtOnce(driven.get().copied(), exit));
        };
        let outcome = outcome.map_err(Into::into)?;
        let exit = match Exit::of(&outcome.end) {
            Exit::Interrupted => signalled.unwrap_or(Exit::Interrupted),
            Exit::Suspended if world.policy.until == Until::Registered && is_at_a_gate(&outcome.end) => {
                Exit::Done
            }
            exit => exit,
        };
        Ok(Driven::Left(Box::new(outcome), exit))
    }

    /// Reports how a run was left.
    pub(super) async fn report(&self, journal: &Journal, driven: Driven) -> Result<Exit, Report> {
        let (outcome, exit) = match driven {
            Driven::Left(outcome, exit) => (outcome, exit),
            Driven::StoppedAtOnce(run, exit) => return Ok(self.stopped_at_once(journal, run, exit).await),
        };
        let report = of_end(outcome.run, &outcome.end);
        match of_rival(report, &outcome.end, journal).await? {
            report if self.ui.is_json => {
                let record = journal.run(outcome.run).await?;
                let mut json = with_report(record.to_json(&PUBLISHED), report.as_ref());
                if let Some(hint) = gate::hint(&record) {
                    json["hint"] = hint.into();
                }
                self.ui.json(&json);
            }
            Some(report) => {
                problem::Report { exit, ..report }.print(self.ui);
            }
            None => self.ui.out(&summary(journal, &outcome).await?),
        }
        Ok(exit)
    }

    /// Reports after the second signal. The journal is right, whatever was under way.
    async fn stopped_at_once(&self, journal: &Journal, run: Option<RunId>, exit: Exit) -> Exit {
        let Some(run) = run else {
            let message = "stopped before a run was taken up, or just then".to_owned();
            let hint = Some("nothing was sent; `deployctl history` shows whether there is a run".to_owned());
            return Report { kind: Kind::Interrupted, message, hint, exit }.print(self.ui);
        };
        let record = tokio::time::timeout(AT_ONCE, journal.run(run)).await.ok().and_then(Result::ok);
        // The signal may have arrived when everything was done.
        let is_over = record.as_ref().is_some_and(|record| record.state.is_over());
        let report = of_end(run, &End::Interrupted).filter(|_| !is_over);
        match (record, report) {
            (Some(record), report) if self.ui.is_json => {
                self.ui.json(&with_report(record.to_json(&PUBLISHED), report.as_ref()));
            }
            (_, Some(report)) => drop(report.print(self.ui)),
            (_, None) => {}
        }
        exit
    }
}

/// How long to wait for the journal when the user does not want to wait any more.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The published JSON of a run, with the report for people on how it was left.
fn with_report(mut run: serde_json::Value, report: Option<&Report>) -> serde_json::Value {
    if let Some(report) = report {
        // No row of the run holds an error that stopped only this process.
        if run["error"].is_null() {
            run["error"] = report.message.as_str().into();
        }
        run["reason"] = json!(report.kind);
        run["hint"] = report.hint.as_deref().into();
    }
    run
}

/// What the arguments say of the old instance.
pub(super) fn predecessor(args: &DeploymentArgs) -> Option<Predecessor> {
    match &args.replace {
        Some(id) => Some(Predecessor::Named(id.clone())),
        None => args.first.then_some(Predecessor::MayBeMissing),
    }
}

/// A run of this name that is about to start, which holds `target` from its first moment.
pub(super) fn started(name: &str, target: Target, context: &Context, world: &World) -> Started {
    Started::new(name, target).context(context.stored()).on_failure(world.policy.on_failure)
}

/// The summary of a run that ended as asked.
async fn summary(journal: &Journal, outcome: &Outcome) -> Result<String, Report> {
    let record = journal.run(outcome.run).await?;
    if let Some(screen) = gate::screen(&record) {
        return Ok(screen);
    }
    let fact = |name: &str, image: &str| match record.facts.get(name) {
        Some(id) => with_image(&record, id, image),
        None => "none".to_owned(),
    };
    let took = record.finished_at.map(|at| super::ui::between(record.created_at, at)).unwrap_or_default();
    let id = record.id.short();
    let head = format!("run {id} of {} {} ({took})", record.name, status(&record));
    Ok(match record.state {
        crate::run::RunState::Succeeded => format!(
            "{head}\n  new instance  {}{}\n  old instance  {}{}",
            fact(NEW_INSTANCE, NEW_IMAGE),
            in_service(&record).map(|after| format!("\n  in service    after {after}")).unwrap_or_default(),
            fact(OLD_INSTANCE, OLD_IMAGE),
            // A run that a person ended has no way back.
            match journal.abandoned(outcome.run).await? {
                Some(_) => String::new(),
                None => format!("\n  undo          deployctl rollback {id}"),
            }
        ),
        _ => head,
    })
}

/// How long the run took until its new version served.
fn in_service(record: &RunRecord) -> Option<String> {
    let at = time_of(record.facts.get(IN_SERVICE_AT)?)?;
    Some(super::ui::between(record.created_at, at))
}

fn locked(reporter: &Mutex<Reporter>) -> MutexGuard<'_, Reporter> {
    reporter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drives `work` to its end, and lets the reporter say that it still goes on.
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
