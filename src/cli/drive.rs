//! The commands that drive runs: start, plan, resume, rollback, destroy.

use std::time::Duration;

use super::abandon::{Word, of_run};
use super::args::DeploymentArgs;
use super::cause;
use super::confirm::{Confirmation, undoing};
use super::detach::{hand_over, leave_the_terminal};
use super::exit::Exit;
use super::foresee::{Foreseen, foreseen, print_plan, stopped, table, unfound};
use super::meant::{Meant, meant};
use super::problem::Report;
use super::recover::before_a_start;
use super::session::{Ready, Session, started};
use super::unchanged::unchanged;
use super::variables::is_detached;
use super::wait::{Waited, Waiting, held};
use crate::config::{Deployment, Register, Until, load_scope};
use crate::engine::{Engine, Foresight, Outcome, Stop};
use crate::journal::{Claim, Journal, Purpose, TakeError};
use crate::oci::InstanceId;
use crate::run::{Facts, RunId, RunSelector, RunState};
use crate::workflows::{Destroy, Destruction, Lookups, Redeploy, World, claim, instance_target};

/// How a deployment is started.
#[derive(Clone, Copy)]
pub(super) struct Starting<'a> {
    /// Whether the run goes on without a terminal.
    pub(super) is_detached: bool,
    /// What becomes of runs whose journal is lost.
    pub(super) lost: Lost,
    /// How long to wait for another run of the deployment.
    pub(super) wait: Option<Duration>,
    /// Whether nothing is done if nothing would change.
    pub(super) only_if_changed: bool,
    /// Why it is started.
    pub(super) reason: Option<&'a str>,
    /// How far the run goes by itself.
    pub(super) until: Until,
}

/// What becomes of runs whose journal is lost before a deployment is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// They are left alone.
    Left,
    /// They are ended, once it has been made sure that their processes are gone.
    Ended,
    /// They are ended at once: their processes are gone for sure.
    EndedNow,
}

pub(super) async fn start(
    session: &Session<'_>,
    args: &DeploymentArgs,
    way: Starting<'_>,
) -> Result<Exit, Report> {
    if way.is_detached && !is_detached(session.env) {
        return hand_over(session).await;
    }
    if way.is_detached {
        leave_the_terminal()?;
    }
    if way.lost != Lost::Left
        && let Some(exit) = before_a_start(session, args, way.lost == Lost::EndedNow).await?
    {
        return Ok(exit);
    }
    let mut loaded = session.deployment(args)?;
    loaded.policy.until = way.until;
    if way.until == Until::Registered && loaded.policy.register == Register::Active {
        let report = Report::usage("`--until registered` and `register: active` contradict each other");
        return Err(report
            .hint("a backend that is registered active takes requests at once: leave out one of the two"));
    }
    let ready = session.ready_with(loaded).await?;
    let journal = session.journal().await?;
    session.say_what_a_lost_disk_means()?;
    if way.only_if_changed
        && let Some(exit) = unchanged(session, &journal, &ready).await?
    {
        journal.close().await?;
        return Ok(exit);
    }
    let cause = cause::of_start(session, way.reason);
    let exit = roll_out(session, &journal, &ready, &cause, way.wait).await?;
    journal.close().await?;
    Ok(exit)
}

/// Starts a run of the deployment, of which these facts are known, and drives it. If another run has the deployment, waits so
/// long for its end.
pub(super) async fn roll_out(
    session: &Session<'_>,
    journal: &Journal,
    ready: &Ready<Deployment>,
    facts: &Facts,
    wait: Option<Duration>,
) -> Result<Exit, Report> {
    let Ready { deployment, context, world } = ready;
    let name = &deployment.name;
    let waiting = wait.map(Waiting::begin);
    loop {
        let started = started(name, claim(deployment), context, world).facts(facts.clone());
        let start = async |engine: &Engine<'_, World>| engine.start::<Redeploy>(started, deployment).await;
        let driven = session.driven(journal, world, name, start).await;
        match (&waiting, held(&driven)) {
            (Some(waiting), Some(why)) => match waiting.until_free(session, world, deployment, why).await? {
                Waited::Free => {}
                Waited::TooLong => return session.report(journal, driven?).await,
                Waited::Signalled(exit) => return Ok(exit),
            },
            (None, _) | (_, None) => return session.report(journal, driven?).await,
        }
    }
}

pub(super) async fn plan(session: &Session<'_>, args: &DeploymentArgs) -> Result<Exit, Report> {
    let Ready { deployment, world, .. } = session.ready(args).await?;
    let deployment = &deployment;
    let plan = async |foresight: &Foresight<'_, World>| {
        let (steps, ()) = foresight.plan::<Redeploy>(deployment).await?;
        let mut missing = Vec::new();
        // A name that the cloud does not have is refused here, as in `validate --online`. A failed look-up is only a
        // warning.
        match foresight.plan::<Lookups>(deployment).await {
            Err(Stop::Suspended(failure)) => {
                session.ui.warn(&format!("what the deployment names could not be looked at: {failure}"));
            }
            looked => missing = looked?.1,
        }
        Ok((steps, missing))
    };
    match foreseen(session, &world, plan).await? {
        Foreseen::Seen((steps, missing)) if missing.is_empty() => {
            print_plan(session, &deployment.name, &steps);
            Ok(Exit::Done)
        }
        Foreseen::Seen((_, missing)) => Err(unfound(&missing)),
        Foreseen::Stopped(stop) => Err(stopped(session, stop).await),
        Foreseen::Signalled(exit) => Ok(exit),
    }
}

