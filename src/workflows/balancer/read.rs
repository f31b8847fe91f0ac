//! Reading a load balancer: only while nothing is being done to it, and with its version.

use std::time::Duration;

use tokio::time::Instant;

use super::pace::Read;
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{LoadBalancer, WorkRequest};
use crate::oci::{LoadBalancerId, WorkRequestId, is_terminated, printable};
use crate::run::{Failure, Timestamp, time_of};
use crate::workflows::{World, failure};

/// How long something must look gone, or untouched, until it counts as that: reads may lag a little behind writes, and
/// a request whose client died may still be on its way (docs/oci.md 2.7).
pub(in crate::workflows) const SURE_AFTER: Duration = Duration::from_secs(5);

/// The fact that names the compartment of the load balancer.
pub(in crate::workflows) const COMPARTMENT_FACT: &str = "load-balancer-compartment";

/// The load balancer as it is once nothing is being done to it, with its version.
///
/// # Errors
/// Permanent when somebody has deleted it.
pub(in crate::workflows) async fn when_idle(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
) -> Result<Read, Failure> {
    let read = when_idle_unless_gone(cx, id).await?;
    read.ok_or_else(|| gone(id))
}

/// The load balancer as it is now, whatever is being done to it. A change must not rest on this.
///
/// # Errors
/// Permanent when somebody has deleted it.
pub(in crate::workflows) async fn now(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
) -> Result<LoadBalancer, Failure> {
    let api = cx.world.oci.load_balancers();
    let read = failure::look_unless(cx, READING, || api.get(id), || is_gone(cx, id)).await?;
    read.map(|answer| answer.value).ok_or_else(|| gone(id))
}

fn gone(id: &LoadBalancerId) -> Failure {
    Failure::permanent(READING, format!("{id} is gone: somebody has deleted it"))
}

const READING: &str = "reading the load balancer";

/// The same for a compensation, which has nothing to do on a load balancer that somebody has deleted: `None`.
///
/// A 404 alone says nothing: it is tried again until the list of its compartment does not show the load balancer either.
pub(in crate::workflows) async fn when_idle_unless_gone(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
) -> Result<Option<Read>, Failure> {
    if let Some(read) = cx.world.pace.handed_on(id) {
        return Ok(Some(read));
    }
    // A run that has just followed its own change to the end knows that nothing is under way.
    if !cx.world.pace.has_just_ended(id) && until_idle(cx, id).await?.is_none() {
        return Ok(None);
    }
    read(cx, id).await
}

/// Like [`when_idle`], for a change that replaces what others may be changing: that nothing is open is always looked up.
pub(in crate::workflows) async fn when_surely_idle(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
) -> Result<Read, Failure> {
    if until_idle(cx, id).await?.is_none() {
        return Err(gone(id));
    }
    // If something has ended since a guard read this, the version tells the cloud.
    let read = match cx.world.pace.handed_on(id) {
        Some(read) => Some(read),
        None => read(cx, id).await?,
    };
    read.ok_or_else(|| gone(id))
}

