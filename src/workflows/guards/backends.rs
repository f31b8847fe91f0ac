//! Whether an instance is still a backend.

use tokio::time::Instant;

use crate::engine::{Cx, Looks};
use crate::oci::LoadBalancerId;
use crate::oci::load_balancers::LoadBalancer;
use crate::oci::network::is_same_address;
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{SURE_AFTER, was_there_before, when_idle_unless_gone};
use crate::workflows::instance::mark;

/// Makes sure that no set of the load balancer has a backend at one of these addresses. The cloud may still show a backend
/// for a while after its removal.
///
/// # Errors
/// Permanent when a set has one.
pub(in crate::workflows) async fn is_no_backend(
    cx: &Cx<'_, World>,
    load_balancer: &LoadBalancerId,
    addresses: &[String],
) -> Result<(), Failure> {
    const DOING: &str = "making sure that the instance is out of service";
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        // A load balancer that is gone has no backends.
        let Some(read) = when_idle_unless_gone(cx, load_balancer).await? else { return Ok(()) };
        let Some((set, name)) = own_backend(cx, &read.0, addresses) else {
            cx.world.pace.hand_on(load_balancer, read);
            return Ok(());
        };
        if started.elapsed() > SURE_AFTER {
            // Who has taken the run over may have put it into service again.
            mark::is_ours(cx).await?;
            return Err(Failure::permanent(
                DOING,
                format!("it is still the backend {name} of the set `{set}`"),
            ));
        }
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// A backend at one of these addresses, as its set and its name. A backend that was there before the instance had the address
/// is not the instance's own.
fn own_backend<'b>(
    cx: &Cx<'_, World>,
    balancer: &'b LoadBalancer,
    addresses: &[String],
) -> Option<(&'b str, &'b str)> {
    let backends = balancer.backend_sets.values().flat_map(|set| set.backends.iter().map(move |b| (set, b)));
    let mut own =
        backends.filter(|(_, backend)| addresses.iter().any(|one| is_same_address(one, &backend.ip_address)));
    own.find(|(set, backend)| !was_there_before(cx, &format!("{}/{}", set.name, backend.name)))
        .map(|(set, backend)| (set.name.as_str(), backend.name.as_str()))
}
