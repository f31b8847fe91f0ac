//! The state of an instance, and what depends on it: deleting it to the end, and outrunning requests that are on their way.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::mark;
use super::own::carries;
use crate::engine::{Cx, Looks};
use crate::oci::container_instances::{self as api, InstanceState};
use crate::oci::{Etag, InstanceId, OciError, printable};
use crate::run::Failure;
use crate::workflows::balancer::SURE_AFTER;
use crate::workflows::{World, failure};

/// Deletes an instance of our own and waits until it is gone. An instance that is already gone counts as deleted.
///
/// A 404 of the read alone is not enough: right after a create, reads may lag.
pub(in crate::workflows) async fn delete(
    cx: &Cx<'_, World>,
    compartment: &str,
    id: &InstanceId,
    own: &[(&'static str, String)],
) -> Result<(), Failure> {
    const DOING: &str = "deleting the container instance";
    let started = Instant::now();
    let mut is_accepted = false;
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let standing = standing(cx, compartment, id).await?;
        let state = standing.as_ref().map(|standing| standing.state);
        match state {
            Some(InstanceState::Deleted) => return Ok(()),
            None if is_accepted || started.elapsed() > SURE_AFTER => return Ok(()),
            Some(InstanceState::Deleting) => {}
            Some(_) if is_accepted => {}
            Some(_) | None => {
                if let Some(standing) = &standing {
                    carries(id, &standing.tags, own, cx)?;
                }
                cx.assure_lease().await?;
                // If somebody has taken the run over since, the instance has another version.
                let version = standing.and_then(|standing| standing.etag);
                match cx.world.oci.send(&api::delete(id).only_if(version)).await {
                    Ok(_) => is_accepted = true,
                    Err(error) if error.is_not_found() && state.is_none() => {}
                    Err(error) if error.is_not_found() && started.elapsed() <= SURE_AFTER => {}
                    Err(error) => return Err(failure::of(DOING, &error)),
                }
            }
        }
        if started.elapsed() + wait > cx.world.policy.instance_timeout {
            return Err(Failure::transient(DOING, format!("{id} is not gone yet")));
        }
        cx.progress(format!("waiting for {id} to be gone"));
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// The state of an instance; `None` when it is gone.
///
/// A 404 may also mean that we may not see it, or not yet (docs/oci.md 2.7). Therefore the compartment's list is read as well.
///
/// # Errors
/// Transient when the list shows it alive and it cannot be read.
pub(in crate::workflows) async fn state(
    cx: &Cx<'_, World>,
    compartment: &str,
    id: &InstanceId,
) -> Result<Option<InstanceState>, Failure> {
    Ok(standing(cx, compartment, id).await?.map(|standing| standing.state))
}

/// The state of an instance, with its version.
pub(in crate::workflows) struct Standing {
    pub(in crate::workflows) state: InstanceState,
    pub(in crate::workflows) etag: Option<Etag>,
    pub(in crate::workflows) tags: BTreeMap<String, String>,
}

/// Like [`state`], with the version. A change that carries it is refused if the instance has another version by then.
pub(in crate::workflows) async fn standing(
    cx: &Cx<'_, World>,
    compartment: &str,
    id: &InstanceId,
) -> Result<Option<Standing>, Failure> {
    const DOING: &str = "looking at the container instance";
    let api = cx.world.oci.container_instances();
    match failure::look(cx, DOING, || api.get(id)).await? {
        Ok(answer) => {
            let (state, tags) = (answer.value.lifecycle_state, answer.value.freeform_tags);
            return Ok(Some(Standing { state, etag: answer.etag, tags }));
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(failure::of(DOING, &error)),
    }
    let listed = failure::must_look_all(cx, DOING, api.list(compartment)).await?;
    let found = listed.iter().find(|instance| instance["id"] == id.as_str());
    match found.and_then(|instance| instance["lifecycleState"].as_str()) {
        None | Some("DELETED") => Ok(None),
        Some(state) => {
            let state = printable(state);
            Err(Failure::transient(DOING, format!("{id} is listed as {state} and cannot be read")))
        }
    }
}

/// Gives an instance a new version and changes nothing else. The cloud then refuses a delete or a stop that is still on its
/// way, from a process that was paused right before it sent it, or held up in the network.
pub(in crate::workflows) async fn outrun(cx: &Cx<'_, World>, id: &InstanceId) -> Result<(), Failure> {
    const DOING: &str = "outrunning what may be on its way to the old instance";
    let api = cx.world.oci.container_instances();
    // If the request arrived first, the state of the instance is read again.
    let unseen = |error: OciError| {
        if error.is_not_found() {
            Failure::transient(DOING, format!("{id} cannot be seen any more"))
        } else {
            failure::of(DOING, &error)
        }
    };
    let before = failure::look(cx, DOING, || api.get(id)).await?.map_err(unseen)?;
    mark::is_ours(cx).await?;
    cx.assure_lease().await?;
    let call = api::rename(id, &before.value.display_name).only_if(before.etag.clone());
    cx.world.oci.send(&call).await.map_err(unseen)?;
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.policy.poll_interval) {
        let now = failure::look(cx, DOING, || api.get(id)).await?.map_err(unseen)?;
        let has_moved = now.etag != before.etag;
        if has_moved && now.value.lifecycle_state != InstanceState::Updating {
            return Ok(());
        }
        if !has_moved && started.elapsed() > SURE_AFTER {
            cx.warn(format!("{id} kept its version: what may be on its way to it could not be outrun"));
            return Ok(());
        }
        if started.elapsed() > cx.world.policy.instance_timeout {
            return Err(Failure::transient(DOING, format!("{id} is being updated still")));
        }
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}
