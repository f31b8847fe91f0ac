//! What a run must never do, checked at the moment of the change and not from memory: take the last healthy backend
//! of a set out of service, or delete an instance that is still a backend.

use tokio::time::Instant;

use super::balancer::{Place, health, when_idle};
use super::{World, failure};
use crate::engine::{Cx, Looks};
use crate::oci::LoadBalancerId;
use crate::oci::load_balancers::{HealthStatus, LoadBalancer};
use crate::run::Failure;

/// Makes sure that a set has a healthy backend in service besides `leaving`. The cloud may show what was done last
/// only after a while, so it is asked until the backend timeout is over.
///
/// # Errors
/// Permanent when there is none.
pub(super) async fn another_serves(cx: &Cx<'_, World>, leaving: &Place) -> Result<(), Failure> {
    let deadline = Instant::now() + cx.world.backend_timeout;
    for wait in Looks::at_most(cx.world.poll_interval) {
        let (balancer, _) = when_idle(cx, &leaving.load_balancer).await?;
        if !is_in_service(&balancer, leaving) || is_served_without(cx, &balancer, leaving).await? {
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

fn is_in_service(balancer: &LoadBalancer, place: &Place) -> bool {
    has_listener(balancer, &place.backend_set)
        && place.find(balancer).is_some_and(|backend| !backend.flags.drain && !backend.flags.offline)
}

async fn is_served_without(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    leaving: &Place,
) -> Result<bool, Failure> {
    let Some(set) = balancer.backend_sets.get(&leaving.backend_set) else { return Ok(false) };
    for backend in &set.backends {
        let is_other = backend.ip_address != leaving.address;
        if is_other && !backend.flags.drain && !backend.flags.offline {
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

/// Makes sure that no set of the load balancer has a backend at one of these addresses.
///
/// # Errors
/// Permanent when one has.
pub(super) async fn is_no_backend(
    cx: &Cx<'_, World>,
    load_balancer: &LoadBalancerId,
    addresses: &[String],
) -> Result<(), Failure> {
    const DOING: &str = "making sure that the instance is out of service";
    let answer = cx.world.oci.load_balancers().get(load_balancer).await;
    let balancer = match answer {
        Ok(answer) => answer.value,
        // Without a load balancer there is no backend.
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(failure::of(DOING, &error)),
    };
    for set in balancer.backend_sets.values() {
        if let Some(backend) = set.backends.iter().find(|backend| addresses.contains(&backend.ip_address)) {
            return Err(Failure::permanent(
                DOING,
                format!("it is still the backend {} of the set `{}`", backend.name, set.name),
            ));
        }
    }
    Ok(())
}
