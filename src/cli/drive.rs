//! The commands that drive runs: start, plan, resume, rollback, destroy.

use comfy_table::{Table, presets};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::args::DeploymentArgs;
use super::exit::Exit;
use super::problem::Report;
use super::session::{Context, Session, retry};
use super::signals::beside_signals;
use super::ui::plain;
use crate::config::{Deployment, Loaded, Policy, load_target};
use crate::engine::{PlannedStep, Started, Stop, Workflow, plan as foresee};
use crate::journal::{OnFailure, Purpose};
use crate::oci::InstanceId;
use crate::retry::RetryPolicy;
use crate::run::{Effect, RunSelector, Update};
use crate::workflows::{Destroy, Destruction, Redeploy, World, claim, instance_target};

pub(super) async fn start(session: &Session<'_>, args: &DeploymentArgs) -> Result<Exit, Report> {
    let mut loaded = session.deployment(args)?;
    let context = session.context(loaded.source.clone(), &loaded.deployment.policy)?;
    let world = session.world(&context, loaded.credentials.as_ref()).await?;
    signed_in(&mut loaded.deployment, &world).await;
    let policy = &loaded.deployment.policy;
    let journal = session.journal().await?;
    let name = loaded.deployment.name.clone();
    let started = Started {
        name: name.clone(),
        context: stored(&context),
        on_failure: on_failure(policy),
        target: claim(&loaded.deployment),
    };
    let exit = session
        .drive(&journal, &world, policy, &name, async |engine| {
            engine.start::<Redeploy>(started, &loaded.deployment).await
        })
        .await?;
    journal.close().await?;
    Ok(exit)
}

/// Completes a deployment's target by what is known only once we have signed in.
async fn signed_in(deployment: &mut Deployment, world: &World) {
    if let Some(origin) = &mut deployment.origin {
        origin.tenancy = world.oci.tenancy().await;
    }
}

pub(super) async fn plan(session: &Session<'_>, args: &DeploymentArgs) -> Result<Exit, Report> {
    let loaded = session.deployment(args)?;
    let steps = match foreseen::<Redeploy>(session, &loaded).await? {
        Foreseen::Steps(steps) => steps,
        Foreseen::Stopped(stop) => return Err(stop.into()),
        Foreseen::Signalled(exit) => return Ok(exit),
    };
    let name = &loaded.deployment.name;
    if session.ui.is_json {
        session.ui.json(&json!({"name": name, "steps": steps}));
    } else {
        session.ui.out(&table(&steps));
        let n = steps.iter().filter(|step| step.effect == Effect::Mutation).count();
        let changes = super::ui::plural(n, "change");
        session.ui.out(&format!("\nPlan of {name}: {changes}. Nothing was changed."));
    }
    Ok(Exit::Done)
}

/// What came of foreseeing a workflow.
pub(super) enum Foreseen {
    /// The steps that it would take.
    Steps(Vec<PlannedStep>),
    /// What stopped it before its end.
    Stopped(Stop),
    /// The user did.
    Signalled(Exit),
}

/// Foresees a workflow with this deployment.
pub(super) async fn foreseen<F: Workflow<World = World, Input = Deployment>>(
    session: &Session<'_>,
    loaded: &Loaded,
) -> Result<Foreseen, Report> {
    let policy = &loaded.deployment.policy;
    let context = session.context(loaded.source.clone(), policy)?;
    let world = session.world(&context, loaded.credentials.as_ref()).await?;
    let cancel = CancellationToken::new();
    // Somebody is looking at it: what cannot be foreseen says so soon.
    let max_elapsed = policy.retry.max_elapsed.min(std::time::Duration::from_mins(1));
    let retry = RetryPolicy { max_elapsed, ..retry(policy) };
    let mut tell = |update: Update<'_>| match update {
        Update::Progress { text, .. } => session.ui.note(&plain(text)),
        Update::Trouble { failure, .. } => session.ui.note(&plain(&failure.to_string())),
        Update::Event(_) => {}
    };
    let planning = foresee::<F>(&world, &loaded.deployment, session.clock, &retry, &cancel, &mut tell);
    let (planned, signalled) = beside_signals(session.ui, &cancel, planning).await?;
    Ok(match planned {
        Some(Ok(steps)) => Foreseen::Steps(steps),
        Some(Err(stop)) => Foreseen::Stopped(stop),
        None => Foreseen::Signalled(signalled.unwrap_or(Exit::Interrupted)),
    })
}

