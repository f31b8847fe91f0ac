//! How a rollback gives way to another run: what it has brought back is taken away again, and the run is suspended. When it is
//! resumed, it brings everything back anew.
//!
//! The invariant: that it gives way is recorded before anything is taken away, and that something may be brought back before
//! the request is sent. So another process neither leaves a half of it nor misses a request that is on its way.

use tokio::time::Instant;

use super::left::{self, fact};
use super::timing::drained_out;
use crate::engine::{Cx, Looks, Undone};
use crate::oci::InstanceId;
use crate::oci::container_instances::{self as api, InstanceState};
use crate::run::{Facts, Failure, FailureKind};
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::{self, Place};
use crate::workflows::instance::{self, keeping, mark};
use crate::workflows::kinship::OLD_INSTANCE;
use crate::workflows::{World, failure, guards};

/// The fact that holds why this rollback gives way, as JSON, until everything is taken away again.
const GIVES_WAY: &str = "gives-way";
/// How often it has given way.
const TIMES: &str = "given-way";
/// The instance that it has created or started again, and its compartment.
const BROUGHT_BACK: &str = "brought-back-instance-id";
const BROUGHT_BACK_IN: &str = "brought-back-in";
/// The last instance that it has taken away again.
const TAKEN_AWAY: &str = "taken-away-instance-id";
/// The instance from which it has taken the mark that it is kept, and its compartment.
const UNMARKED: &str = "unmarked-instance-id";
const UNMARKED_IN: &str = "unmarked-in";
/// The places in which it has registered the old instance again, as JSON.
const REGISTERED: &str = "registered-again-at";

/// That this rollback creates or starts an instance again.
pub(super) fn brings_back(id: &InstanceId, compartment: &str) -> Facts {
    [fact(BROUGHT_BACK, id), fact(BROUGHT_BACK_IN, &compartment)].into_iter().flatten().collect()
}

/// That it takes the mark from a kept instance.
pub(super) fn unmarks(id: &InstanceId, compartment: &str) -> Facts {
    [fact(UNMARKED, id), fact(UNMARKED_IN, &compartment)].into_iter().flatten().collect()
}

/// That it registers the old instance again.
pub(super) fn registers(cx: &Cx<'_, World>, place: &Place) -> Result<Facts, Failure> {
    let mut all = registered(cx)?;
    if !all.contains(place) {
        all.push(place.clone());
    }
    Ok(fact(REGISTERED, &written(&all)?))
}

/// Whether it has taken this instance away again.
pub(super) fn has_taken_away(cx: &Cx<'_, World>, id: &str) -> bool {
    cx.fact(TAKEN_AWAY) == Some(id)
}

/// The part of a compensation before it brings something back: looks whether another version serves, once, and records these
/// facts. `None` if that is done.
///
/// # Errors
/// [`Held`](crate::run::FailureKind::Held) if one serves and nothing has been brought back yet.
pub(super) async fn before(
    cx: &Cx<'_, World>,
    claim: Option<&Claim>,
    facts: Facts,
) -> Result<Option<Undone>, Failure> {
    let Some(claim) = claim else { return Ok(None) };
    if let Some(part) = next(cx, Some(claim)).await? {
        return Ok(Some(part));
    }
    let (looked, times) = (format!("looked:{}", cx.id()), cx.fact(TIMES).unwrap_or("0"));
    if cx.fact(&looked) == Some(times) {
        return Ok(None);
    }
    if let Err(failure) = Box::pin(claim.is_free(cx)).await {
        let is_untouched = set(cx, BROUGHT_BACK).or_else(|| set(cx, UNMARKED)).is_none();
        if !failure.is_held() || (is_untouched && registered(cx)?.is_empty()) {
            return Err(failure);
        }
        return begin(&failure).map(Some);
    }
    let mut facts = facts;
    facts.extend(fact(&looked, &times));
    Ok(Some(Undone::Part { facts, note: "no other run goes first".to_owned() }))
}

/// The part in which a rollback begins to give way.
pub(super) fn begin(failure: &Failure) -> Result<Undone, Failure> {
    let by = match failure.kind {
        FailureKind::Held { by: Some(run) } => format!("run {}", run.short()),
        _ => "another run".to_owned(),
    };
    Ok(Undone::Part { facts: fact(GIVES_WAY, &written(failure)?), note: format!("gives way to {by}") })
}

