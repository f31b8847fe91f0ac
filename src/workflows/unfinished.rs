//! Looks for other runs of the deployment before anything is created: for instances that another run has made, and that are
//! neither what is to be replaced nor done with.
//!
//! A run that has ended leaves one instance in service, and nothing that is younger or registered. So the instances themselves
//! show that a run is open or was lost, in whatever journal it is.

use serde_json::Value;

use super::beside::Around;
use super::candidates::{Candidate, Named, is_kept};
use super::phase::Phase;
use super::world::World;
use super::{balancer, instance};
use crate::config::Belongs;
use crate::engine::Cx;
use crate::oci::load_balancers::LoadBalancer;
use crate::oci::{InstanceId, is_terminated, printable};
use crate::run::{Failure, Timestamp};

/// How many instances are read. Each read takes two calls.
const LOOKS_LIMIT: usize = 50;

/// An instance of the deployment.
struct Standing<'v> {
    instance: &'v Value,
    candidate: Candidate,
    created: Option<Timestamp>,
    is_meant: bool,
    /// Whether another run has made it.
    is_made: bool,
}

impl<'v> Standing<'v> {
    async fn of(
        cx: &Cx<'_, World>,
        balancer: &LoadBalancer,
        instance: &'v Value,
        meant: Named<'_>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            instance,
            candidate: Candidate::of(cx, Some(balancer), instance).await?,
            created: instance::created_at(instance),
            is_meant: meant.is(instance),
            is_made: is_of_another_run(cx, instance),
        })
    }

    fn is_registered(&self) -> bool {
        !self.candidate.registered.is_empty()
    }

    fn is_older_than(&self, other: &Self) -> bool {
        self.created < other.created
    }

    /// Whether it says anything about open runs: a backend does, and an instance that a run has made, unless it is gone, or
    /// kept.
    fn counts(&self) -> bool {
        let is_over = is_terminated(self.instance) || is_kept(self.instance);
        self.is_registered() || (self.is_made && !is_over)
    }

    /// Whether an earlier run has left it behind: it serves nowhere, and what serves is younger.
    fn is_left_behind(&self, all: &[Self]) -> bool {
        self.counts()
            && !self.is_registered()
            && all.iter().any(|one| one.candidate.serves() && self.is_older_than(one))
    }
}

/// A run that is open, or was lost.
struct Unfinished<'v> {
    phase: Phase,
    /// Its instance, which says which run it is, and since when.
    by: &'v Value,
}

impl Unfinished<'_> {
    fn told(&self) -> String {
        let run = instance::made_by(self.by).map_or_else(|| "of an unknown id".to_owned(), printable);
        let since = self.by["timeCreated"].as_str().map(printable).unwrap_or_default();
        format!("run {run} ({}, since {since})", self.phase)
    }
}

/// Refuses to go on while another run is unfinished. Returns the instances that earlier runs have left behind. `listed` are all
/// instances of the first compartment.
///
/// If the instance to replace is alone, its place is not looked at; see [`refuse_alone`].
///
/// # Errors
/// [`Held`](crate::run::FailureKind::Held), with which run, since when, and how far it has come.
pub(super) async fn refuse(
    cx: &Cx<'_, World>,
    around: &Around,
    listed: &[Value],
    meant: Named<'_>,
) -> Result<Vec<InstanceId>, Failure> {
    let elsewhere = elsewhere(cx, around).await?;
    let is_relevant = |one: &&Value| {
        one["lifecycleState"] != "DELETED" && (meant.is(one) || around.belongs(one) != Belongs::Not)
    };
    let relevant: Vec<&Value> =
        listed.iter().chain(&elsewhere).filter(is_relevant).take(LOOKS_LIMIT).collect();
    let is_alone = matches!(relevant.as_slice(), [only] if meant.is(only));
    if is_alone || !relevant.iter().any(|one| is_of_another_run(cx, one)) {
        return Ok(Vec::new());
    }
    // Without a load balancer, nobody knows what serves.
    let Some(balancer) = around.balancer(cx).await? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for instance in relevant {
        let standing = Standing::of(cx, &balancer, instance, meant).await?;
        // A tag without a target is of an older version, or of a deployment without sets; then the place decides.
        let is_surely_ours = around.belongs(instance) == Belongs::Surely || around.backend_sets.is_empty();
        if standing.is_meant || is_surely_ours || is_in(around, &standing.candidate) {
            all.push(standing);
        }
    }
    let (left, counted): (Vec<&Standing<'_>>, Vec<&Standing<'_>>) =
        all.iter().filter(|one| one.counts()).partition(|one| one.is_left_behind(&all));
    // What serves is to be replaced. A second version is not put beside it.
    let is_something_else_meant = around.may_be_missing || all.iter().any(|one| one.is_meant);
    let unfinished: Vec<Unfinished<'_>> =
        counted.iter().filter_map(|one| unfinished(around, one, &counted, is_something_else_meant)).collect();
    if !unfinished.is_empty() {
        return Err(refusal(&unfinished, counted.iter().map(|one| &one.candidate)));
    }
    for one in &left {
        let candidate = &one.candidate;
        cx.warn(format!("{candidate}; an earlier run has left it behind: `deployctl prune` takes it away"));
    }
    Ok(left.into_iter().map(|one| one.candidate.id.clone()).collect())
}

