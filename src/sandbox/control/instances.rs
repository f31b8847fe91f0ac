//! Container instances: their API (OCI.md 1.3) over the state.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::changes::replay;
use super::{addresses, check_version, containers, instance_work};
use crate::sandbox::habits::{Deleted, Habits, NoChange, NoOp, Vnic};
use crate::sandbox::lifecycle::{self, Turn};
use crate::sandbox::pace::{APPEAR, NOTICEABLE};
use crate::sandbox::server::Shared;
use crate::sandbox::state::{Container, Instance, Spent, State, Work};
use crate::sandbox::wire::{Reply, Request, collection, stamp};

/// How many freeform tags a resource takes (OCI.md section 5).
const TAGS_LIMIT: usize = 10;

pub(super) fn answer(shared: &Arc<Shared>, request: &Request, method: &str, path: &[&str]) -> Option<Reply> {
    let reply = match (method, path) {
        ("POST", ["containerInstances"]) => create(shared, request),
        ("GET", ["containerInstances"]) => list(shared, request),
        ("GET", ["containerInstances", id]) => get(shared, id),
        ("PUT", ["containerInstances", id]) => update(shared, request, id),
        ("DELETE", ["containerInstances", id]) => turn(shared, request, id, Turn::Delete),
        ("POST", ["containerInstances", id, "actions", "start"]) => turn(shared, request, id, Turn::Start),
        ("POST", ["containerInstances", id, "actions", "stop"]) => turn(shared, request, id, Turn::Stop),
        ("POST", ["containerInstances", id, "actions", "restart"]) => {
            turn(shared, request, id, Turn::Restart)
        }
        ("GET", ["containers"]) => containers::list(shared, request),
        ("GET", ["containers", id]) => containers::get(shared, id),
        ("POST", ["containers", id, "actions", "retrieveLogs"]) => containers::logs(shared, request, id),
        ("GET", ["containerInstanceShapes"]) => shapes(shared, request),
        ("GET", ["workRequests", id]) => instance_work::get(shared, id),
        ("GET", ["workRequests", id, "errors"]) => instance_work::errors(shared, request, id),
        ("GET", ["workRequests", id, "logs"]) => instance_work::logs(shared, request, id),
        ("GET", ["workRequests"]) => instance_work::list(shared, request),
        (_, ["containerInstances" | "containers" | "workRequests" | "containerInstanceShapes", ..]) => {
            Reply::error(405, "MethodNotAllowed", "Method Not Allowed")
        }
        _ => return None,
    };
    Some(reply)
}