/// The next part of giving way; `None` if the rollback does not.
pub(super) async fn next(cx: &Cx<'_, World>, claim: Option<&Claim>) -> Result<Option<Undone>, Failure> {
    let Some(why) = set(cx, GIVES_WAY) else { return Ok(None) };
    let mut places = registered(cx)?;
    if let Some(place) = places.pop() {
        return take_out(cx, &place, written(&places)?).await.map(Some);
    }
    if let Some(id) = set(cx, UNMARKED).map(InstanceId::from) {
        keeping::keep(cx, &id, set(cx, UNMARKED_IN).unwrap_or_default()).await?;
        let note = format!("{id} is marked as kept again");
        return Ok(Some(Undone::Part { facts: fact(UNMARKED, &""), note }));
    }
    if let Some(id) = set(cx, BROUGHT_BACK).map(InstanceId::from) {
        if let Some(claim) = claim {
            let addresses: Vec<String> = claim.replaced_at.iter().map(|at| left::now_at(cx, at)).collect();
            guards::is_no_backend(cx, claim.load_balancer(), &addresses).await?;
        }
        let compartment = set(cx, BROUGHT_BACK_IN).unwrap_or_default();
        let note = if cx.fact(OLD_INSTANCE) == Some(id.as_str()) {
            stop(cx, &id, compartment).await?;
            format!("{id} is stopped again")
        } else {
            let [run, _] = instance::own_tags(cx, "");
            instance::delete(cx, compartment, &id, &[run]).await?;
            format!("{id} is deleted again")
        };
        let facts = [fact(BROUGHT_BACK, &""), fact(TAKEN_AWAY, &id)].into_iter().flatten().collect();
        return Ok(Some(Undone::Part { facts, note }));
    }
    let times: u32 = cx.fact(TIMES).and_then(|times| times.parse().ok()).unwrap_or(0);
    let facts = [fact(GIVES_WAY, &""), fact(TIMES, &(times + 1))].into_iter().flatten().collect();
    Ok(Some(Undone::Withdrawn { facts, failure: read(why)? }))
}

/// Removes a backend, and drains it first if it is in service. `left` are the places after it.
async fn take_out(cx: &Cx<'_, World>, place: &Place, left: String) -> Result<Undone, Failure> {
    const DOING: &str = "removing the old backend again";
    let Some(read) = balancer::when_idle_unless_gone(cx, &place.load_balancer).await? else {
        return Ok(Undone::Part {
            facts: fact(REGISTERED, &left),
            note: "the load balancer is gone".to_owned(),
        });
    };
    if let Some(found) = place.find(&read.0).filter(|found| found.flags.serves()) {
        guards::another_serves(cx, place).await?;
        balancer::set_flags(cx, place, &found.flags.drained(), DOING).await?;
        let note = format!("{} is drained again", place.name());
        return Ok(Undone::Part { facts: left::drained_now(cx), note });
    }
    if let Some(since) = left::drained_at(cx) {
        drained_out(cx, since).await?;
    }
    balancer::remove(cx, place, DOING).await?;
    Ok(Undone::Part { facts: fact(REGISTERED, &left), note: format!("{} is removed again", place.name()) })
}

/// Stops an instance, and waits until it is stopped.
async fn stop(cx: &Cx<'_, World>, id: &InstanceId, compartment: &str) -> Result<(), Failure> {
    const DOING: &str = "stopping the old instance again";
    let started = Instant::now();
    let mut is_accepted = false;
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let standing = instance::standing(cx, compartment, id).await?;
        match standing.as_ref().map(|standing| standing.state) {
            None | Some(InstanceState::Inactive | InstanceState::Failed | InstanceState::Deleted) => {
                return Ok(());
            }
            Some(InstanceState::Active) if !is_accepted => {
                mark::is_ours(cx).await?;
                cx.assure_lease().await?;
                let call = api::stop(id).only_if(standing.and_then(|standing| standing.etag));
                cx.world.oci.send(&call).await.map_err(|error| failure::of(DOING, &error))?;
                is_accepted = true;
            }
            Some(
                InstanceState::Active
                | InstanceState::Creating
                | InstanceState::Updating
                | InstanceState::Deleting
                | InstanceState::Unknown,
            ) => {}
        }
        if started.elapsed() + wait > cx.world.policy.instance_timeout {
            return Err(Failure::transient(DOING, format!("{id} is not stopped yet")));
        }
        cx.progress(format!("waiting for {id} to stop"));
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

fn set<'f>(cx: &'f Cx<'_, World>, name: &str) -> Option<&'f str> {
    cx.fact(name).filter(|value| !value.is_empty())
}

fn registered(cx: &Cx<'_, World>) -> Result<Vec<Place>, Failure> {
    set(cx, REGISTERED).map_or_else(|| Ok(Vec::new()), read)
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::ours(DOING, error.to_string()))
}

fn written(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::ours(DOING, error.to_string()))
}

const DOING: &str = "giving way to another run";
