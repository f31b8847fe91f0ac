//! Changes of a load balancer: one at a time, each read before it is written and followed to the end of its work.
//!
//! The invariant: nothing is sent while the load balancer works on something else, and what is sent is refused by
//! the cloud when the load balancer changed after we read it. A compensation never rests on a read alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{World, failure};
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{self, Backend, Flags, HealthStatus, LoadBalancer, WorkRequest, WorkState};
use crate::oci::{BackendName, Call, Etag, LoadBalancerId, OciError, WorkRequestId, printable};
use crate::run::{Failure, FailureKind};

/// A backend of a set of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Place {
    pub(super) load_balancer: LoadBalancerId,
    pub(super) backend_set: String,
    pub(super) address: String,
    pub(super) port: u16,
}

impl Place {
    pub(super) fn name(&self) -> BackendName {
        BackendName::of(&self.address, self.port)
    }

    /// How a user knows it: `set/address:port`.
    pub(super) fn subject(&self) -> String {
        format!("{}/{}", self.backend_set, self.name())
    }

    /// The same backend at another address.
    pub(super) fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    pub(super) fn find<'b>(&self, balancer: &'b LoadBalancer) -> Option<&'b Backend> {
        let set = balancer.backend_sets.get(&self.backend_set)?;
        set.backends.iter().find(|backend| backend.ip_address == self.address && backend.port == self.port)
    }
}

/// How long something must look gone, or untouched, until it counts as that: reads may lag a little behind writes, and
/// a request whose client died may still be on its way (OCI.md 2.7).
pub(super) const SURE_AFTER: Duration = Duration::from_secs(5);

/// The fact that names the compartment of the load balancer.
pub(super) const COMPARTMENT_FACT: &str = "load-balancer-compartment";

/// What the work on a load balancer was to bring about. Work that failed because it was done before is no failure
/// (OCI.md 2.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Expected {
    /// A backend with these flags.
    Backend { place: Place, flags: Flags },
    /// No such backend.
    NoBackend(Place),
    /// No such set of the load balancer.
    NoSet(LoadBalancerId, String),
    /// Nothing that can be compared.
    Success,
}

impl Expected {
    async fn is_there(&self, cx: &Cx<'_, World>) -> Result<bool, Failure> {
        let (place, flags) = match self {
            Self::Success => return Ok(false),
            Self::NoSet(id, name) => {
                let (balancer, _) = when_idle(cx, id).await?;
                return Ok(!balancer.backend_sets.contains_key(name));
            }
            Self::Backend { place, flags } => (place, Some(flags)),
            Self::NoBackend(place) => (place, None),
        };
        let (balancer, _) = when_idle(cx, &place.load_balancer).await?;
        Ok(place.find(&balancer).map(|backend| &backend.flags) == flags)
    }
}

/// The load balancer as it is once nothing is being done to it, with its version.
pub(super) async fn when_idle(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
) -> Result<(LoadBalancer, Option<Etag>), Failure> {
    read_when_idle(cx, id).await?.map_err(|error| failure::of(READING, &error))
}

/// The same for a compensation, which has nothing to do on a load balancer that somebody has deleted: `None`.
pub(super) async fn when_idle_unless_gone(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
) -> Result<Option<(LoadBalancer, Option<Etag>)>, Failure> {
    match read_when_idle(cx, id).await? {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_not_found() && is_gone(cx, id).await? => Ok(None),
        Err(error) => Err(failure::of(READING, &error)),
    }
}

const READING: &str = "reading the load balancer";

async fn read_when_idle(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
) -> Result<Result<(LoadBalancer, Option<Etag>), OciError>, Failure> {
    let api = cx.world.oci.load_balancers();
    for wait in Looks::at_most(cx.world.poll_interval) {
        let requests = match failure::look_all(cx, READING, api.work_requests(id)).await? {
            Ok(requests) => requests,
            Err(error) => return Ok(Err(error)),
        };
        let Some(open) = requests.iter().find(|request| request.lifecycle_state.is_open()) else {
            break;
        };
        cx.progress(format!("waiting for {} of the load balancer to end", open.kind));
        cx.pause(wait).await?;
    }
    let read = failure::look(cx, READING, async || api.get(id).await).await?;
    Ok(read.map(|answer| (answer.value, answer.etag)))
}

/// Whether the load balancer is gone: its compartment can be listed, and it is not there. The 404 alone may as well
/// mean that we are not allowed to see it (OCI.md 2.7).
async fn is_gone(cx: &Cx<'_, World>, id: &LoadBalancerId) -> Result<bool, Failure> {
    let Some(compartment) = cx.fact(COMPARTMENT_FACT) else { return Ok(false) };
    let api = cx.world.oci.load_balancers();
    let listed = failure::must_look_all(cx, "looking for the load balancer", api.list(compartment)).await?;
    let is_there = |balancer: &serde_json::Value| {
        let state = balancer["lifecycleState"].as_str();
        balancer["id"] == id.as_str() && !matches!(state, Some("DELETING" | "DELETED"))
    };
    Ok(!listed.iter().any(is_there))
}

