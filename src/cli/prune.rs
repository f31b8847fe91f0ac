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
    let known = match &journal {
        Some(journal) => known(journal, &deployment.name).await?,
        None => Known::default(),
    };
    let Known { open, needed, registrations, made } = known;
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

/// What the journal knows of what may be left.
#[derive(Default)]
struct Known {
    /// The runs that are not over.
    open: Vec<RunId>,
    /// The instances that they, or a rollback of a newest success, may need.
    needed: Vec<InstanceId>,
    /// What the runs of the deployment have registered, unless they are open.
    registrations: Vec<Registration>,
    /// The backend sets that they have made, unless an open run or a rollback of a newest success needs them.
    made: Vec<MadeSet>,
}

async fn known(journal: &Journal, name: &str) -> Result<Known, Report> {
    let (mut known, mut needed_sets) = (Known::default(), Vec::new());
    for runs in journal.deployments().await? {
        // Newest first: what came before the newest success has been replaced.
        let newest = runs.iter().position(|kin| kin.state == RunState::Succeeded);
        for (n, kin) in runs.iter().enumerate() {
            let instances = |facts: &[&str]| -> Vec<InstanceId> {
                facts.iter().filter_map(|name| kin.fact(name)).map(InstanceId::from).collect()
            };
            if !kin.state.is_over() {
                known.open.push(kin.run);
                known.needed.extend(instances(&[OLD_INSTANCE, NEW_INSTANCE, RESTORED_INSTANCE]));
            } else if Some(n) == newest {
                known.needed.extend(instances(&[NEW_INSTANCE, RESTORED_INSTANCE]));
            }
            if !kin.state.is_over() || Some(n) == newest {
                needed_sets.extend(kin.targets_of(BACKEND_SET).map(ToOwned::to_owned));
            }
            if kin.state.is_over() && kin.name == name {
                let record = journal.run(kin.run).await?;
                known.registrations.extend(record.steps.iter().flat_map(|step| registrations(kin, step)));
                known.made.extend(record.steps.iter().flat_map(|step| made_sets(kin, step)));
            }
        }
    }
    known.made.retain(|one| !needed_sets.contains(&one.backend_set));
    Ok(known)
}

/// What a step of a run has registered.
fn registrations(kin: &Kin, step: &StepRecord) -> Vec<Registration> {
    let subject = step.subject.as_ref().filter(|_| step.name == REGISTERS);
    let (Some(instance), Some(subject)) = (kin.fact(NEW_INSTANCE), subject) else { return Vec::new() };
    let set = subject.rsplit_once('/').map_or(subject.as_str(), |(set, _)| set);
    let registration = |held: &str| Registration {
        backend_set: held.to_owned(),
        subject: subject.clone(),
        instance: InstanceId::from(instance),
        at: step.started_at,
    };
    sets_called(kin, set).map(registration).collect()
}

/// The backend sets that a step of a run has made.
fn made_sets(kin: &Kin, step: &StepRecord) -> Vec<MadeSet> {
    let is_made = step.name == MAKES_SETS
        && step.compensation.is_none()
        && step.result.as_ref().is_some_and(|result| result["was-sent"] == true);
    let made = |held: &str| MadeSet { backend_set: held.to_owned(), at: step.started_at };
    let called = step.subject.as_deref().filter(|_| is_made);
    called.into_iter().flat_map(|set| sets_called(kin, set)).map(made).collect()
}

/// The sets of this name that a run has held, as `LOAD-BALANCER/SET`.
fn sets_called<'k>(kin: &'k Kin, set: &str) -> impl Iterator<Item = &'k str> + use<'k> {
    let end = format!("/{set}");
    kin.targets_of(BACKEND_SET).filter(move |held| held.ends_with(&end))
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
