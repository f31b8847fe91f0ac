//! Takes up a run whose process and disk are gone, from what the cloud shows of it: by itself, or before a start.

use super::args::DeploymentArgs;
use super::exit::Exit;
use super::foresee::{Foreseen, foreseen};
use super::problem::{Kind, Report};
use super::recovered::{published, screen};
use super::session::{Ready, Session, started};
use super::status::status;
use crate::config::Deployment;
use crate::engine::{Engine, Foresight, Started, Stop};
use crate::journal::{Journal, JournalError, Recollection, StartError};
use crate::run::{FailureKind, RunRecord, RunSelector, Target, stamp};
use crate::workflows::{
    LostRun, PUBLISHED, Phase, Redeploy, World, claim, is_specified, lost_runs, quiet, registry, take_over,
};

/// Why a command ends before it has come to its end.
enum Early {
    Refused(Report),
    Signalled(Exit),
}

impl From<Report> for Early {
    fn from(report: Report) -> Self {
        Self::Refused(report)
    }
}

impl Early {
    fn end(self) -> Result<Exit, Report> {
        match self {
            Self::Refused(report) => Err(report),
            Self::Signalled(exit) => Ok(exit),
        }
    }
}

/// Which run is taken up, and how.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'w> {
    pub(super) run: Option<&'w RunSelector>,
    /// Whether its process is gone for sure.
    pub(super) is_now: bool,
}

pub(super) async fn recover(
    session: &Session<'_>,
    args: &DeploymentArgs,
    wanted: Wanted<'_>,
) -> Result<Exit, Report> {
    recovered(session, args, wanted).await.map_or_else(Early::end, |()| Ok(Exit::Done))
}

async fn recovered(session: &Session<'_>, args: &DeploymentArgs, wanted: Wanted<'_>) -> Result<(), Early> {
    let ready = session.ready(args).await?;
    let found = find(session, &ready).await?;
    let lost = chosen(found, wanted.run)?;
    let journal = session.journal().await?;
    refuse_what_is_here(&journal, &lost).await?;
    let goes_back = !is_specified(&lost, &ready.deployment);
    let name = ready.deployment.name.clone();
    let taken = take_up(session, &journal, ready, lost.clone(), goes_back, wanted.is_now).await?;
    let (_, recollection) = taken.ok_or_else(nothing)?;
    if session.ui.is_json {
        let mut shown = journal.run(lost.run).await.map_err(Report::from)?.to_json(&PUBLISHED);
        shown["recovered"] = published(&lost, &recollection);
        session.ui.json(&shown);
    } else {
        session.ui.out(&screen(&name, &lost, &recollection));
    }
    journal.close().await.map_err(Report::from)?;
    Ok(())
}

/// Ends the runs of the deployment that are lost, before it is started: a run whose version serves alone is closed, and any
/// other is rolled back. Returns the exit of the command if it must not go on.
pub(super) async fn before_a_start(
    session: &Session<'_>,
    args: &DeploymentArgs,
    is_now: bool,
) -> Result<Option<Exit>, Report> {
    // The result of the command is that of the start.
    let ui = session.ui.beside();
    let session = Session { ui: &ui, ..*session };
    match ended(&session, args, is_now).await {
        Ok(()) => Ok(None),
        Err(early) => early.end().map(Some),
    }
}

async fn ended(session: &Session<'_>, args: &DeploymentArgs, is_now: bool) -> Result<(), Early> {
    let ready = session.ready(args).await?;
    let found = find(session, &ready).await?;
    let journal = session.journal().await?;
    for lost in found {
        // A run of this journal is held by its targets, and the start says so.
        if is_here(&journal, &lost).await?.is_some() {
            continue;
        }
        let (run, serves_alone) = (lost.run, lost.phase == Phase::Draining);
        let ready = session.ready(args).await?;
        let name = ready.deployment.name.clone();
        let Some((world, _)) = take_up(session, &journal, ready, lost, !serves_alone, is_now).await? else {
            continue;
        };
        let exit = session.drive(&journal, &world, &name, async |engine| engine.resume(run).await).await?;
        if exit != Exit::Done {
            let id = run.short();
            let report = Report {
                kind: Kind::Suspended,
                message: format!("run {id}, which was lost, is recovered and not ended"),
                hint: Some(format!("`deployctl history {id}` says why; nothing was started")),
                exit,
            };
            return Err(report.into());
        }
    }
    journal.close().await.map_err(Report::from)?;
    Ok(())
}

/// The runs of the deployment that are not over, the newest first.
async fn find(session: &Session<'_>, ready: &Ready<Deployment>) -> Result<Vec<LostRun>, Early> {
    let look = async |foresight: &Foresight<'_, World>| lost_runs(foresight, &ready.deployment).await;
    looked(session, &ready.world, look).await
}

