//! `prune`: takes away what earlier runs of a deployment have left behind in the cloud.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::DeploymentArgs;
use super::cause;
use super::exit::Exit;
use super::foresee::{Foreseen, foreseen};
use super::problem::Report;
use super::session::{Ready, Session, started};
use super::ui::{plain, plural};
use crate::engine::{Engine, Foresight};
use crate::journal::{Journal, Kin};
use crate::oci::InstanceId;
use crate::run::{RunId, RunState, StepRecord};
use crate::workflows::{
    BACKEND_SET, DeadBackend, Leftovers, MAKES_SETS, MadeSet, NEW_INSTANCE, OLD_INSTANCE, Prune, Pruning,
    REGISTERS, RESTORED_INSTANCE, Registration, Unused, World, claim,
};

pub(super) async fn run(
    session: &Session<'_>,
    args: &DeploymentArgs,
    older_than: Duration,
    is_meant: bool,
) -> Result<Exit, Report> {
    let Ready { deployment, context, world } = session.ready(args).await?;
    let journal = if is_meant { Some(session.journal().await?) } else { session.journal_if_any().await? };
    let (open, needed) = match &journal {
        Some(journal) => in_use(journal).await?,
        None => (Vec::new(), Vec::new()),
    };
    let registrations = match &journal {
        Some(journal) => registrations(journal, &deployment.name).await?,
        None => Vec::new(),
    };
    let made = match &journal {
        Some(journal) => made_sets(journal, &deployment.name).await?,
        None => Vec::new(),
    };
    let pruning = Pruning { deployment, open, needed, registrations, made, older_than };
    let look = async |foresight: &Foresight<'_, World>| pruning.unused(foresight).await;
    let unused = match foreseen(session, &world, look).await? {
        Foreseen::Seen(unused) => unused,
        Foreseen::Stopped(stop) => return Err(stop.into()),
        Foreseen::Signalled(exit) => return Ok(exit),
    };
    let exit = match &journal {
        Some(journal) if is_meant && !unused.is_empty() => {
            let name = pruning.deployment.name.clone();
            let started = started(&name, claim(&pruning.deployment), &context, &world)
                .facts(cause::of_start(session, None));
            let start = async |engine: &Engine<'_, World>| engine.start::<Prune>(started, &pruning).await;
            session.drive(journal, &world, &name, start).await?
        }
        Some(_) | None => {
            tell(session, &unused);
            Exit::Done
        }
    };
    if let Some(journal) = journal {
        journal.close().await?;
    }
    Ok(exit)
}

/// The runs that are not over, and the instances that they, or a rollback of a newest success, may need.
async fn in_use(journal: &Journal) -> Result<(Vec<RunId>, Vec<InstanceId>), Report> {
    let (mut open, mut needed) = (Vec::new(), Vec::new());
    let instances = |kin: &Kin| {
        let facts = [OLD_INSTANCE, NEW_INSTANCE, RESTORED_INSTANCE];
        facts.into_iter().filter_map(|name| kin.fact(name)).map(InstanceId::from).collect::<Vec<_>>()
    };
    for runs in journal.deployments().await? {
        // Newest first: what came before the newest success has been replaced.
        let newest = runs.iter().position(|kin| kin.state == RunState::Succeeded);
        for (n, kin) in runs.iter().enumerate() {
            if !kin.state.is_over() {
                open.push(kin.run);
                needed.extend(instances(kin));
            } else if Some(n) == newest {
                needed.extend(
                    [NEW_INSTANCE, RESTORED_INSTANCE]
                        .iter()
                        .filter_map(|name| kin.fact(name))
                        .map(InstanceId::from),
                );
            }
        }
    }
    Ok((open, needed))
}