fn table(steps: &[PlannedStep]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["#", "step", "what", "found, or call"]);
    for (n, step) in (1..).zip(steps) {
        let call = match (&step.request, step.effect) {
            (Some(request), _) => {
                let body = request.body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
                format!("{} {}{body}", request.method, request.path)
            }
            (None, Effect::Wait) => "waits".to_owned(),
            (None, Effect::Read | Effect::Mutation) => step.note.clone().unwrap_or_default(),
        };
        let subject = step.subject.as_deref().map(super::ui::short).unwrap_or_default();
        table.add_row([n.to_string(), step.name.clone(), plain(&subject), plain(&call)]);
    }
    table.trim_fmt()
}

pub(super) async fn resume(session: &Session<'_>, selector: &RunSelector) -> Result<Exit, Report> {
    let journal = session.existing_journal(selector).await?;
    let run = journal.find(selector, Purpose::Resume).await?;
    let (workflow, context) = journal.context(run).await?;
    let context = restored(&context)?;
    let world = session.world(&context, session.reload(&context)?.as_ref()).await?;
    let name = journal.run(run).await?.name;
    let exit = session
        .drive(&journal, &world, &context.policy, &name, async |engine| {
            if workflow == Destroy::NAME {
                engine.resume::<Destroy>(run).await
            } else {
                engine.resume::<Redeploy>(run).await
            }
        })
        .await?;
    journal.close().await?;
    Ok(exit)
}

pub(super) async fn rollback(session: &Session<'_>, selector: &RunSelector) -> Result<Exit, Report> {
    let journal = session.existing_journal(selector).await?;
    let run = journal.find(selector, Purpose::Undo).await?;
    let (_, context) = journal.context(run).await?;
    let context = restored(&context)?;
    let world = session.world(&context, session.reload(&context)?.as_ref()).await?;
    let name = journal.run(run).await?.name;
    let exit = session
        .drive(&journal, &world, &context.policy, &name, async |engine| engine.rollback(run).await)
        .await?;
    journal.close().await?;
    Ok(exit)
}

pub(super) async fn destroy(session: &Session<'_>, args: &DeploymentArgs, id: &str) -> Result<Exit, Report> {
    let target = session.with_sources(args, load_target)?;
    let context = session.context(target.source, &target.policy)?;
    let world = session.world(&context, target.credentials.as_ref()).await?;
    let Some(compartment_id) = target.compartment_id else {
        return Err(Report::usage("compartment-id is missing: where is the load balancer looked for?"));
    };
    let journal = session.journal().await?;
    let destruction = Destruction {
        id: InstanceId::from(id),
        compartment_id,
        lb_filter: target.lb_filter,
        drain_delay: target.policy.drain_delay,
    };
    let started = Started {
        name: id.to_owned(),
        context: stored(&context),
        on_failure: on_failure(&target.policy),
        target: instance_target(&destruction.id),
    };
    let exit = session
        .drive(&journal, &world, &target.policy, id, async |engine| {
            engine.start::<Destroy>(started, &destruction).await
        })
        .await?;
    journal.close().await?;
    Ok(exit)
}

const fn on_failure(policy: &Policy) -> OnFailure {
    match policy.on_failure {
        crate::config::OnFailure::Rollback => OnFailure::Rollback,
        crate::config::OnFailure::Halt => OnFailure::Halt,
    }
}

fn stored(context: &Context) -> serde_json::Value {
    serde_json::to_value(context).expect("paths and names serialise, as they came from text")
}

fn restored(context: &serde_json::Value) -> Result<Context, Report> {
    serde_json::from_value(context.clone()).map_err(|error| {
        Report::ours(format!("the journal's context of the run cannot be read: {error}"))
            .hint("use the version of deployctl that started it, or a newer one")
    })
}
