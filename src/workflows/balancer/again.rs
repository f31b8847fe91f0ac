//! Waits until a backend that was registered again is healthy.

use std::time::Duration;

use tokio::time::Instant;

use super::health::{health, unwell};
use super::place::Place;
use super::reach::has_listener;
use super::read::when_idle_unless_gone;
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{HealthChecker, HealthStatus};
use crate::run::Failure;
use crate::workflows::World;

/// Waits until a backend is healthy. If the backend is never checked, a warning is given and the run goes on: a running
/// instance is behind it, and the backend that served instead leaves only once another one is healthy.
///
/// # Errors
/// Permanent when the backend is checked and not healthy in time.
pub(in crate::workflows) async fn until_checked(cx: &Cx<'_, World>, place: &Place) -> Result<(), Failure> {
    let started = Instant::now();
    let mut is_checked = false;
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let Some((balancer, _)) = when_idle_unless_gone(cx, &place.load_balancer).await? else {
            return Ok(());
        };
        let (status, seen) = health(cx, place).await?;
        if status == HealthStatus::Ok {
            return Ok(());
        }
        is_checked |= status != HealthStatus::Unknown;
        let has_listener = has_listener(&balancer, &place.backend_set);
        let set = balancer.backend_sets.get(&place.backend_set);
        let checker = set.and_then(|set| set.health_checker.as_ref());
        // As far as is known, nothing is checked without a listener (docs/oci.md 2.5).
        let patience = if has_listener || is_checked {
            cx.world.policy.backend_timeout
        } else {
            checker.map_or(Duration::ZERO, verdict_after).min(cx.world.policy.backend_timeout)
        };
        if started.elapsed() + wait > patience {
            let unwell = unwell(place, status, &seen);
            if is_checked {
                let time = humantime::format_duration(cx.world.policy.backend_timeout);
                return Err(Failure::permanent(
                    "waiting for the old backend to be healthy again",
                    format!("not healthy within {time}: {unwell}"),
                ));
            }
            if has_listener {
                cx.warn(format!(
                    "{unwell}: this load balancer does not seem to check drained backends, so it is put into service \
                     unchecked (`register: active` says so)"
                ));
            }
            return Ok(());
        }
        cx.progress(unwell(place, status, &seen));
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// How long a check takes to reach its verdict.
fn verdict_after(checker: &HealthChecker) -> Duration {
    Duration::from_millis(checker.interval_in_millis.unwrap_or(10_000)) * checker.retries.unwrap_or(3)
}