fn create(shared: &Arc<Shared>, request: &Request) -> Reply {
    if let Err(refusal) = validate(&request.body) {
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
            let fails_with = request.work_fails_with.clone();
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

/// The checks that the service makes at once; the others come out in the work request (OCI.md section 5).
fn validate(body: &Value) -> Result<(), Reply> {
    let missing = |name: &str| Reply::error(400, "MissingParameter", format!("{name} is missing"));
    for name in ["compartmentId", "availabilityDomain", "shape"] {
        if !body[name].is_string() {
            return Err(missing(name));
        }
    }
    if body["shapeConfig"]["ocpus"].as_f64().is_none_or(|ocpus| ocpus <= 0.0) {
        return Err(missing("shapeConfig.ocpus"));
    }
    if !body["shape"].as_str().unwrap_or_default().starts_with("CI.Standard.") {
        return Err(Reply::invalid("shape is not a container instance shape"));
    }
    match body["vnics"].as_array().map(Vec::as_slice) {
        Some([vnic]) if vnic["subnetId"].is_string() => {}
        Some(_) | None => return Err(Reply::invalid("vnics must have exactly one entry with a subnetId")),
    }
    let containers = body["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() || containers.len() > 60 {
        return Err(Reply::invalid("containers must have 1 to 60 entries"));
    }
    for container in containers {
        if !container["imageUrl"].is_string() {
            return Err(missing("containers[].imageUrl"));
        }
        let checks = container["healthChecks"].as_array().into_iter().flatten();
        if checks.filter(|check| !matches!(check["healthCheckType"].as_str(), Some("HTTP" | "TCP"))).count()
            > 0
        {
            return Err(Reply::invalid("healthCheckType must be HTTP or TCP"));
        }
    }
    Ok(())
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
        is_up: false,
    };
    state.instances.insert(id.clone(), instance);
    id
}

fn start_work(state: &mut State, operation: &str, instance: &str, now: DateTime<Utc>) -> String {
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

fn list(shared: &Shared, request: &Request) -> Reply {
    let Some(compartment) = request.query("compartmentId") else {
        return Reply::error(400, "MissingParameter", "compartmentId is missing");
    };
    let state = shared.state();
    let mut found: Vec<&Instance> = state
        .instances
        .values()
        .filter(|instance| is_seen(&state.habits, instance))
        .filter(|instance| instance.specification["compartmentId"] == compartment)
        .filter(|instance| request.query("displayName").is_none_or(|name| name == instance.display_name))
        .filter(|instance| request.query("lifecycleState").is_none_or(|wanted| wanted == instance.lifecycle))
        .collect();
    found.sort_by_key(|instance| instance.number);
    if request.query("sortOrder") != Some("ASC") {
        found.reverse();
    }
    collection(
        request,
        found.into_iter().map(|instance| summary(shared, instance)).collect(),
        shared.page_size,
    )
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

fn update(shared: &Shared, request: &Request, id: &str) -> Reply {
    let now = shared.now();
    shared.change(|state| {
        let habits = state.habits;
        let Some(instance) = state.instances.get_mut(id).filter(|instance| is_seen(&habits, instance)) else {
            return Reply::not_found();
        };
        if let Err(refusal) = check_version(request, &etag(instance)) {
            return refusal;
        }
        let allowed = ["displayName", "freeformTags", "definedTags"];
        if let Some(name) = request
            .body
            .as_object()
            .and_then(|body| body.keys().find(|name| !allowed.contains(&name.as_str())))
        {
            return Reply::invalid(format!("{name} cannot be updated"));
        }
        let n_tags = request.body["freeformTags"].as_object().map_or(0, serde_json::Map::len);
        if n_tags > TAGS_LIMIT {
            return Reply::invalid(format!(
                "freeformTags has {n_tags} entries, at most {TAGS_LIMIT} are allowed"
            ));
        }
        let before = (instance.display_name.clone(), instance.freeform_tags.clone());
        if let Some(name) = request.body["displayName"].as_str() {
            name.clone_into(&mut instance.display_name);
        }
        if let Some(tags) = request.body.get("freeformTags") {
            instance.freeform_tags = tags.clone();
        }
        let is_changed = before != (instance.display_name.clone(), instance.freeform_tags.clone());
        if !is_changed && (habits.no_change == NoChange::Refused || habits.no_op == NoOp::Refused) {
            return Reply::invalid("UpdateContainerInstance would change nothing");
        }
        if is_changed || habits.no_change == NoChange::Accepted {
            instance.version += 1;
        }
        let work = start_work(state, "UPDATE_CONTAINER_INSTANCE", id, now);
        if let Some(work) = state.work.get_mut(&work) {
            "SUCCEEDED".clone_into(&mut work.status);
            work.finished = Some(now);
        }
        Reply::empty(202).with("opc-work-request-id", work)
    })
}

fn turn(shared: &Arc<Shared>, request: &Request, id: &str, turn: Turn) -> Reply {
    let now = shared.now();
    let started = shared.change(|state| {
        let seen = state.instances.get(id).filter(|instance| is_seen(&state.habits, instance));
        let Some(instance) = seen else { return Err(Reply::not_found()) };
        check_version(request, &etag(instance))?;
        let refuses_no_op = state.habits.no_op == NoOp::Refused;
        match (turn, instance.lifecycle.as_str()) {
            (Turn::Start, "ACTIVE") | (Turn::Stop, "INACTIVE") | (Turn::Delete, "DELETING")
                if refuses_no_op =>
            {
                return Err(Reply::invalid(format!("{} would change nothing", turn.operation())));
            }
            (_, "DELETED") => return Err(Reply::not_found()),
            (_, "DELETING") => return Err(incorrect_state(id, "DELETING")),
            (Turn::Delete, _) | (Turn::Start, "INACTIVE") | (Turn::Stop | Turn::Restart, "ACTIVE") => {}
            (Turn::Create | Turn::Start | Turn::Stop | Turn::Restart, other) => {
                return Err(incorrect_state(id, other));
            }
        }
        if turn == Turn::Delete {
            lifecycle::note_a_delete_in_service(state, id);
        }
        Ok(start_work(state, turn.operation(), id, now))
    });
    match started {
        Ok(work) => {
            lifecycle::begin(shared, id, &work, turn, request.work_fails_with.clone());
            Reply::empty(202).with("opc-work-request-id", work)
        }
        Err(refusal) => refusal,
    }
}

fn incorrect_state(id: &str, state: &str) -> Reply {
    Reply::error(409, "IncorrectState", format!("Resource {id} is in an invalid state {state}"))
}

pub(super) fn etag(instance: &Instance) -> String {
    format!("{:016x}{:08x}", instance.number, instance.version)
}

/// The card is made together with its instance (OCI.md 1.5), or comes a while later.
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

/// A list's entry: without containers, VNICs and volumes (OCI.md 1.3).
pub(in crate::sandbox) fn summary(shared: &Shared, instance: &Instance) -> Value {
    let specification = &instance.specification;
    json!({
        "id": instance.id, "displayName": instance.display_name, "compartmentId": specification["compartmentId"],
        "freeformTags": instance.freeform_tags,
        "definedTags": defined_tags(shared, instance),
        "systemTags": {}, "availabilityDomain": specification["availabilityDomain"], "faultDomain": "FAULT-DOMAIN-1",
        "lifecycleState": instance.lifecycle, "lifecycleDetails": instance.details,
        "timeCreated": stamp(instance.created), "timeUpdated": stamp(instance.created),
        "shape": specification["shape"],
        "shapeConfig": {
            "ocpus": specification["shapeConfig"]["ocpus"],
            "memoryInGBs": specification["shapeConfig"].get("memoryInGBs").cloned().unwrap_or_else(|| json!(16)),
            "processorDescription": "a loopback address", "networkingBandwidthInGbps": 1.0,
        },
        "containerCount": instance.containers.len(),
        "volumeCount": specification["volumes"].as_array().map_or(0, Vec::len),
        "gracefulShutdownTimeoutInSeconds":
            specification.get("gracefulShutdownTimeoutInSeconds").cloned().unwrap_or_else(|| json!(30)),
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

fn shapes(shared: &Shared, request: &Request) -> Reply {
    let shapes = ["CI.Standard.E3.Flex", "CI.Standard.E4.Flex", "CI.Standard.A1.Flex"].map(|name| {
        json!({"name": name, "processorDescription": "a loopback address", "ocpuOptions": {"min": 1.0, "max": 64.0},
            "memoryOptions": {"minInGBs": 1.0, "maxInGBs": 1024.0}})
    });
    collection(request, shapes.to_vec(), shared.page_size)
}
