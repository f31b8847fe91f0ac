//! Follows the work that a change starts to its end. Only the end says whether the change was made.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::place::Place;
use super::read::{SURE_AFTER, overdue, when_idle_unless_gone};
use crate::engine::Cx;
use crate::oci::load_balancers::{Flags, WorkRequest, WorkState};
use crate::oci::{LoadBalancerId, WorkRequestId};
use crate::run::{Failure, FailureKind};
use crate::workflows::{World, failure};

/// The result that work on a load balancer should have. Work that failed because its result existed already is not a failure
/// (docs/oci.md 2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) enum Expected {
    /// A backend with these flags.
    Backend { place: Place, flags: Flags },
    /// Each of these backends has its flags.
    Backends(Vec<(Place, Flags)>),
    /// The backend does not exist.
    NoBackend(Place),
    /// The load balancer has no such set.
    NoSet(LoadBalancerId, String),
    /// The load balancer has this set.
    Set(LoadBalancerId, String),
    /// A result that cannot be compared.
    Success,
}

impl Expected {
    /// The load balancer that works.
    fn balancer(&self) -> Option<&LoadBalancerId> {
        match self {
            Self::Success => None,
            Self::Backends(all) => all.first().map(|(place, _)| &place.load_balancer),
            Self::NoSet(id, _) | Self::Set(id, _) => Some(id),
            Self::Backend { place, .. } | Self::NoBackend(place) => Some(&place.load_balancer),
        }
    }

    pub(super) async fn is_there(&self, cx: &Cx<'_, World>) -> Result<bool, Failure> {
        let Some(id) = self.balancer() else { return Ok(false) };
        // A load balancer that is gone has no parts.
        let balancer = when_idle_unless_gone(cx, id).await?.map(|(balancer, _)| balancer);
        let find = |place: &Place| balancer.as_ref().and_then(|balancer| place.find(balancer));
        Ok(match self {
            Self::Success => false,
            Self::NoSet(_, name) => {
                balancer.as_ref().is_none_or(|balancer| !balancer.backend_sets.contains_key(name))
            }
            Self::Set(_, name) => {
                balancer.as_ref().is_some_and(|balancer| balancer.backend_sets.contains_key(name))
            }
            Self::Backend { place, flags } => find(place).is_some_and(|backend| backend.flags == *flags),
            Self::Backends(all) => {
                all.iter().all(|(place, flags)| find(place).is_some_and(|backend| backend.flags == *flags))
            }
            Self::NoBackend(place) => find(place).is_none(),
        })
    }
}

/// Follows the work of a compensation's change.
///
/// # Errors
/// When the work failed. Another attempt, which sends the change again, is worthwhile unless the cloud says that the change
/// itself is wrong.
pub(in crate::workflows) async fn follow_to(
    cx: &Cx<'_, World>,
    id: Option<&WorkRequestId>,
    expected: &Expected,
) -> Result<(), Failure> {
    let Some(id) = id else { return Ok(()) };
    match failed(cx, id, expected).await? {
        Some(request) => {
            let is_bad = request.error_details.iter().any(|detail| {
                // Some clouds compare a version only when a change has its turn. There, this message stands for the 412 of
                // the others.
                let message = detail.message.to_ascii_lowercase();
                let is_old = ["etag", "if-match", "version"].iter().any(|word| message.contains(word));
                detail.error_code == "BAD_INPUT" && !is_old
            });
            let kind =
                if is_bad { FailureKind::Permanent } else { FailureKind::Transient { retry_after: None } };
            Err(Failure { kind, ..work_failure(cx, &request) })
        }
        None => Ok(()),
    }
}

/// Follows a work request to its end. Returns the work request if it failed and its intended result does not exist.
pub(in crate::workflows) async fn failed(
    cx: &Cx<'_, World>,
    id: &WorkRequestId,
    expected: &Expected,
) -> Result<Option<WorkRequest>, Failure> {
    let Some(request) = follow(cx, id, expected).await? else { return Ok(None) };
    let has_failed = request.lifecycle_state == WorkState::Failed && !expected.is_there(cx).await?;
    Ok(has_failed.then_some(request))
}

/// Follows a work request to its end. `None` when the work request is not visible but its intended result exists: the service
/// may not know a work request that it carries out (docs/oci.md 2.3).
pub(super) async fn follow(
    cx: &Cx<'_, World>,
    id: &WorkRequestId,
    expected: &Expected,
) -> Result<Option<WorkRequest>, Failure> {
    const DOING: &str = "following the load balancer's work";
    let started = Instant::now();
    // A read right after a change may show the state before it.
    let is_done = || async { Ok(started.elapsed() > SURE_AFTER && Box::pin(expected.is_there(cx)).await?) };
    let (balancer, longest) = (expected.balancer(), cx.world.policy.poll_interval);
    // When the step is resumed, the change may have ended long ago.
    let is_new = cx.is_first_entry();
    let mut looks = cx.world.pace.looks(balancer.filter(|_| is_new), longest);
    if is_new {
        cx.pause(looks.head_start()).await?;
    }
    let mut unfinished_at = None;
    for wait in looks {
        let api = cx.world.oci.load_balancers();
        let read = failure::look_unless(cx, DOING, || api.work_request(id), &is_done);
        let Some(answer) = read.await? else { return Ok(None) };
        let request = answer.value;
        match request.lifecycle_state {
            WorkState::Succeeded => {
                if let Some(id) = balancer {
                    let took = is_new.then(|| (unfinished_at, started.elapsed()));
                    cx.world.pace.ended(id, took);
                }
                return Ok(Some(request));
            }
            WorkState::Failed => {
                cx.world.versions.forget();
                return Ok(Some(request));
            }
            WorkState::Accepted | WorkState::InProgress | WorkState::Unknown => {
                let kind = cx.world.oci.heard(&request.kind);
                let left = cx.world.policy.work_timeout.saturating_sub(started.elapsed());
                if left.is_zero() {
                    return Err(overdue(cx, DOING, &format!("{id} ({kind})")));
                }
                cx.progress(format!("{kind} is under way: work request {id}"));
                unfinished_at = Some(started.elapsed());
                cx.pause(answer.retry_after.unwrap_or(wait).min(left)).await?;
            }
        }
    }
    unreachable!("looks never end")
}

/// The cloud's message about failed work. Following it again would give the same result.
pub(in crate::workflows) fn work_failure(cx: &Cx<'_, World>, request: &WorkRequest) -> Failure {
    let reasons: Vec<String> = request
        .error_details
        .iter()
        .map(|detail| cx.world.oci.heard(&format!("{}: {}", detail.error_code, detail.message)))
        .collect();
    let told = if reasons.is_empty() { "the cloud gives no reason".to_owned() } else { reasons.join("; ") };
    Failure::permanent(
        format!("{} on the load balancer", request.kind),
        format!("work request {} failed: {told}", request.id),
    )
}
