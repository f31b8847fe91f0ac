//! Whether a compensation is about to take away something that the run itself created. The journal's word is not enough.

use tokio::time::Instant;

use crate::engine::{Cx, Looks};
use crate::oci::InstanceId;
use crate::oci::container_instances::{ContainerInstance, InstanceState};
use crate::oci::load_balancers::HealthStatus;
use crate::run::Failure;
use crate::workflows::balancer::{Place, SURE_AFTER, health, when_idle_unless_gone};
use crate::workflows::instance::mark;
use crate::workflows::kinship::{NEW_INSTANCE, OLD_INSTANCE, RESTORED_INSTANCE};
use crate::workflows::{World, failure, instance};

/// Makes sure that a backend belongs to the instance which this run created, before it is taken out of service or removed.
///
/// # Errors
/// Permanent when the backend is somebody else's.
pub(in crate::workflows) async fn is_new_instance(cx: &Cx<'_, World>, place: &Place) -> Result<(), Failure> {
    const DOING: &str = "making sure that the backend is the run's own";
    if let Some(found) = readable(cx, cx.fact(NEW_INSTANCE)).await? {
        let [run, _] = instance::own_tags(cx, "");
        instance::carries(&found.id, &found.freeform_tags, &[run], cx)?;
        match known_addresses(cx, &found).await? {
            Some(addresses) if addresses.contains(&place.address) => return Ok(()),
            Some(addresses) => {
                return Err(Failure::permanent(
                    DOING,
                    format!(
                        "{} is somebody else's: {} of this run is at {}",
                        place.subject(),
                        found.id,
                        addresses.join(", ")
                    ),
                ));
            }
            None if found.lifecycle_state == InstanceState::Active => {
                return Err(Failure::transient(DOING, format!("the address of {} cannot be seen", found.id)));
            }
            None => {}
        }
    }
    // The run's instance is gone, so a backend that serves there belongs to another one.
    let Some((balancer, _)) = when_idle_unless_gone(cx, &place.load_balancer).await? else { return Ok(()) };
    let serves = place.find(&balancer).is_some_and(|backend| backend.flags.serves());
    if serves && health(cx, place).await?.0 == HealthStatus::Ok {
        return Err(Failure::permanent(
            DOING,
            format!(
                "{} serves, and no instance of this run is there: it is somebody else's",
                place.subject()
            ),
        ));
    }
    Ok(())
}

/// Makes sure that an old backend which will be registered again still has its instance.
///
/// # Errors
/// Permanent when the instance is gone.
pub(in crate::workflows) async fn old_instance_is_there(
    cx: &Cx<'_, World>,
    place: &Place,
) -> Result<(), Failure> {
    let Some(id) = cx.fact(RESTORED_INSTANCE).or_else(|| cx.fact(OLD_INSTANCE)) else {
        return Ok(());
    };
    if readable(cx, Some(id)).await?.is_some() {
        return Ok(());
    }
    // Who has taken the run over may have retired it.
    mark::is_ours(cx).await?;
    let (run, seq) = (cx.run().short(), cx.seq());
    Err(Failure::permanent(
        "registering the old backend again",
        format!(
            "{id}, which was behind {}, is gone: no request may go there. Bring it back and say \
             `deployctl rollback {run}`; or go on without it: `deployctl resolve {run} {seq} --as done`",
            place.subject()
        ),
    ))
}

/// The instance. `None` if it is gone. A 404 counts only if it persists for a while.
async fn readable(cx: &Cx<'_, World>, id: Option<&str>) -> Result<Option<ContainerInstance>, Failure> {
    const DOING: &str = "looking at the instance behind a backend";
    let Some(id) = id.map(InstanceId::from) else { return Ok(None) };
    let api = cx.world.oci.container_instances();
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        match failure::look(cx, DOING, || api.get(&id)).await? {
            Ok(answer) => {
                return Ok(Some(answer.value).filter(|found| !found.lifecycle_state.is_terminated()));
            }
            Err(error) if error.is_not_found() && started.elapsed() > SURE_AFTER => return Ok(None),
            Err(error) if error.is_not_found() => cx.pause(wait).await?,
            Err(error) => return Err(failure::of(DOING, &error)),
        }
    }
    unreachable!("looks never end")
}

/// The addresses of an instance. A running instance has some, so they are read again for a while.
async fn known_addresses(
    cx: &Cx<'_, World>,
    found: &ContainerInstance,
) -> Result<Option<Vec<String>>, Failure> {
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let addresses = instance::addresses(cx, found).await?;
        let may_come = found.lifecycle_state == InstanceState::Active && started.elapsed() <= SURE_AFTER;
        if addresses.is_some() || !may_come {
            return Ok(addresses);
        }
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}
