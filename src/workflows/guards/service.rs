//! Whether a set is served without a backend that is about to leave it.

use tokio::time::Instant;

use super::has_listener;
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{HealthStatus, LoadBalancer};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{Place, health, when_idle_unless_gone};

/// Makes sure that a set has a healthy backend in service besides `leaving`, if that is in service. The cloud may show
/// what was done last only after a while, so it is asked until the backend timeout is over.
///
/// # Errors
/// Permanent when there is none.
pub(in crate::workflows) async fn another_serves(cx: &Cx<'_, World>, leaving: &Place) -> Result<(), Failure> {
    until_served_without(cx, leaving, |balancer| {
        !place_serves(balancer, leaving) || !has_listener(balancer, &leaving.backend_set)
    })
    .await
}

/// The same for a backend that is drained already, and is to be removed.
pub(in crate::workflows) async fn others_serve(cx: &Cx<'_, World>, leaving: &Place) -> Result<(), Failure> {
    until_served_without(cx, leaving, |balancer| !has_listener(balancer, &leaving.backend_set)).await
}

async fn until_served_without(
    cx: &Cx<'_, World>,
    leaving: &Place,
    is_idle: impl Fn(&LoadBalancer) -> bool,
) -> Result<(), Failure> {
    let deadline = Instant::now() + cx.world.backend_timeout;
    for wait in Looks::at_most(cx.world.poll_interval) {
        // Nobody is served by a load balancer that is gone.
        let Some((balancer, _)) = when_idle_unless_gone(cx, &leaving.load_balancer).await? else {
            return Ok(());
        };
        if is_idle(&balancer) || is_served_without(cx, &balancer, leaving).await? {
            return Ok(());
        }
        if Instant::now() + wait > deadline {
            return Err(Failure::permanent(
                format!("taking {} out of service", leaving.subject()),
                format!("it is the last healthy backend of the set `{}`", leaving.backend_set),
            ));
        }
        cx.progress(format!("waiting for another healthy backend in `{}`", leaving.backend_set));
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

fn place_serves(balancer: &LoadBalancer, place: &Place) -> bool {
    place.find(balancer).is_some_and(|backend| backend.flags.serves())
}

async fn is_served_without(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    leaving: &Place,
) -> Result<bool, Failure> {
    let Some(set) = balancer.backend_sets.get(&leaving.backend_set) else { return Ok(false) };
    for backend in &set.backends {
        let is_other = backend.ip_address != leaving.address;
        if is_other && backend.flags.serves() {
            let place = Place { port: backend.port, ..leaving.at(&backend.ip_address) };
            if health(cx, &place).await?.0 == HealthStatus::Ok {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
