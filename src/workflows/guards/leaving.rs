//! Decides whether a rollback may take the new version out of a set: only if the instance that it replaced serves there.

use std::fmt::Write as _;

use tokio::time::Instant;

use super::service::{Standins, is_reached, standins};
use crate::engine::{Cx, Looks};
use crate::oci::load_balancers::{HealthStatus, LoadBalancer};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{Place, health, when_idle_unless_gone};

/// The instance that was in service in the set before the new version.
#[derive(Debug)]
pub(in crate::workflows) enum Predecessors {
    /// None. The set goes back to having none.
    Nobody,
    /// The instance that was replaced, at its present places.
    At(Vec<Place>),
    /// Any instance that serves there, because a run of an older version did not record which.
    Anybody,
}

/// Makes sure that a set is served without the new version. The last change may become visible only after a while, so this
/// retries until the backend timeout is over.
///
/// # Errors
/// Permanent when it is not, unless the new version itself is unhealthy. In that case no request is lost when it leaves.
pub(in crate::workflows) async fn may_leave(
    cx: &Cx<'_, World>,
    leaving: &Place,
    predecessors: &Predecessors,
) -> Result<(), Failure> {
    let deadline = Instant::now() + cx.world.policy.backend_timeout;
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        // A load balancer that is gone serves no requests.
        let Some(read) = when_idle_unless_gone(cx, &leaving.load_balancer).await? else {
            return Ok(());
        };
        let balancer = &read.0;
        let why_not = if is_reached(cx, balancer, leaving).await? {
            why_unserved(cx, balancer, leaving, predecessors).await?
        } else {
            None
        };
        let Some(why_not) = why_not else {
            cx.world.pace.hand_on(&leaving.load_balancer, read);
            return Ok(());
        };
        if Instant::now() + wait > deadline {
            let serves = leaving.find(balancer).is_some_and(|backend| backend.flags.serves());
            if serves && health(cx, leaving).await?.0 == HealthStatus::Critical {
                cx.warn(format!("{} is unwell itself: the set is left without it", leaving.subject()));
                return Ok(());
            }
            return Err(refusal(cx, leaving, &why_not));
        }
        cx.progress(format!("waiting until `{}` is served without it{why_not}", leaving.backend_set));
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

fn refusal(cx: &Cx<'_, World>, leaving: &Place, why_not: &str) -> Failure {
    let (run, seq) = (cx.run().short(), cx.seq());
    Failure::permanent(
        format!("taking {} out of service", leaving.subject()),
        format!(
            "it is the last healthy backend of the set `{}` that serves this deployment{why_not}. Bring the old \
             version back and say `deployctl rollback {run}`; or keep the new one, its backend and its instance: \
             `deployctl resolve {run} {seq} --as done`",
            leaving.backend_set
        ),
    )
}

/// Why no instance serves in its place. `None` if one does.
async fn why_unserved(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    leaving: &Place,
    predecessors: &Predecessors,
) -> Result<Option<String>, Failure> {
    let places = match predecessors {
        Predecessors::Nobody => return Ok(None),
        Predecessors::Anybody => {
            return Ok(match standins(cx, balancer, leaving).await? {
                Standins::Some => None,
                Standins::None(others) => Some(others),
            });
        }
        Predecessors::At(places) => places,
    };
    let mut why_not = String::new();
    for place in places {
        let state = match place.find(balancer) {
            None => "not on the load balancer".to_owned(),
            Some(backend) if !backend.flags.serves() => "not in service".to_owned(),
            Some(_) => match health(cx, place).await?.0 {
                HealthStatus::Ok => return Ok(None),
                status => status.to_string(),
            },
        };
        let written = write!(why_not, "; the old one at {} is {state}", place.name());
        written.expect("a text takes every text");
    }
    Ok(Some(why_not))
}
