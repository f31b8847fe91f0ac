//! Sends a single change, with the version that was read. A compensation sends it whatever was read.

use super::place::Place;
use super::read::{must_be_gone, when_idle, when_idle_unless_gone};
use super::work::{Expected, follow, follow_to};
use crate::engine::Cx;
use crate::oci::load_balancers::{self, Flags, LoadBalancer};
use crate::oci::{Call, Etag, LoadBalancerId, OciError, WorkRequestId};
use crate::run::{Failure, FailureKind};
use crate::workflows::instance::mark;
use crate::workflows::{World, failure};

/// Sends one change, if the load balancer still has the version that was read. `None` when there is no work to follow, also
/// when the cloud refuses a change because it is done already.
pub(in crate::workflows) async fn send(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    call: Call,
    etag: Option<Etag>,
    expected: &Expected,
    doing: &str,
) -> Result<Option<WorkRequestId>, Failure> {
    match attempt(cx, id, call, etag).await? {
        Ok(work) => Ok(work),
        Err(error) => unless_so_already(cx, expected, failure::of(doing, &error)).await.map(|()| None),
    }
}

/// What became of a change that replaces a whole set.
pub(in crate::workflows) enum Replaced {
    /// It was accepted, or the set is as wanted already.
    Sent(Option<WorkRequestId>),
    /// The cloud does not take this body. The text is its message.
    Refused(String),
}

/// Like [`send`], for a change whose body holds what this version does not know, which the cloud may refuse.
pub(in crate::workflows) async fn replace(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    call: Call,
    etag: Option<Etag>,
    expected: &Expected,
    doing: &str,
) -> Result<Replaced, Failure> {
    let error = match attempt(cx, id, call, etag).await? {
        Ok(work) => return Ok(Replaced::Sent(work)),
        Err(error) => error,
    };
    let is_of_body = error.is_bad_request();
    match unless_so_already(cx, expected, failure::of(doing, &error)).await {
        Ok(()) => Ok(Replaced::Sent(None)),
        Err(failure) if is_of_body && failure.kind == FailureKind::Permanent => {
            Ok(Replaced::Refused(failure.message))
        }
        Err(failure) => Err(failure),
    }
}

async fn attempt(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    call: Call,
    etag: Option<Etag>,
) -> Result<Result<Option<WorkRequestId>, OciError>, Failure> {
    mark::is_ours(cx).await?;
    cx.assure_lease().await?;
    tracing::debug!(operation = call.operation, "changing the load balancer");
    cx.world.pace.begun(id);
    let sent = cx.world.oci.send(&call.only_if(etag.clone())).await;
    if let (Ok(_), Some(etag)) = (&sent, etag) {
        cx.world.versions.leave(id, etag);
    }
    Ok(sent.map(|answer| answer.work_request))
}

/// Returns the refusal, unless the wanted state exists already: some clouds refuse a change that changes nothing.
async fn unless_so_already(cx: &Cx<'_, World>, expected: &Expected, refused: Failure) -> Result<(), Failure> {
    if refused.kind != FailureKind::Permanent {
        return Err(refused);
    }
    match expected.is_there(cx).await {
        Ok(true) => Ok(()),
        Err(failure) if failure.kind != FailureKind::Permanent => Err(failure),
        Ok(false) | Err(_) => Err(refused),
    }
}

/// Sends a change to a part that should exist, and follows the work. `None` when the part turns out not to exist.
async fn send_to_place(
    cx: &Cx<'_, World>,
    call: Call,
    etag: Option<Etag>,
    expected: &Expected,
    place: &Place,
    doing: &str,
) -> Result<Option<()>, Failure> {
    match attempt(cx, &place.load_balancer, call, etag).await? {
        Ok(work) => follow_to(cx, work.as_ref(), expected).await.map(Some),
        Err(error) if error.is_not_found() => {
            let refused = failure::of(doing, &error);
            let is_there = |balancer: &LoadBalancer| place.find(balancer).is_some();
            must_be_gone(cx, &place.load_balancer, is_there, refused).await?;
            Ok(None)
        }
        Err(error) => unless_so_already(cx, expected, failure::of(doing, &error)).await.map(Some),
    }
}

/// Whether a backend exists with exactly these flags.
pub(in crate::workflows) async fn has_flags(
    cx: &Cx<'_, World>,
    place: &Place,
    flags: &Flags,
) -> Result<bool, Failure> {
    let (balancer, _) = when_idle(cx, &place.load_balancer).await?;
    Ok(place.find(&balancer).is_some_and(|backend| backend.flags == *flags))
}

/// Gives a backend these flags and follows the work. `None` when the backend does not exist.
///
/// The change is sent whatever was read, so that a stale read cannot hide that there is something to do. The version that is
/// sent with it tells the cloud if the read was stale.
pub(in crate::workflows) async fn set_flags(
    cx: &Cx<'_, World>,
    place: &Place,
    flags: &Flags,
    doing: &str,
) -> Result<Option<()>, Failure> {
    let Some((_, etag)) = when_idle_unless_gone(cx, &place.load_balancer).await? else { return Ok(None) };
    let call = load_balancers::update_backend(&place.load_balancer, &place.backend_set, &place.name(), flags);
    let expected = Expected::Backend { place: place.clone(), flags: flags.clone() };
    send_to_place(cx, call, etag, &expected, place, doing).await
}

/// Finishes a request that may still be on its way: sends it again with its own token, unless the thing that it creates
/// exists, and follows the work to its end, whatever the result. Returns whether anything was sent.
pub(in crate::workflows) async fn finish(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    call: Call,
    expected: &Expected,
    is_there: impl Fn(&LoadBalancer) -> bool,
) -> Result<bool, Failure> {
    const DOING: &str = "finishing a request that is in doubt";
    let Some((balancer, etag)) = when_idle_unless_gone(cx, id).await? else {
        return Ok(false);
    };
    if is_there(&balancer) {
        return Ok(false);
    }
    match send(cx, id, call, etag, expected, DOING).await {
        Ok(Some(work)) => {
            if let Some(request) = follow(cx, &work, expected).await? {
                cx.progress(format!("{} has ended", request.kind));
            }
            Ok(true)
        }
        // The request was refused for good, so it cannot take effect later.
        Ok(None) => Ok(false),
        Err(failure) if failure.kind == FailureKind::Permanent => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Removes a backend set and follows the work.
pub(in crate::workflows) async fn remove_set(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    name: &str,
    etag: Option<Etag>,
) -> Result<(), Failure> {
    const DOING: &str = "deleting the backend set";
    match attempt(cx, id, load_balancers::delete_backend_set(id, name), etag).await? {
        Ok(work) => follow_to(cx, work.as_ref(), &Expected::NoSet(id.clone(), name.to_owned())).await,
        Err(error) if error.is_not_found() => {
            let refused = failure::of(DOING, &error);
            must_be_gone(cx, id, |balancer| balancer.backend_sets.contains_key(name), refused).await
        }
        Err(error) => Err(failure::of(DOING, &error)),
    }
}

/// Removes a backend and follows the work. Like [`set_flags`], it sends the change whatever was read.
pub(in crate::workflows) async fn remove(
    cx: &Cx<'_, World>,
    place: &Place,
    doing: &str,
) -> Result<(), Failure> {
    let Some((_, etag)) = when_idle_unless_gone(cx, &place.load_balancer).await? else { return Ok(()) };
    let call = load_balancers::delete_backend(&place.load_balancer, &place.backend_set, &place.name());
    let expected = Expected::NoBackend(place.clone());
    send_to_place(cx, call, etag, &expected, place, doing).await?;
    Ok(())
}