/// Infers what a run has done, and shows what is assumed. Makes sure that its process is gone, takes the run over, and records
/// it as it is then. `None` if nothing of it is unfinished.
async fn take_up(
    session: &Session<'_>,
    journal: &Journal,
    ready: Ready<Deployment>,
    lost: LostRun,
    goes_back: bool,
    is_now: bool,
) -> Result<Option<(World, Recollection)>, Early> {
    let Ready { deployment, context, world } = ready;
    let run = lost.run;
    let world = world.of_lost(lost.clone());
    let Some(foreseen) = recalled(session, &world, &deployment, &lost).await? else { return Ok(None) };
    // A run that cannot be recorded is not taken from anybody.
    let targets: Vec<Target> = foreseen.targets.iter().cloned().chain([claim(&deployment)]).collect();
    journal.can_hold(run, &targets).await.map_err(StartError::from).map_err(Report::from)?;
    let done = foreseen.steps.iter().filter_map(|recalled| recalled.done.as_ref());
    done.flat_map(|done| &done.warnings).for_each(|warning| session.ui.warn(warning));
    if !is_specified(&lost, &deployment) {
        let id = run.short();
        let so = if goes_back {
            format!(
                ": run {id} can only be rolled back (to go on with it, recover it with the deployment that it was started \
                 with)"
            )
        } else {
            format!(", of which run {id} has only the old version to retire")
        };
        session.ui.warn(&format!("the deployment describes another version than the one that was made{so}"));
    }
    if is_now {
        session.ui.warn(&format!(
            "--now does not wait: if the process of run {} is alive after all, it stops before its next change",
            run.short()
        ));
    } else {
        let wait = async |foresight: &Foresight<'_, World>| quiet(foresight, &lost).await;
        looked(session, &world, wait).await?;
    }
    let lost = take_over(&world, session.clock, &lost).await.map_err(|failure| match failure.kind {
        FailureKind::TakenOver => Report::from(Stop::TakenOver(failure)),
        _ => Report::from(Stop::Suspended(failure)),
    })?;
    let world = world.of_lost(lost.clone());
    let Some(recollection) = recalled(session, &world, &deployment, &lost).await? else { return Ok(None) };
    let recollection = Recollection { goes_back, ..recollection };
    let started = started(&deployment.name, claim(&deployment), &context, &world);
    record(session, journal, &world, &deployment, &recollection, started).await?;
    Ok(Some((world, recollection)))
}

async fn record(
    session: &Session<'_>,
    journal: &Journal,
    world: &World,
    deployment: &Deployment,
    recollection: &Recollection,
    started: Started,
) -> Result<(), Report> {
    let registry = registry();
    let engine = Engine::new(journal, world, &registry).holder(session.holder());
    Ok(engine.recover::<Redeploy>(recollection.clone(), started, deployment).await?)
}

/// What a run has done. `None` if nothing of it is unfinished.
async fn recalled(
    session: &Session<'_>,
    world: &World,
    deployment: &Deployment,
    lost: &LostRun,
) -> Result<Option<Recollection>, Early> {
    let recall =
        async |foresight: &Foresight<'_, World>| foresight.recall::<Redeploy>(lost.run, deployment).await;
    let recollection = looked(session, world, recall).await?;
    Ok(Some(recollection).filter(|found| found.left.is_some() && !found.steps.is_empty()))
}

/// Looks at the cloud while listening for signals.
async fn looked<T>(
    session: &Session<'_>,
    world: &World,
    look: impl AsyncFnOnce(&Foresight<'_, World>) -> Result<T, Stop>,
) -> Result<T, Early> {
    match foreseen(session, world, look).await? {
        Foreseen::Seen(seen) => Ok(seen),
        Foreseen::Stopped(stop) => Err(Report::from(stop).into()),
        Foreseen::Signalled(exit) => Err(Early::Signalled(exit)),
    }
}

/// The one run that is meant.
fn chosen(mut found: Vec<LostRun>, wanted: Option<&RunSelector>) -> Result<LostRun, Report> {
    match wanted {
        Some(RunSelector::Prefix(prefix)) => {
            found.retain(|lost| lost.run.to_string().starts_with(prefix.as_str()));
        }
        // The newest is the first.
        Some(RunSelector::Latest) => found.truncate(1),
        None => {}
    }
    match found.len() {
        0 => Err(nothing()),
        1 => Ok(found.remove(0)),
        _ => {
            let lines: Vec<String> = found.iter().map(told).collect();
            Err(refused(format!("several runs of this deployment are not over:\n  {}", lines.join("\n  ")))
                .hint("`--run RUN` says which of them is meant"))
        }
    }
}

/// A run in one line.
fn told(lost: &LostRun) -> String {
    let since = lost.since.map(|at| format!(" since {}", stamp(at))).unwrap_or_default();
    format!("{} ({}{since}): {}", lost.run.short(), lost.instance, lost.phase.told())
}

fn nothing() -> Report {
    refused("nothing of this deployment is unfinished".to_owned())
        .hint("`deployctl start` deploys; a run that has ended cannot be recovered")
}

fn refused(message: String) -> Report {
    Report { kind: Kind::Refused, message, hint: None, exit: Exit::Usage }
}

/// A run of this journal is not lost.
async fn refuse_what_is_here(journal: &Journal, lost: &LostRun) -> Result<(), Report> {
    let id = lost.run.short();
    match is_here(journal, lost).await? {
        None => Ok(()),
        Some(record) => Err(refused(format!("run {id} is in this journal, and is {}", status(&record)))
            .hint(format!("`deployctl resume {id}` goes on, `deployctl rollback {id}` takes it back"))),
    }
}

/// The run, if it is in this journal.
async fn is_here(journal: &Journal, lost: &LostRun) -> Result<Option<RunRecord>, Report> {
    match journal.run(lost.run).await {
        Err(JournalError::NoSuchRun(_)) => Ok(None),
        record => Ok(Some(record?)),
    }
}
