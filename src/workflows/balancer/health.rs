//! Reads the health of a backend, and waits until backends are healthy.

use tokio::time::Instant;

use super::place::Place;
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::HealthStatus;
use crate::oci::printable;
use crate::run::Failure;
use crate::workflows::{World, failure};

/// Whether a backend is healthy now, and what its checks found.
pub(in crate::workflows) async fn health(
    cx: &Cx<'_, World>,
    place: &Place,
) -> Result<(HealthStatus, String), Failure> {
    let name = place.name();
    let api = cx.world.oci.load_balancers();
    let doing = format!("reading the health of {}", place.subject());
    let read = || api.backend_health(&place.load_balancer, &place.backend_set, &name);
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
        // Not visible yet (docs/oci.md 2.5).
        Err(error) if error.is_not_found() => Ok((HealthStatus::Unknown, "not visible yet".to_owned())),
        Err(error) => Err(failure::of(doing, &error)),
    }
}

/// Whether all backends of all these sets are healthy, by one read. `false` if one of them is not, whoever it belongs to.
pub(in crate::workflows) async fn are_all_well(
    cx: &Cx<'_, World>,
    places: &[Place],
) -> Result<bool, Failure> {
    let Some(first) = places.first() else { return Ok(true) };
    let api = cx.world.oci.load_balancers();
    let doing = "reading the health of the load balancer";
    let health = match failure::look(cx, doing, || api.health(&first.load_balancer)).await? {
        Ok(answer) => answer.value,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(failure::of(doing, &error)),
    };
    Ok(places.iter().all(|place| health.is_well(&place.backend_set)))
}

/// The message about an unhealthy backend.
pub(in crate::workflows) fn unwell(place: &Place, status: HealthStatus, seen: &str) -> String {
    let advice = match status {
        HealthStatus::Warning => {
            ": some of the load balancer's nodes reach it and others do not; let all of them in"
        }
        HealthStatus::Ok | HealthStatus::Critical | HealthStatus::Unknown => "",
    };
    let seen = if seen.is_empty() { "no check was made yet" } else { seen };
    format!("{} is {status} ({seen}){advice}", place.subject())
}

/// Waits until every backend is healthy.
///
/// # Errors
/// Permanent when a backend is not healthy in time, with the results of its checks.
pub(in crate::workflows) async fn until_healthy(cx: &Cx<'_, World>, places: &[Place]) -> Result<(), Failure> {
    let deadline = Instant::now() + cx.world.policy.backend_timeout;
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let mut waiting = Vec::new();
        for place in places {
            let (status, seen) = health(cx, place).await?;
            if status != HealthStatus::Ok {
                waiting.push(unwell(place, status, &seen));
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
                    humantime::format_duration(cx.world.policy.backend_timeout)
                ),
            ));
        }
        cx.progress(&waiting);
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}