/// The load balancer, once it shows what this process has changed last. `None` when somebody has deleted it.
async fn read(cx: &Cx<'_, World>, id: &LoadBalancerId) -> Result<Option<Read>, Failure> {
    let api = cx.world.oci.load_balancers();
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let read = failure::look_unless(cx, READING, || api.get(id), || is_gone(cx, id));
        let Some(answer) = read.await? else { return Ok(None) };
        if !cx.world.versions.has_left(id, answer.etag.as_ref()) {
            return Ok(Some((answer.value, answer.etag)));
        }
        if started.elapsed() > SURE_AFTER {
            // Its work is over, so this cloud keeps the version of what was not changed.
            cx.world.versions.forget();
            return Ok(Some((answer.value, answer.etag)));
        }
        cx.progress("waiting until the load balancer shows what was changed last");
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// Waits until the list of work requests shows nothing open. `None` when somebody has deleted the load balancer.
async fn until_idle(cx: &Cx<'_, World>, id: &LoadBalancerId) -> Result<Option<()>, Failure> {
    let api = cx.world.oci.load_balancers();
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let mut listing = api.work_requests(id);
        loop {
            let read = failure::look_unless(cx, READING, || listing.page(), || is_gone(cx, id));
            let Some(page) = read.await? else { return Ok(None) };
            let is_last = !listing.add(page);
            if is_last || open_among(listing.items()).is_some() || are_newest(listing.items()) {
                break;
            }
        }
        let Some(open) = open_among(listing.items()) else { return Ok(Some(())) };
        let (work, kind) = (&open.id, printable(&open.kind));
        if started.elapsed() + wait > cx.world.policy.work_timeout {
            return Err(overdue(cx, READING, &format!("{work} ({kind})")));
        }
        cx.progress(format!("waiting for work request {work} ({kind}) of the load balancer to end"));
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// When the load balancer was last changed, as far as its work requests tell; `now` if something is under way.
pub(in crate::workflows) async fn last_change(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    now: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    let api = cx.world.oci.load_balancers();
    let mut listing = api.work_requests(id);
    loop {
        let page = failure::must_look(cx, READING, || listing.page()).await?;
        if !listing.add(page) || are_newest(listing.items()) {
            break;
        }
    }
    if open_among(listing.items()).is_some() {
        return Ok(Some(now));
    }
    let finished = |request: &WorkRequest| time_of(request.time_finished.as_deref()?);
    let times =
        listing.items().iter().filter_map(|request| finished(request).or_else(|| time_accepted(request)));
    Ok(times.max())
}

/// What is open and was accepted before this work of ours.
pub(in crate::workflows) async fn open_before(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    ours: &WorkRequestId,
) -> Result<Vec<WorkRequestId>, Failure> {
    let api = cx.world.oci.load_balancers();
    let mut listing = api.work_requests(id);
    loop {
        let page = failure::must_look(cx, READING, || listing.page()).await?;
        let is_last = !listing.add(page);
        let is_over = listing.items().last().is_none_or(|last| !last.lifecycle_state.is_open());
        if is_last || (is_over && are_newest(listing.items())) {
            break;
        }
    }
    let items = listing.items();
    let accepted = items.iter().find(|one| one.id == *ours).and_then(time_accepted);
    let is_before = |one: &&WorkRequest| match (time_accepted(one), accepted) {
        (Some(theirs), Some(ours)) => theirs <= ours,
        (None, _) | (_, None) => true,
    };
    let others = items.iter().filter(|one| one.lifecycle_state.is_open() && one.id != *ours);
    Ok(others.filter(is_before).map(|one| one.id.clone()).collect())
}

/// Whether a work request has not ended. One that cannot be seen counts as ended.
pub(in crate::workflows) async fn is_open(cx: &Cx<'_, World>, work: &WorkRequestId) -> Result<bool, Failure> {
    let api = cx.world.oci.load_balancers();
    match failure::look(cx, READING, || api.work_request(work)).await? {
        Ok(answer) => Ok(answer.value.lifecycle_state.is_open()),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(failure::of(READING, &error)),
    }
}

fn time_accepted(request: &WorkRequest) -> Option<Timestamp> {
    time_of(request.time_accepted.as_deref()?)
}

fn open_among(requests: &[WorkRequest]) -> Option<&WorkRequest> {
    requests.iter().find(|request| request.lifecycle_state.is_open())
}

/// Whether a list begins with its newest, so that there is nothing to be found on later pages: a load balancer does one
/// thing after the other (docs/oci.md 2.3), and what is older than something that has ended has ended.
fn are_newest(requests: &[WorkRequest]) -> bool {
    let times: Option<Vec<_>> = requests.iter().map(time_accepted).collect();
    times.is_some_and(|times| times.first() > times.last() && times.is_sorted_by(|one, next| one >= next))
}

/// The failure when work on a load balancer does not end. Nothing can be changed there meanwhile, also not back.
pub(super) fn overdue(cx: &Cx<'_, World>, doing: &str, work: &str) -> Failure {
    let timeout = humantime::format_duration(cx.world.policy.work_timeout);
    Failure::blocked(
        doing,
        format!(
            "work request {work} has not ended within {timeout} (`work-timeout`): go on when it has ended"
        ),
    )
}

/// Whether the load balancer is gone: its compartment can be listed, and it is not there. The 404 alone may as well
/// mean that we are not allowed to see it (docs/oci.md 2.7).
async fn is_gone(cx: &Cx<'_, World>, id: &LoadBalancerId) -> Result<bool, Failure> {
    let Some(compartment) = cx.fact(COMPARTMENT_FACT) else { return Ok(false) };
    let api = cx.world.oci.load_balancers();
    let listed = failure::must_look_all(cx, "looking for the load balancer", api.list(compartment)).await?;
    let is_there = |balancer: &serde_json::Value| balancer["id"] == id.as_str() && !is_terminated(balancer);
    Ok(!listed.iter().any(is_there))
}

/// Looks, after a 404, whether what was to be changed is gone: then there is nothing to do. Otherwise `refused` is the
/// answer, after which it is tried again.
pub(super) async fn must_be_gone(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    is_there: impl Fn(&LoadBalancer) -> bool,
    refused: Failure,
) -> Result<(), Failure> {
    match when_idle_unless_gone(cx, id).await? {
        Some((balancer, _)) if is_there(&balancer) => Err(refused),
        Some(_) | None => Ok(()),
    }
}
