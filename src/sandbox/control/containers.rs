//! Containers: the processes in an instance, and their logs (docs/oci.md 1.3).

use serde_json::{Value, json};

use super::instance_view::{STATES, etag, is_seen};
use super::listing::{Listing, Sort, compartment};
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Container, Instance, State};
use crate::sandbox::wire::{Reply, Request, collection, stamp};

fn body(instance: &Instance, container: &Container) -> Value {
    let specification = &container.specification;
    let has_crashed = container.restarts > 0;
    let state = if container.has_ended { "INACTIVE" } else { instance.lifecycle.as_str() };
    let mut body = specification.clone();
    body["id"] = json!(container.id);
    body["displayName"] = json!(container.display_name);
    body["compartmentId"] = instance.specification["compartmentId"].clone();
    body["containerInstanceId"] = json!(instance.id);
    body["availabilityDomain"] = instance.specification["availabilityDomain"].clone();
    body["lifecycleState"] = json!(state);
    body["lifecycleDetails"] =
        if state == "ACTIVE" && !has_crashed { json!("CONTAINER_RUNNING") } else { json!(instance.details) };
    body["containerRestartAttemptCount"] = json!(container.restarts);
    body["exitCode"] = json!(container.exit_code);
    body["timeCreated"] = json!(stamp(instance.created));
    body["timeUpdated"] = json!(stamp(instance.updated.unwrap_or(instance.created)));
    if body.get("freeformTags").is_none() {
        body["freeformTags"] = json!({});
    }
    body
}

pub(super) fn list(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    let compartment = compartment(request)?;
    let state = shared.state();
    let seen = state.instances.values().filter(|instance| is_seen(&state.habits, instance));
    let instances = seen.filter(|instance| instance.specification["compartmentId"] == compartment);
    let bodies = instances.flat_map(|instance| instance.containers.iter().map(|one| body(instance, one)));
    let listing = Listing {
        filters: &["containerInstanceId", "displayName", "lifecycleState", "availabilityDomain"],
        states: Some(("lifecycleState", &STATES)),
        sorts: &[
            Sort::newest_first("timeCreated", "timeCreated"),
            Sort::ascending("displayName", "displayName"),
        ],
    };
    let bodies = listing.of(request, bodies.collect())?;
    Ok(collection(request, bodies, shared.page_size))
}

fn find<'s>(state: &'s State, id: &str) -> Option<(&'s Instance, &'s Container)> {
    state.instances.values().filter(|instance| is_seen(&state.habits, instance)).find_map(|instance| {
        instance.containers.iter().find(|container| container.id == id).map(|container| (instance, container))
    })
}

pub(super) fn get(shared: &Shared, id: &str) -> Reply {
    match find(&shared.state(), id) {
        Some((instance, container)) => {
            Reply::json(200, &body(instance, container)).with("etag", etag(instance))
        }
        None => Reply::not_found(),
    }
}

/// The log is text, but labelled as JSON, as the service does (docs/oci.md 1.3).
pub(super) fn logs(shared: &Shared, request: &Request, id: &str) -> Reply {
    match find(&shared.state(), id) {
        Some((_, container)) if request.query("isPrevious") == Some("true") && container.restarts == 0 => {
            Reply::text("")
        }
        Some((_, container)) => Reply::text(&container.log),
        None => Reply::not_found(),
    }
}
