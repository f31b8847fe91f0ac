//! Marks an instance as kept by this run, and waits until that is done.

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::standing::state;
use super::{kept, mark};
use crate::engine::{Cx, Looks};
use crate::oci::container_instances::{self as api, InstanceState};
use crate::oci::{Etag, InstanceId, is_terminated};
use crate::run::{Failure, FailureKind};
use crate::workflows::balancer::SURE_AFTER;
use crate::workflows::{World, failure};

const DOING: &str = "marking the old instance as kept";
/// How often a 404 to the change counts as stale while the instance can be read.
const REFUSALS_LIMIT: usize = 3;

/// The instance as it is now.
pub(in crate::workflows) struct Now {
    pub(in crate::workflows) tags: Map<String, Value>,
    state: String,
    etag: Option<Etag>,
}

/// The instance as it is now. `None` when it is gone.
pub(in crate::workflows) async fn now(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    compartment: &str,
) -> Result<Option<Now>, Failure> {
    let api = cx.world.oci.container_instances();
    let is_gone = || async { Ok(state(cx, compartment, id).await?.is_none_or(InstanceState::is_terminated)) };
    let read = failure::look_unless(cx, DOING, || api.get_raw(id), is_gone).await?;
    let there = read.filter(|answer| !is_terminated(&answer.value));
    Ok(there.map(|answer| Now {
        tags: answer.value["freeformTags"].as_object().cloned().unwrap_or_default(),
        state: answer.value["lifecycleState"].as_str().unwrap_or_default().to_owned(),
        etag: answer.etag,
    }))
}

/// Gives the instance these tags, if nobody has changed it since.
pub(in crate::workflows) async fn retag(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    tags: &Map<String, Value>,
    now: Now,
) -> Result<(), Failure> {
    mark::is_ours(cx).await?;
    cx.assure_lease().await?;
    let call = api::retag(id, tags).only_if(now.etag);
    cx.world.oci.send(&call).await.map(drop).map_err(|error| failure::of(DOING, &error))
}

/// Waits until a change of the tags is done, so that the next step does not interfere with it.
pub(in crate::workflows) async fn until_settled(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    compartment: &str,
) -> Result<(), Failure> {
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let Some(now) = now(cx, id, compartment).await? else { return Ok(()) };
        let is_updating = now.state == "UPDATING";
        let is_there = kept::by(&now.tags) == Some(&cx.run().to_string());
        if !is_updating && (is_there || started.elapsed() > SURE_AFTER) {
            return Ok(());
        }
        if started.elapsed() > cx.world.policy.instance_timeout {
            return Err(Failure::transient(DOING, format!("{id} is being updated still")));
        }
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// Marks the instance. `false` if it is gone or cannot be marked, of which the user is warned.
pub(in crate::workflows) async fn keep(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    compartment: &str,
) -> Result<bool, Failure> {
    let run = cx.run().to_string();
    for attempt in 1.. {
        let Some(now) = now(cx, id, compartment).await? else { return Ok(false) };
        if kept::by(&now.tags) == Some(&run) {
            break;
        }
        let Some(tags) = kept::marked(&now.tags, &run) else {
            cx.warn(format!(
                "{id} has no room for one more tag: later deployments do not know that it was kept, and may have to be told \
                 by `--replace` which instance is meant"
            ));
            return Ok(false);
        };
        match retag(cx, id, &tags, now).await {
            Ok(()) => break,
            Err(failure) if failure.kind == FailureKind::Missing && attempt < REFUSALS_LIMIT => {
                cx.pause(cx.world.policy.poll_interval).await?;
            }
            Err(failure) if matches!(failure.kind, FailureKind::Missing | FailureKind::Permanent) => {
                cx.warn(format!("later deployments do not know that {id} was kept: {failure}"));
                return Ok(false);
            }
            Err(failure) => return Err(failure),
        }
    }
    until_settled(cx, id, compartment).await?;
    Ok(true)
}
