//! The container instances' API (docs/oci.md 1.3) over the state.

use chrono::TimeDelta;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::instance_view::{STATES, body, etag, is_seen, summary};
use super::listing::{Listing, Sort, compartment};
use super::making::{make, start_work};
use super::replays::{invalidated, replay};
use super::{containers, demands, instance_work, updates};
use crate::sandbox::lifecycle::{self, Turn};
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Instance, Spent};
use crate::sandbox::wire::{Reply, Request, collection};

pub(super) fn answer(shared: &Arc<Shared>, request: &Request, method: &str, path: &[&str]) -> Option<Reply> {
    let reply = match (method, path) {
        ("POST", ["containerInstances"]) => create(shared, request),
        ("GET", ["containerInstances"]) => list(shared, request).unwrap_or_else(|refusal| refusal),
        ("GET", ["containerInstances", id]) => get(shared, id),
        ("PUT", ["containerInstances", id]) => updates::instance(shared, request, id),
        ("DELETE", ["containerInstances", id]) => updates::turn(shared, request, id, Turn::Delete),
        ("POST", ["containerInstances", id, "actions", "start"]) => {
            updates::turn(shared, request, id, Turn::Start)
        }
        ("POST", ["containerInstances", id, "actions", "stop"]) => {
            updates::turn(shared, request, id, Turn::Stop)
        }
        ("POST", ["containerInstances", id, "actions", "restart"]) => {
            updates::turn(shared, request, id, Turn::Restart)
        }
        ("POST", ["containerInstances", id, "actions", "changeCompartment"]) => {
            updates::compartment(shared, request, id)
        }
        ("GET", ["containers"]) => containers::list(shared, request).unwrap_or_else(|refusal| refusal),
        ("PUT", ["containers", id]) => updates::container(shared, request, id),
        ("GET", ["containers", id]) => containers::get(shared, id),
        ("POST", ["containers", id, "actions", "retrieveLogs"]) => containers::logs(shared, request, id),
        ("GET", ["containerInstanceShapes"]) => shapes(shared, request).unwrap_or_else(|refusal| refusal),
        ("GET", ["workRequests", id]) => instance_work::get(shared, id),
        ("GET", ["workRequests", id, "errors"]) => {
            instance_work::errors(shared, request, id).unwrap_or_else(|refusal| refusal)
        }
        ("GET", ["workRequests", id, "logs"]) => {
            instance_work::logs(shared, request, id).unwrap_or_else(|refusal| refusal)
        }
        ("GET", ["workRequests"]) => instance_work::list(shared, request).unwrap_or_else(|refusal| refusal),
        (_, ["containerInstances" | "containers" | "workRequests" | "containerInstanceShapes", ..]) => {
            Reply::error(405, "MethodNotAllowed", "Method Not Allowed")
        }
        _ => return None,
    };
    Some(reply)
}

fn create(shared: &Arc<Shared>, request: &Request) -> Reply {
    if let Err(refusal) = demands::instance(&shared.state().habits, &request.body) {
        return refusal;
    }
    let now = shared.now();
    let digest = format!("{:x}", Sha256::digest(request.body.to_string()));
    let token = request.header("opc-retry-token").map(|token| format!("create/{token}"));
    let made = shared.change(|state| {
        if let Some(token) = &token
            && let Some(spent) = state.tokens.get(token)
        {
            let id = &replay(&state.habits, spent, &digest, None)?;
            let is_gone = state
                .instances
                .get(id)
                .is_none_or(|made| matches!(made.lifecycle.as_str(), "DELETED" | "DELETING"));
            return if is_gone { Err(invalidated()) } else { Ok((id.clone(), None)) };
        }
        let id = make(state, &request.body, now)?;
        let work = start_work(state, "CREATE_CONTAINER_INSTANCE", &id, now);
        if let Some(token) = token {
            state.tokens.insert(token, Spent(digest, id.clone(), None));
        }
        Ok((id, Some(work)))
    });
    match made {
        Err(refusal) => refusal,
        Ok((id, started)) => {
            let has_network = demands::has_network(&request.body);
            let fails_with = request.work_fails_with.clone().or_else(|| (!has_network).then(no_network));
            if let Some(work) = &started {
                lifecycle::begin(shared, &id, work, Turn::Create, fails_with);
            }
            let state = shared.state();
            let work =
                state.work.values().find(|work| work.instance == id && work.operation.starts_with("CREATE"));
            let work = started.or_else(|| work.map(|work| work.id.clone())).unwrap_or_default();
            match state.instances.get(&id) {
                Some(instance) => Reply::json(200, &body(shared, &state.habits, instance))
                    .with("etag", etag(instance))
                    .with("opc-work-request-id", work),
                None => Reply::not_found(),
            }
        }
    }
}

/// The error in a work request if the network does not exist (docs/oci.md 2.2).
fn no_network() -> String {
    "An error occurred on creating the VNIC: : Error returned by Unknown operation operation in Unknown service \
     service.(404, NotAuthorizedOrNotFound, false) Authorization failed or requested resource not found."
        .to_owned()
}

fn list(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    let compartment = compartment(request)?;
    let state = shared.state();
    let lag = TimeDelta::milliseconds(i64::try_from(state.habits.list_lag_ms).unwrap_or(i64::MAX));
    let now = shared.now();
    let mut found: Vec<&Instance> = state
        .instances
        .values()
        .filter(|instance| is_seen(&state.habits, instance) && now - instance.created >= lag)
        .filter(|instance| instance.specification["compartmentId"] == compartment)
        .collect();
    found.sort_by_key(|instance| instance.number);
    let listing = Listing {
        filters: &["displayName", "lifecycleState", "availabilityDomain"],
        states: Some(("lifecycleState", &STATES)),
        sorts: &[
            Sort::newest_first("timeCreated", "timeCreated"),
            Sort::ascending("displayName", "displayName"),
        ],
    };
    let found = listing.of(request, found.into_iter().map(|instance| summary(shared, instance)).collect())?;
    Ok(collection(request, found, shared.page_size))
}

fn get(shared: &Shared, id: &str) -> Reply {
    let state = shared.state();
    match state.instances.get(id).filter(|instance| is_seen(&state.habits, instance)) {
        Some(instance) => {
            Reply::json(200, &body(shared, &state.habits, instance)).with("etag", etag(instance))
        }
        None => Reply::not_found(),
    }
}

fn shapes(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    compartment(request)?;
    let shapes = demands::SHAPES.map(|(name, ocpus, memory)| {
        json!({"name": name, "processorDescription": "a loopback address", "ocpuOptions": {"min": 1.0, "max": ocpus},
            "memoryOptions": {"minInGBs": 1.0, "maxInGBs": memory}})
    });
    Ok(collection(request, shapes.to_vec(), shared.page_size))
}