/// Refuses to replace an instance that another run has not brought into service yet. `listed` is the only instance
/// of the deployment, and it has these addresses.
///
/// # Errors
/// As [`refuse`].
pub(super) async fn refuse_alone(
    cx: &Cx<'_, World>,
    around: &Around,
    listed: &Value,
    addresses: &[String],
) -> Result<(), Failure> {
    let Some(id) = &around.load_balancer else { return Ok(()) };
    if !is_of_another_run(cx, listed) || around.belongs(listed) == Belongs::Not {
        return Ok(());
    }
    // The next step needs the same read.
    let read = balancer::when_idle(cx, id).await?;
    let candidate = Candidate::at(Some(&read.0), listed, addresses);
    let is_meant_to_serve = !around.backend_sets.is_empty() || !candidate.registered.is_empty();
    let phase = if candidate.registered.is_empty() { Phase::Creating } else { Phase::Registered };
    if is_meant_to_serve && !candidate.serves() {
        let failure = refusal(&[Unfinished { phase, by: listed }], [&candidate].into_iter());
        let message =
            format!("{}; it is replaced as it stands with `--replace {}`", failure.message, candidate.id);
        return Err(Failure { message, ..failure });
    }
    cx.world.pace.hand_on(id, read);
    Ok(())
}

/// The run that has not ended, if this instance shows one.
fn unfinished<'v>(
    around: &Around,
    one: &Standing<'v>,
    counted: &[&Standing<'v>],
    is_something_else_meant: bool,
) -> Option<Unfinished<'v>> {
    let others = || counted.iter().filter(|other| other.candidate.id != one.candidate.id);
    let of_its_run = |phase| Some(Unfinished { phase, by: one.instance });
    if !one.is_made {
        return None;
    }
    if one.candidate.serves() {
        let older = || others().filter(|other| other.is_registered() && other.is_older_than(one));
        return if older().any(|other| other.candidate.serves()) {
            of_its_run(Phase::BothServing)
        } else if older().next().is_some() {
            of_its_run(Phase::Draining)
        } else if is_something_else_meant && !one.is_meant {
            of_its_run(Phase::Serving)
        } else {
            None
        };
    }
    if one.is_registered() {
        // What serves tells of itself, if a run has made it.
        let is_replaced = others().any(|other| other.candidate.serves() && one.is_older_than(other));
        return if is_replaced { None } else { of_its_run(Phase::Registered) };
    }
    // Without a load balancer, the oldest is what serves.
    let is_oldest = !others().any(|other| other.is_older_than(one));
    let may_be_old = around.backend_sets.is_empty() && is_oldest && one.is_meant;
    if may_be_old { None } else { of_its_run(Phase::Creating) }
}

fn refusal<'c>(unfinished: &[Unfinished<'_>], candidates: impl Iterator<Item = &'c Candidate>) -> Failure {
    let runs: Vec<String> = unfinished.iter().map(Unfinished::told).collect();
    let stand: Vec<String> = candidates.map(|one| format!("\n  {one}")).collect();
    let (is, was) = if runs.len() == 1 { ("is", "was") } else { ("are", "were") };
    Failure::held(
        unfinished.iter().find_map(|one| instance::run_of(one.by)),
        DOING,
        format!("{} {is} open, or {was} lost{}", runs.join(" and "), stand.concat()),
    )
}

/// The instances of the other compartments.
async fn elsewhere(cx: &Cx<'_, World>, around: &Around) -> Result<Vec<Value>, Failure> {
    instance::listed(cx, DOING, around.searched.iter().skip(1)).await
}

const DOING: &str = "looking for other runs of the deployment";

fn is_in(around: &Around, candidate: &Candidate) -> bool {
    candidate.registered.iter().any(|place| around.backend_sets.contains(&place.backend_set))
}

fn is_of_another_run(cx: &Cx<'_, World>, instance: &Value) -> bool {
    instance::made_by(instance).is_some() && !instance::is_made_here(cx, instance)
}