/// What the runs of this deployment have registered, unless they are open.
async fn registrations(journal: &Journal, name: &str) -> Result<Vec<Registration>, Report> {
    let mut registrations = Vec::new();
    for kin in journal.deployments().await?.into_iter().flatten() {
        let Some(instance) = kin.fact(NEW_INSTANCE).filter(|_| kin.state.is_over() && kin.name == name)
        else {
            continue;
        };
        let record = journal.run(kin.run).await?;
        for step in record.steps.iter().filter(|step| step.name == REGISTERS) {
            let Some(subject) = step.subject.clone() else { continue };
            let set = subject.rsplit_once('/').map_or(subject.as_str(), |(set, _)| set);
            let of_set = kin.targets_of(BACKEND_SET).filter(|held| held.ends_with(&format!("/{set}")));
            registrations.extend(of_set.map(|held| Registration {
                backend_set: held.to_owned(),
                subject: subject.clone(),
                instance: InstanceId::from(instance),
                at: step.started_at,
            }));
        }
    }
    Ok(registrations)
}

/// The backend sets that runs of this deployment have made, unless an open run or a rollback of the newest success needs them.
async fn made_sets(journal: &Journal, name: &str) -> Result<Vec<MadeSet>, Report> {
    let (mut made, mut needed) = (Vec::new(), Vec::new());
    for runs in journal.deployments().await? {
        let newest = runs.iter().position(|kin| kin.state == RunState::Succeeded);
        for (n, kin) in runs.iter().enumerate() {
            let sets = || kin.targets_of(BACKEND_SET).map(ToOwned::to_owned);
            if !kin.state.is_over() || Some(n) == newest {
                needed.extend(sets());
            }
            if !kin.state.is_over() || kin.name != name {
                continue;
            }
            let record = journal.run(kin.run).await?;
            let is_made = |step: &&StepRecord| {
                step.name == MAKES_SETS
                    && step.compensation.is_none()
                    && step.result.as_ref().is_some_and(|result| result["was-sent"] == true)
            };
            for step in record.steps.iter().filter(is_made) {
                let end = format!("/{}", step.subject.as_deref().unwrap_or_default());
                let of_it = sets().filter(|held| held.ends_with(&end));
                made.extend(of_it.map(|backend_set| MadeSet { backend_set, at: step.started_at }));
            }
        }
    }
    made.retain(|one| !needed.contains(&one.backend_set));
    Ok(made)
}

fn tell(session: &Session<'_>, unused: &Leftovers) {
    let Leftovers { instances, backends, sets } = unused;
    if session.ui.is_json {
        let unused: Vec<Value> = instances.iter().map(published).collect();
        let dead: Vec<Value> = backends.iter().map(published_backend).collect();
        let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        session
            .ui
            .json(&json!({"unused": unused, "dead_backends": dead, "unused_sets": names, "deleted": false}));
        return;
    }
    for Unused { id, name, state, created_at, run, shape, backends, .. } in instances {
        let head = format!("{id}\n  {name}, {state}, {shape}\n  made by run {run} at {created_at}");
        let lines = std::iter::once(head).chain(backends.iter().map(|backend| format!("  {backend}")));
        session.ui.out(&plain(&lines.collect::<Vec<_>>().join("\n")));
    }
    for backend in backends {
        let line = format!("backend {}\n  of {}, which is gone", backend.subject(), backend.instance);
        session.ui.out(&plain(&line));
    }
    for set in sets {
        session
            .ui
            .out(&plain(&format!("backend set {}\n  without backends, and used by no listener", set.name)));
    }
    let mut n = plural(instances.len(), "instance");
    for (count, what) in [(backends.len(), "backend"), (sets.len(), "backend set")] {
        if count > 0 {
            n = format!("{n}, {}", plural(count, what));
        }
    }
    let hint = if unused.is_empty() { "" } else { "; --yes takes them away" };
    session.ui.note(&format!("{n} that nobody uses{hint}"));
}

fn published_backend(backend: &DeadBackend) -> Value {
    json!({"backend": backend.subject(), "instance_id": backend.instance, "in_service": backend.is_in_service()})
}

fn published(unused: &Unused) -> Value {
    let Unused { id, name, state, created_at, run, shape, backends, is_dead } = unused;
    json!({
        "instance_id": id, "name": name, "status": state, "created_at": created_at, "run_id": run, "shape": shape,
        "backends": backends, "dead": is_dead,
    })
}
