//! Changes of a load balancer: one at a time, each read before it is written and followed to the end of its work.
//!
//! The invariant: nothing is sent while the load balancer works on something else, and what is sent is refused by
//! the cloud when the load balancer changed after we read it.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{World, failure};
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{Backend, Flags, HealthStatus, LoadBalancer, WorkRequest, WorkState};
use crate::oci::{BackendName, Call, Etag, LoadBalancerId, WorkRequestId, printable};
use crate::run::Failure;

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

/// The load balancer as it is once nothing is being done to it, with its version.
pub(super) async fn when_idle(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
) -> Result<(LoadBalancer, Option<Etag>), Failure> {
    const DOING: &str = "reading the load balancer";
    let api = cx.world.oci.load_balancers();
    for wait in Looks::at_most(cx.world.poll_interval) {
        let requests = api.work_requests(id).await.map_err(|error| failure::of(DOING, &error))?;
        let Some(open) = requests.iter().find(|request| request.lifecycle_state.is_open()) else {
            break;
        };
        cx.progress(format!("waiting for {} of the load balancer to end", open.kind));
        cx.pause(wait).await?;
    }
    let answer = api.get(id).await.map_err(|error| failure::of(DOING, &error))?;
    Ok((answer.value, answer.etag))
}

/// Sends one change, if the load balancer is still as it was read.
pub(super) async fn send(
    cx: &Cx<'_, World>,
    call: Call,
    etag: Option<Etag>,
    doing: &str,
) -> Result<Option<WorkRequestId>, Failure> {
    cx.assure_lease().await?;
    let answer = cx.world.oci.send(&call.only_if(etag)).await.map_err(|error| failure::of(doing, &error))?;
    Ok(answer.work_request)
}

/// Follows a work request to its end.
///
/// # Errors
/// Permanent, with the cloud's reasons, when the work failed.
pub(super) async fn follow(cx: &Cx<'_, World>, id: &WorkRequestId) -> Result<WorkRequest, Failure> {
    const DOING: &str = "following the load balancer's work";
    for wait in Looks::at_most(cx.world.poll_interval) {
        let answer = cx.world.oci.load_balancers().work_request(id).await;
        let answer = answer.map_err(|error| failure::of(DOING, &error))?;
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

/// Follows a work request and fails unless it succeeded.
pub(super) async fn follow_to_success(cx: &Cx<'_, World>, id: Option<&WorkRequestId>) -> Result<(), Failure> {
    let Some(id) = id else { return Ok(()) };
    let request = follow(cx, id).await?;
    match request.lifecycle_state {
        WorkState::Failed => Err(work_failure(&request)),
        WorkState::Succeeded | WorkState::Accepted | WorkState::InProgress | WorkState::Unknown => Ok(()),
    }
}

/// What the cloud says about work that failed.
pub(super) fn work_failure(request: &WorkRequest) -> Failure {
    let reasons: Vec<String> = request
        .error_details
        .iter()
        .map(|detail| format!("{}: {}", detail.error_code, printable(&detail.message)))
        .collect();
    let reasons =
        if reasons.is_empty() { "the cloud gives no reason".to_owned() } else { reasons.join("; ") };
    Failure::permanent(
        format!("{} on the load balancer", request.kind),
        format!("work request {} failed: {reasons}", request.id),
    )
}

/// Whether the health checks of a backend are well now, and what they say.
pub(super) async fn health(cx: &Cx<'_, World>, place: &Place) -> Result<(HealthStatus, String), Failure> {
    let name = place.name();
    let api = cx.world.oci.load_balancers();
    match api.backend_health(&place.load_balancer, &place.backend_set, &name).await {
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
        Err(error) => Err(failure::of(format!("reading the health of {}", place.subject()), &error)),
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

/// Gives a backend these flags, if it has others, and follows the work. `None` when the backend is not there.
pub(super) async fn set_flags(
    cx: &Cx<'_, World>,
    place: &Place,
    flags: &Flags,
    doing: &str,
) -> Result<Option<()>, Failure> {
    let (balancer, etag) = when_idle(cx, &place.load_balancer).await?;
    let Some(backend) = place.find(&balancer) else { return Ok(None) };
    if backend.flags != *flags {
        let call = crate::oci::load_balancers::update_backend(
            &place.load_balancer,
            &place.backend_set,
            &place.name(),
            flags,
        );
        let work = send(cx, call, etag, doing).await?;
        follow_to_success(cx, work.as_ref()).await?;
    }
    Ok(Some(()))
}

/// Removes a backend, if it is there, and follows the work.
pub(super) async fn remove(cx: &Cx<'_, World>, place: &Place, doing: &str) -> Result<(), Failure> {
    let (balancer, etag) = when_idle(cx, &place.load_balancer).await?;
    if place.find(&balancer).is_none() {
        return Ok(());
    }
    let call =
        crate::oci::load_balancers::delete_backend(&place.load_balancer, &place.backend_set, &place.name());
    let work = send(cx, call, etag, doing).await?;
    follow_to_success(cx, work.as_ref()).await
}
