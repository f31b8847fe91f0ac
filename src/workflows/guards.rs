//! What a run must never do, checked at the moment of the change and not from memory: take the last healthy backend
//! of a set out of service, or delete an instance that is still a backend.

use tokio::time::Instant;

use super::World;
use super::balancer::{Place, SURE_AFTER, health, when_idle_unless_gone};
use crate::engine::{Cx, Looks};
use crate::oci::LoadBalancerId;
use crate::oci::load_balancers::{HealthStatus, LoadBalancer};
use crate::run::Failure;

/// Makes sure that a set has a healthy backend in service besides `leaving`, if that is in service. The cloud may show
/// what was done last only after a while, so it is asked until the backend timeout is over.
///
/// # Errors
/// Permanent when there is none.
pub(super) async fn another_serves(cx: &Cx<'_, World>, leaving: &Place) -> Result<(), Failure> {
    until_served_without(cx, leaving, |balancer| {
        !place_serves(balancer, leaving) || !has_listener(balancer, &leaving.backend_set)
    })
    .await
}

/// The same for a backend that is drained already, and is to be removed.
pub(super) async fn others_serve(cx: &Cx<'_, World>, leaving: &Place) -> Result<(), Failure> {
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

/// Whether any request can reach a set: without a listener its backends are never checked (OCI.md 2.5).
pub(super) fn has_listener(balancer: &LoadBalancer, set: &str) -> bool {
    let by_default = balancer.listeners.values().any(|listener| listener.default_backend_set_name == set);
    // The rules are looked into only for the name, whatever their version calls it.
    let quoted = serde_json::Value::from(set).to_string();
    by_default
        || balancer.path_route_sets.to_string().contains(&quoted)
        || balancer.routing_policies.to_string().contains(&quoted)
}

/// Makes sure that no set of the load balancer has a backend at one of these addresses. The cloud may show what was
/// removed last for a while.
///
/// # Errors
/// Permanent when one has.
pub(super) async fn is_no_backend(
    cx: &Cx<'_, World>,
    load_balancer: &LoadBalancerId,
    addresses: &[String],
) -> Result<(), Failure> {
    const DOING: &str = "making sure that the instance is out of service";
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.poll_interval) {
        // Without a load balancer there is no backend.
        let Some((balancer, _)) = when_idle_unless_gone(cx, load_balancer).await? else { return Ok(()) };
        let mut backends =
            balancer.backend_sets.values().flat_map(|set| set.backends.iter().map(move |b| (set, b)));
        let Some((set, backend)) = backends.find(|(_, backend)| addresses.contains(&backend.ip_address))
        else {
            return Ok(());
        };
        if started.elapsed() > SURE_AFTER {
            return Err(Failure::permanent(
                DOING,
                format!("it is still the backend {} of the set `{}`", backend.name, set.name),
            ));
        }
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}