/// Sends one change, if the load balancer is still as it was read.
pub(super) async fn send(
    cx: &Cx<'_, World>,
    call: Call,
    etag: Option<Etag>,
    doing: &str,
) -> Result<Option<WorkRequestId>, Failure> {
    attempt(cx, call, etag, doing).await?.map_err(|error| failure::of(doing, &error))
}

async fn attempt(
    cx: &Cx<'_, World>,
    call: Call,
    etag: Option<Etag>,
    doing: &str,
) -> Result<Result<Option<WorkRequestId>, OciError>, Failure> {
    cx.assure_lease().await?;
    tracing::debug!(doing, "changing the load balancer");
    Ok(cx.world.oci.send(&call.only_if(etag)).await.map(|answer| answer.work_request))
}

/// Sends a change of what should be there, and follows the work; `None` when it turns out not to be there.
async fn send_to_place(
    cx: &Cx<'_, World>,
    call: Call,
    etag: Option<Etag>,
    expected: &Expected,
    place: &Place,
    doing: &str,
) -> Result<Option<()>, Failure> {
    match attempt(cx, call, etag, doing).await? {
        Ok(work) => follow_to(cx, work.as_ref(), expected).await.map(Some),
        Err(error) if error.is_not_found() => {
            let refused = failure::of(doing, &error);
            let is_there = |balancer: &LoadBalancer| place.find(balancer).is_some();
            until_gone(cx, &place.load_balancer, is_there, refused).await?;
            Ok(None)
        }
        Err(error) => Err(failure::of(doing, &error)),
    }
}

/// Looks, after a 404, whether what was to be changed is gone. Otherwise it is not ours to change, which the same 404
/// says, and `refused` is the answer.
async fn until_gone(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    is_there: impl Fn(&LoadBalancer) -> bool,
    refused: Failure,
) -> Result<(), Failure> {
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.poll_interval) {
        match when_idle_unless_gone(cx, id).await? {
            Some((balancer, _)) if is_there(&balancer) => {}
            Some(_) | None => return Ok(()),
        }
        if started.elapsed() > SURE_AFTER {
            break;
        }
        cx.pause(wait).await?;
    }
    Err(refused)
}

/// Follows the work of a compensation's change.
///
/// # Errors
/// When it failed: worth another attempt, one that sends the change again, unless the cloud says that the change itself
/// is wrong.
pub(super) async fn follow_to(
    cx: &Cx<'_, World>,
    id: Option<&WorkRequestId>,
    expected: &Expected,
) -> Result<(), Failure> {
    let Some(id) = id else { return Ok(()) };
    match failed(cx, id, expected).await? {
        Some(request) => {
            let is_bad = request.error_details.iter().any(|detail| detail.error_code == "BAD_INPUT");
            let kind =
                if is_bad { FailureKind::Permanent } else { FailureKind::Transient { retry_after: None } };
            Err(Failure { kind, ..work_failure(&request) })
        }
        None => Ok(()),
    }
}

/// Follows a work request to its end, and returns it when it failed and what it was to bring about is not there.
pub(super) async fn failed(
    cx: &Cx<'_, World>,
    id: &WorkRequestId,
    expected: &Expected,
) -> Result<Option<WorkRequest>, Failure> {
    let request = follow(cx, id).await?;
    let has_failed = request.lifecycle_state == WorkState::Failed && !expected.is_there(cx).await?;
    Ok(has_failed.then_some(request))
}

async fn follow(cx: &Cx<'_, World>, id: &WorkRequestId) -> Result<WorkRequest, Failure> {
    const DOING: &str = "following the load balancer's work";
    for wait in Looks::at_most(cx.world.poll_interval) {
        let api = cx.world.oci.load_balancers();
        let answer = failure::must_look(cx, DOING, async || api.work_request(id).await).await?;
        let request = answer.value;
        match request.lifecycle_state {
            WorkState::Succeeded | WorkState::Failed => return Ok(request),
            WorkState::Accepted | WorkState::InProgress | WorkState::Unknown => {
                cx.progress(format!("{} is under way", request.kind));
                cx.pause(answer.retry_after.unwrap_or(wait)).await?;
            }
        }
    }
    unreachable!("looks never end")
}

