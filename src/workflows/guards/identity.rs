//! Whether an address still belongs to the instance that the run retires.

use crate::engine::Cx;
use crate::oci::InstanceId;
use crate::run::Failure;
use crate::workflows::balancer::Place;
use crate::workflows::kinship::OLD_INSTANCE;
use crate::workflows::{World, failure, instance};

/// Makes sure that a backend which somebody else removed belonged to the instance to be retired. If the instance has other
/// addresses by now, its requests arrive by another way that nobody has drained.
///
/// # Errors
/// Permanent when the instance exists and has other addresses by now.
pub(in crate::workflows) async fn is_still_retiring(
    cx: &Cx<'_, World>,
    place: &Place,
) -> Result<(), Failure> {
    const DOING: &str = "making sure whose backend was removed by somebody else";
    let Some(id) = cx.fact(OLD_INSTANCE).map(InstanceId::from) else { return Ok(()) };
    let api = cx.world.oci.container_instances();
    let instance = match failure::look(cx, DOING, || api.get(&id)).await? {
        Ok(answer) => answer.value,
        // If the instance is gone, there is nothing left to drain. Its own state is checked when it is retired.
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(failure::of(DOING, &error)),
    };
    match instance::addresses(cx, &instance).await? {
        Some(addresses) if !addresses.contains(&place.address) => Err(Failure::permanent(
            DOING,
            format!(
                "{} is not on the load balancer any more, and {id} is reached at {} by now: somebody else changes it",
                place.subject(),
                addresses.join(", ")
            ),
        )),
        Some(_) | None => Ok(()),
    }
}
