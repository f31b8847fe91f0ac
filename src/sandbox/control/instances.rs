//! Container instances: their API (docs/oci.md 1.3) over the state.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::changes::replay;
use super::listing::{Listing, Sort, compartment};
use super::{addresses, containers, demands, instance_work, updates};
use crate::sandbox::habits::{Deleted, Habits, Vnic};
use crate::sandbox::lifecycle::{self, Turn};
use crate::sandbox::pace::{APPEAR, NOTICEABLE};
use crate::sandbox::server::Shared;
use crate::sandbox::state::{Container, Instance, Spent, State, Work};
use crate::sandbox::wire::{Reply, Request, collection, stamp};

/// Of an instance and of a container.
pub(super) const STATES: [&str; 7] =
    ["CREATING", "UPDATING", "ACTIVE", "INACTIVE", "DELETING", "DELETED", "FAILED"];

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
        let id = make(state, &request.body, now);
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

/// How the service says in a work request that the network is not there (docs/oci.md 2.2).
fn no_network() -> String {
    "An error occurred on creating the VNIC: : Error returned by Unknown operation operation in Unknown service \
     service.(404, NotAuthorizedOrNotFound, false) Authorization failed or requested resource not found."
        .to_owned()
}

pub(super) fn invalidated() -> Reply {
    Reply::error(
        409,
        "InvalidatedRetryToken",
        "The retry token you provided was used in an earlier request that resulted in a system update, but a \
         subsequent operation has invalidated the token. This can happen, for example, in cases where an entity \
         created with the same token has since been deleted. If the system state change associated with this \
         request should be performed again, then retry with a different retry token.",
    )
}

/// Puts a new instance into the state, CREATING.
pub(in crate::sandbox) fn make(state: &mut State, specification: &Value, now: DateTime<Utc>) -> String {
    let id = state.ocid("computecontainerinstance");
    let vnic = state.ocid("vnic");
    let containers: Vec<Container> = specification["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|specification| {
            let id = state.ocid("computecontainer");
            let display_name = specification["displayName"]
                .as_str()
                .map_or_else(|| format!("container{}", state.counter), ToOwned::to_owned);
            Container {
                id,
                specification: specification.clone(),
                display_name,
                restarts: 0,
                exit_code: None,
                has_ended: false,
                log: String::new(),
            }
        })
        .collect();
    let number = state.next();
    let address = addresses::next(state);
    let display_name = specification["displayName"]
        .as_str()
        .map_or_else(|| format!("containerinstance{number}"), ToOwned::to_owned);
    let instance = Instance {
        id: id.clone(),
        number,
        specification: specification.clone(),
        display_name,
        freeform_tags: specification.get("freeformTags").cloned().unwrap_or_else(|| json!({})),
        lifecycle: "CREATING".to_owned(),
        details: None,
        created: now,
        active_since: None,
        gone_since: None,
        containers,
        vnic,
        address,
        version: 1,
        updated: None,
        is_up: false,
    };
    state.instances.insert(id.clone(), instance);
    id
}

pub(super) fn start_work(state: &mut State, operation: &str, instance: &str, now: DateTime<Utc>) -> String {
    let id = state.ocid("computecontainerworkrequest");
    let work = Work {
        id: id.clone(),
        operation: operation.to_owned(),
        status: "ACCEPTED".to_owned(),
        instance: instance.to_owned(),
        accepted: now,
        finished: None,
        errors: Vec::new(),
    };
    state.work.insert(id.clone(), work);
    id
}

fn list(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    let compartment = compartment(request)?;
    let state = shared.state();
    let mut found: Vec<&Instance> = state
        .instances
        .values()
        .filter(|instance| is_seen(&state.habits, instance))
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

/// Whether clients see an instance, or what is in it, at all.
pub(super) fn is_seen(habits: &Habits, instance: &Instance) -> bool {
    habits.deleted_instances == Deleted::Listed || instance.lifecycle != "DELETED"
}

pub(super) fn etag(instance: &Instance) -> String {
    format!("{:016x}{:08x}", instance.number, instance.version)
}

/// The card is made together with its instance (docs/oci.md 1.5), or comes a while later.
pub(super) fn has_vnic(shared: &Shared, habits: &Habits, instance: &Instance) -> bool {
    let is_late = || {
        let age = instance.active_since.and_then(|since| (shared.now() - since).to_std().ok());
        age.is_some_and(|age| age < shared.pace.scaled(APPEAR).max(NOTICEABLE))
    };
    instance.lifecycle != "CREATING" && (habits.vnic == Vnic::WithActive || !is_late())
}

/// Those that were asked for, as texts, and the cloud's own.
fn defined_tags(shared: &Shared, instance: &Instance) -> Value {
    let mut tags = instance.specification.get("definedTags").cloned().unwrap_or_else(|| json!({}));
    for value in tags.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        for value in value.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            if !value.is_string() {
                *value = json!(value.to_string());
            }
        }
    }
    tags["Oracle-Tags"] = json!({"CreatedBy": shared.identity.user, "CreatedOn": stamp(instance.created)});
    tags
}

