//! Whether a set is served without a backend that is about to leave it.

use tokio::time::Instant;

use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{HealthStatus, LoadBalancer};
use crate::oci::network::is_same_address;
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{Place, has_listener, health, when_idle_unless_gone};

/// Makes sure that a set has a healthy backend in service besides `leaving`, if `leaving` is in service. The last change may
/// become visible only after a while, so this retries until the backend timeout is over.
///
/// # Errors
/// Permanent when there is no such backend.
pub(in crate::workflows) async fn another_serves(cx: &Cx<'_, World>, leaving: &Place) -> Result<(), Failure> {
    until_served_without(cx, leaving, |balancer| !place_serves(balancer, leaving)).await
}

/// Like [`another_serves`], for a backend that is drained already and will be removed.
pub(in crate::workflows) async fn others_serve(cx: &Cx<'_, World>, leaving: &Place) -> Result<(), Failure> {
    until_served_without(cx, leaving, |_| false).await
}

async fn until_served_without(
    cx: &Cx<'_, World>,
    leaving: &Place,
    is_idle: impl Fn(&LoadBalancer) -> bool,
) -> Result<(), Failure> {
    let deadline = Instant::now() + cx.world.policy.backend_timeout;
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        // A load balancer that is gone serves no requests.
        let Some(read) = when_idle_unless_gone(cx, &leaving.load_balancer).await? else {
            return Ok(());
        };
        let Some(others) = unserved_without(cx, &read.0, leaving, &is_idle).await? else {
            cx.world.pace.hand_on(&leaving.load_balancer, read);
            return Ok(());
        };
        if Instant::now() + wait > deadline {
            return Err(Failure::permanent(
                format!("taking {} out of service", leaving.subject()),
                format!("it is the last healthy backend of the set `{}`{others}", leaving.backend_set),
            ));
        }
        cx.progress(format!("waiting for another healthy backend in `{}`", leaving.backend_set));
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// Why no other backend takes the requests of one that leaves. `None` if one does, or if it gets none.
async fn unserved_without(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    leaving: &Place,
    is_idle: impl Fn(&LoadBalancer) -> bool,
) -> Result<Option<String>, Failure> {
    if is_idle(balancer) || !is_reached(cx, balancer, leaving).await? {
        return Ok(None);
    }
    Ok(match standins(cx, balancer, leaving).await? {
        Standins::Some => None,
        Standins::None(others) => Some(others),
    })
}

fn place_serves(balancer: &LoadBalancer, place: &Place) -> bool {
    place.find(balancer).is_some_and(|backend| backend.flags.serves())
}

/// Whether requests reach the set: a listener uses it, or it is checked, which happens only with a listener.
pub(in crate::workflows) async fn is_reached(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    place: &Place,
) -> Result<bool, Failure> {
    if has_listener(balancer, &place.backend_set) {
        return Ok(true);
    }
    Ok(place.find(balancer).is_some() && health(cx, place).await?.0 != HealthStatus::Unknown)
}

/// Whether requests reach the set, and no backend takes them once `leaving` is gone.
pub(in crate::workflows) async fn is_last(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    leaving: &Place,
) -> Result<bool, Failure> {
    let serves = place_serves(balancer, leaving) && is_reached(cx, balancer, leaving).await?;
    Ok(serves && matches!(standins(cx, balancer, leaving).await?, Standins::None(_)))
}

/// The backends that take the requests of a backend that leaves.
pub(super) enum Standins {
    Some,
    /// None. The text says why each other backend of the set does not count.
    None(String),
}

pub(super) async fn standins(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    leaving: &Place,
) -> Result<Standins, Failure> {
    let Some(set) = balancer.backend_sets.get(&leaving.backend_set) else {
        return Ok(Standins::None(String::new()));
    };
    let flags = leaving.find(balancer).map(|backend| backend.flags.clone()).unwrap_or_default();
    let mut others = Vec::new();
    for backend in
        set.backends.iter().filter(|backend| !is_same_address(&backend.ip_address, &leaving.address))
    {
        if let Some(why_not) = backend.flags.why_no_standin_for(&flags) {
            others.push(format!("{} is {why_not}", backend.name));
            continue;
        }
        let place = Place { port: backend.port, ..leaving.at(&backend.ip_address) };
        match health(cx, &place).await?.0 {
            HealthStatus::Ok => return Ok(Standins::Some),
            status @ (HealthStatus::Warning | HealthStatus::Critical | HealthStatus::Unknown) => {
                others.push(format!("{} is {status}", backend.name));
            }
        }
    }
    let others = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    Ok(Standins::None(others))
}