/// What the cloud says about work that failed. Following it once more would give the same answer.
pub(super) fn work_failure(request: &WorkRequest) -> Failure {
    let reasons: Vec<String> = request
        .error_details
        .iter()
        .map(|detail| format!("{}: {}", detail.error_code, printable(&detail.message)))
        .collect();
    let told = if reasons.is_empty() { "the cloud gives no reason".to_owned() } else { reasons.join("; ") };
    Failure::permanent(
        format!("{} on the load balancer", request.kind),
        format!("work request {} failed: {told}", request.id),
    )
}

/// Whether the health checks of a backend are well now, and what they say.
pub(super) async fn health(cx: &Cx<'_, World>, place: &Place) -> Result<(HealthStatus, String), Failure> {
    let name = place.name();
    let api = cx.world.oci.load_balancers();
    let doing = format!("reading the health of {}", place.subject());
    let read = async || api.backend_health(&place.load_balancer, &place.backend_set, &name).await;
    match failure::look(cx, &doing, read).await? {
        Ok(answer) => {
            let results = answer.value.health_check_results;
            let seen: Vec<String> = results
                .iter()
                .map(|result| {
                    format!(
                        "{} from {}",
                        printable(&result.health_check_status),
                        printable(&result.source_ip_address)
                    )
                })
                .collect();
            Ok((answer.value.status, seen.join(", ")))
        }
        // Not visible yet (OCI.md 2.5).
        Err(error) if error.is_not_found() => Ok((HealthStatus::Unknown, "not visible yet".to_owned())),
        Err(error) => Err(failure::of(doing, &error)),
    }
}

/// Waits until every backend is healthy.
///
/// # Errors
/// Permanent when one is not in time, with what the checks saw.
pub(super) async fn until_healthy(cx: &Cx<'_, World>, places: &[Place]) -> Result<(), Failure> {
    let deadline = Instant::now() + cx.world.backend_timeout;
    for wait in Looks::at_most(cx.world.poll_interval) {
        let mut waiting = Vec::new();
        for place in places {
            let (status, seen) = health(cx, place).await?;
            if status != HealthStatus::Ok {
                waiting.push(format!("{} is {status} ({seen})", place.subject()));
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let waiting = waiting.join("; ");
        if Instant::now() + wait > deadline {
            return Err(Failure::permanent(
                "waiting for the backends to be healthy",
                format!(
                    "not healthy within {}: {waiting}",
                    humantime::format_duration(cx.world.backend_timeout)
                ),
            ));
        }
        cx.progress(&waiting);
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// Gives a backend these flags and follows the work. `None` when the backend is not there.
///
/// It is sent whatever was read, so that a read which lags cannot hide that there is something to do; the version that
/// goes with it tells the cloud when what was read is old.
pub(super) async fn set_flags(
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

/// Finishes a request that may be on its way still: sends it again with its own token, unless what it makes is there, and
/// follows the work to its end, whatever that is.
pub(super) async fn finish(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    call: Call,
    is_there: impl Fn(&LoadBalancer) -> bool,
) -> Result<(), Failure> {
    const DOING: &str = "finishing a request that is in doubt";
    let Some((balancer, etag)) = when_idle_unless_gone(cx, id).await? else { return Ok(()) };
    if is_there(&balancer) {
        return Ok(());
    }
    match send(cx, call, etag, DOING).await {
        Ok(Some(work)) => {
            let request = follow(cx, &work).await?;
            cx.progress(format!("{} has ended", request.kind));
            Ok(())
        }
        // Refused for good: it cannot take effect any more.
        Ok(None) => Ok(()),
        Err(failure) if failure.kind == FailureKind::Permanent => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Removes a backend set and follows the work.
pub(super) async fn remove_set(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    name: &str,
    etag: Option<Etag>,
) -> Result<(), Failure> {
    const DOING: &str = "deleting the backend set";
    match attempt(cx, load_balancers::delete_backend_set(id, name), etag, DOING).await? {
        Ok(work) => follow_to(cx, work.as_ref(), &Expected::NoSet(id.clone(), name.to_owned())).await,
        Err(error) if error.is_not_found() => {
            let refused = failure::of(DOING, &error);
            until_gone(cx, id, |balancer| balancer.backend_sets.contains_key(name), refused).await
        }
        Err(error) => Err(failure::of(DOING, &error)),
    }
}

/// Removes a backend and follows the work. Sent whatever was read, as above.
pub(super) async fn remove(cx: &Cx<'_, World>, place: &Place, doing: &str) -> Result<(), Failure> {
    let Some((_, etag)) = when_idle_unless_gone(cx, &place.load_balancer).await? else { return Ok(()) };
    let call = load_balancers::delete_backend(&place.load_balancer, &place.backend_set, &place.name());
    let expected = Expected::NoBackend(place.clone());
    send_to_place(cx, call, etag, &expected, place, doing).await?;
    Ok(())
}