/// A list's entry: without containers, VNICs and volumes (docs/oci.md 1.3).
pub(in crate::sandbox) fn summary(shared: &Shared, instance: &Instance) -> Value {
    let specification = &instance.specification;
    json!({
        "id": instance.id, "displayName": instance.display_name, "compartmentId": specification["compartmentId"],
        "freeformTags": instance.freeform_tags,
        "definedTags": defined_tags(shared, instance),
        "systemTags": {}, "availabilityDomain": specification["availabilityDomain"],
        "faultDomain": specification.get("faultDomain").cloned().unwrap_or_else(|| json!("FAULT-DOMAIN-1")),
        "lifecycleState": instance.lifecycle, "lifecycleDetails": instance.details,
        "timeCreated": stamp(instance.created), "timeUpdated": stamp(instance.updated.unwrap_or(instance.created)),
        "shape": specification["shape"],
        "shapeConfig": {
            "ocpus": specification["shapeConfig"]["ocpus"],
            "memoryInGBs": specification["shapeConfig"].get("memoryInGBs").cloned().unwrap_or_else(|| json!(16)),
            "processorDescription": "a loopback address", "networkingBandwidthInGbps": 1.0,
        },
        "containerCount": instance.containers.len(),
        "volumeCount": specification["volumes"].as_array().map_or(0, Vec::len),
        "gracefulShutdownTimeoutInSeconds":
            specification.get("gracefulShutdownTimeoutInSeconds").cloned().unwrap_or_else(|| json!(0)),
        "containerRestartPolicy":
            specification.get("containerRestartPolicy").cloned().unwrap_or_else(|| json!("ALWAYS")),
        "securityContext": specification.get("securityContext"),
    })
}

fn body(shared: &Shared, habits: &Habits, instance: &Instance) -> Value {
    let mut body = summary(shared, instance);
    let specification = &instance.specification;
    let vnic = if has_vnic(shared, habits, instance) { json!({"vnicId": instance.vnic}) } else { json!({}) };
    body["tenantId"] = json!(shared.identity.tenancy);
    body["containers"] = instance
        .containers
        .iter()
        .map(|container| json!({"containerId": container.id, "displayName": container.display_name}))
        .collect();
    body["vnics"] = json!([vnic]);
    body["volumes"] = specification.get("volumes").cloned().unwrap_or_else(|| json!([]));
    body["dnsConfig"] = specification.get("dnsConfig").cloned().unwrap_or_default();
    // The credentials of a pull secret are never told.
    let secrets = specification["imagePullSecrets"].as_array().into_iter().flatten().map(|secret| {
        let mut echoed =
            json!({"secretType": secret["secretType"], "registryEndpoint": secret["registryEndpoint"]});
        if secret["secretType"] == "VAULT" {
            echoed["secretId"] = secret["secretId"].clone();
        }
        echoed
    });
    body["imagePullSecrets"] = secrets.collect();
    // What a newer service knows, it echoes.
    for (name, value) in specification.as_object().into_iter().flatten() {
        if body.get(name).is_none() {
            body[name] = value.clone();
        }
    }
    body
}

fn shapes(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    compartment(request)?;
    let shapes = demands::SHAPES.map(|(name, ocpus, memory)| {
        json!({"name": name, "processorDescription": "a loopback address", "ocpuOptions": {"min": 1.0, "max": ocpus},
            "memoryOptions": {"minInGBs": 1.0, "maxInGBs": memory}})
    });
    Ok(collection(request, shapes.to_vec(), shared.page_size))
}