pub(super) async fn resume(
    session: &Session<'_>,
    selector: &RunSelector,
    claim: Claim,
) -> Result<Exit, Report> {
    let journal = session.existing_journal(selector).await?.claiming(claim);
    let run = journal.find(selector, Purpose::Resume).await?;
    session.say_whom_it_disowns(&journal, run, claim).await?;
    if let Some(keep) = journal.abandoned(run).await?
        && !journal.run(run).await?.state.is_over()
    {
        // The earlier command confirmed it and gave the reason.
        let word = Word { keep, reason: None, confirmation: Confirmation::Given };
        return of_run(session, journal, run, word).await;
    }
    go_on(session, journal, run, async |engine| engine.resume(run).await).await
}

/// Retries the step at which a run has stopped.
pub(super) async fn retry(
    session: &Session<'_>,
    selector: &RunSelector,
    claim: Claim,
) -> Result<Exit, Report> {
    let journal = session.existing_journal(selector).await?.claiming(claim);
    let run = journal.find(selector, Purpose::Undo).await?;
    session.say_whom_it_disowns(&journal, run, claim).await?;
    go_on(session, journal, run, async |engine| engine.retry(run).await).await
}

/// Drives a run of the journal in the world that was stored with it.
pub(super) async fn go_on(
    session: &Session<'_>,
    journal: Journal,
    run: RunId,
    drive: impl AsyncFnOnce(&Engine<'_, World>) -> Result<Outcome, TakeError>,
) -> Result<Exit, Report> {
    let world = session.world_of(&session.context_of(&journal, run).await?).await?;
    let name = journal.run(run).await?.name;
    let exit = session.drive(&journal, &world, &name, drive).await?;
    journal.close().await?;
    Ok(exit)
}

/// Undoes the run that the user names, or the newest run of the deployment that the user names.
pub(super) async fn rollback(
    session: &Session<'_>,
    args: &DeploymentArgs,
    way: Undoing<'_>,
) -> Result<Exit, Report> {
    let claim = way.claim;
    let (journal, run) = match meant(session, args).await? {
        Meant::Run(journal, run) => (journal.claiming(claim), run),
        Meant::Signalled(exit) => return Ok(exit),
    };
    session.say_whom_it_disowns(&journal, run, claim).await?;
    let world = session.world_of(&session.context_of(&journal, run).await?).await?;
    let record = journal.run(run).await?;
    if record.state == RunState::Succeeded {
        way.confirmation.ask(session.ui, &undoing(&record), "roll it back?")?;
    }
    let cause = cause::of_rollback(session, way.reason);
    let undo = async |engine: &Engine<'_, World>| engine.rollback_with(run, cause).await;
    let exit = session.drive(&journal, &world, &record.name, undo).await?;
    journal.close().await?;
    Ok(exit)
}

pub(super) async fn destroy(
    session: &Session<'_>,
    args: &DeploymentArgs,
    id: &str,
    way: Destroying,
) -> Result<Exit, Report> {
    if args.first || args.replace.is_some() {
        return Err(Report::usage("--first and --replace are for a deployment: --id is what is destroyed"));
    }
    let loaded = load_scope(&session.sources(args))?;
    let Ready { deployment: scope, context, world } = session.sign_in(loaded).await?;
    let Some(compartment_id) = scope.compartment_id else {
        return Err(Report::usage("compartment-id is missing: where is the load balancer looked for?"));
    };
    let destruction = Destruction {
        id: InstanceId::from(id),
        compartment_id,
        lb_compartment: scope.lb_compartment,
        lb_filter: scope.lb_filter,
        lb_compartments: Some(world.policy.lb_compartments.clone()),
    };
    let asks = way.confirmation.asks(session.ui);
    if way.is_dry || asks {
        let plan = async |foresight: &Foresight<'_, World>| foresight.plan::<Destroy>(&destruction).await;
        let steps = match foreseen(session, &world, plan).await? {
            Foreseen::Seen((steps, ())) => steps,
            Foreseen::Stopped(stop) => return Err(stop.into()),
            Foreseen::Signalled(exit) => return Ok(exit),
        };
        if way.is_dry {
            print_plan(session, id, &steps);
            return Ok(Exit::Done);
        }
        way.confirmation.ask(session.ui, &table(&steps), &format!("destroy {id}?"))?;
    }
    let journal = session.journal().await?;
    let cause = cause::of_start(session, None);
    let started = started(id, instance_target(&destruction.id), &context, &world).facts(cause);
    let exit = session
        .drive(&journal, &world, id, async |engine| engine.start::<Destroy>(started, &destruction).await)
        .await?;
    journal.close().await?;
    Ok(exit)
}

/// How a run is rolled back.
#[derive(Clone, Copy)]
pub(super) struct Undoing<'a> {
    pub(super) confirmation: Confirmation,
    pub(super) claim: Claim,
    /// Why it is rolled back.
    pub(super) reason: Option<&'a str>,
}

/// How an instance is to be destroyed.
#[derive(Clone, Copy)]
pub(super) struct Destroying {
    /// Whether it is only shown.
    pub(super) is_dry: bool,
    pub(super) confirmation: Confirmation,
}
