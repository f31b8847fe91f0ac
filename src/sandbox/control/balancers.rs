//! Load balancers: their API (OCI.md 1.4) over the state. Changes are only accepted here; `changes` does them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::changes::{accept, flags_of};
use super::check_version;
use crate::sandbox::server::Shared;
use crate::sandbox::state::{
    Backend, BackendSet, Balancer, BalancerWork, COMPARTMENT, Change, Health, SUBNET,
};
use crate::sandbox::wire::{Reply, Request, array, stamp};

pub(super) fn answer(shared: &Arc<Shared>, request: &Request, method: &str, path: &[&str]) -> Option<Reply> {
    let reply = match (method, path) {
        ("GET", ["loadBalancers"]) => list(shared, request),
        ("POST", ["loadBalancers"]) => create(shared, request),
        ("GET", ["loadBalancerWorkRequests", id]) => work_request(shared, id),
        ("GET", ["loadBalancerHealths"]) => healths(shared, request),
        ("GET", ["loadBalancerPolicies"]) => {
            names(shared, request, &["ROUND_ROBIN", "LEAST_CONNECTIONS", "IP_HASH"])
        }
        ("GET", ["loadBalancerProtocols"]) => names(shared, request, &["HTTP", "TCP"]),
        ("GET", ["loadBalancerShapes"]) => names(shared, request, &["flexible"]),
        (_, ["loadBalancers", id, rest @ ..]) => return of_one(shared, request, method, id, rest),
        _ => return None,
    };
    Some(reply)
}

fn of_one(shared: &Arc<Shared>, request: &Request, method: &str, id: &str, path: &[&str]) -> Option<Reply> {
    if method == "GET" {
        return read(shared, request, id, path);
    }
    {
        let state = shared.state();
        let Some(balancer) = state.balancers.get(id).filter(|balancer| !balancer.is_deleted) else {
            return Some(Reply::not_found());
        };
        if let Err(refusal) = check_version(request, &etag(balancer)) {
            return Some(refusal);
        }
        if let Err(refusal) = check_parts(balancer, method, path) {
            return Some(refusal);
        }
    }
    let change = match change(request, method, path)? {
        Ok(change) => change,
        Err(refusal) => return Some(refusal),
    };
    Some(accept(shared, request, id, change))
}

/// What is to be changed must be there; what is to be made is only found to be there when its turn comes.
fn check_parts(balancer: &Balancer, method: &str, path: &[&str]) -> Result<(), Reply> {
    let ["backendSets", set, rest @ ..] = path else { return Ok(()) };
    let set = balancer.sets.get(*set).ok_or_else(Reply::not_found)?;
    match (method, rest) {
        ("PUT" | "DELETE", ["backends", name])
            if !set.backends.iter().any(|backend| backend.name() == **name) =>
        {
            Err(Reply::not_found())
        }
        _ => Ok(()),
    }
}

fn change(request: &Request, method: &str, path: &[&str]) -> Option<Result<Change, Reply>> {
    let body = &request.body;
    let change = match (method, path) {
        ("DELETE", []) => Change::Delete,
        ("POST", ["backendSets"]) => match body["name"].as_str() {
            Some(name) if body["policy"].is_string() && body["healthChecker"].is_object() => {
                Change::CreateSet { name: name.to_owned(), body: body.clone() }
            }
            Some(_) | None => {
                return Some(Err(Reply::invalid("name, policy and healthChecker are required")));
            }
        },
        ("PUT", ["backendSets", set]) => Change::UpdateSet { name: (*set).to_owned(), body: body.clone() },
        ("DELETE", ["backendSets", set]) => Change::DeleteSet { name: (*set).to_owned() },
        ("PUT", ["backendSets", set, "healthChecker"]) => {
            Change::UpdateChecker { set: (*set).to_owned(), body: body.clone() }
        }
        ("POST", ["backendSets", set, "backends"]) => match backend(body) {
            Ok(backend) => Change::CreateBackend { set: (*set).to_owned(), backend },
            Err(refusal) => return Some(Err(refusal)),
        },
        ("PUT", ["backendSets", set, "backends", name]) => {
            let required = ["weight", "backup", "drain", "offline"];
            if let Some(missing) = required.iter().find(|name| body.get(**name).is_none_or(Value::is_null)) {
                return Some(Err(Reply::error(400, "MissingParameter", format!("{missing} is missing"))));
            }
            if let Err(refusal) = flags_of(body) {
                return Some(Err(refusal));
            }
            Change::UpdateBackend { set: (*set).to_owned(), name: (*name).to_owned(), flags: body.clone() }
        }
        ("DELETE", ["backendSets", set, "backends", name]) => {
            Change::DeleteBackend { set: (*set).to_owned(), name: (*name).to_owned() }
        }
        ("POST", ["listeners"]) => match body["name"].as_str() {
            Some(name) => Change::CreateListener { name: name.to_owned(), body: body.clone() },
            None => return Some(Err(Reply::invalid("name is required"))),
        },
        ("DELETE", ["listeners", name]) => Change::DeleteListener { name: (*name).to_owned() },
        _ => return None,
    };
    Some(Ok(change))
}

fn backend(body: &Value) -> Result<Backend, Reply> {
    let ip = body["ipAddress"].as_str().filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    let port = body["port"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let (Some(ip), Some(port)) = (ip, port) else {
        return Err(Reply::invalid("ipAddress and port are required, and must be an address and a port"));
    };
    Ok(Backend { ip: ip.to_owned(), port, ..flags_of(body)? })
}

fn read(shared: &Shared, request: &Request, id: &str, path: &[&str]) -> Option<Reply> {
    let state = shared.state();
    let Some(balancer) = state.balancers.get(id).filter(|balancer| !balancer.is_deleted) else {
        return Some(Reply::not_found());
    };
    let mut tag = etag(balancer);
    let set = |name: &str| balancer.sets.get_key_value(name);
    let found = match path {
        [] => {
            let (body, its_tag) = match balancer.before.clone().filter(|_| request.is_stale) {
                Some(before) => before,
                None => (body(balancer), tag),
            };
            tag = its_tag;
            Some(body)
        }
        ["workRequests"] => {
            let work = balancer.work.iter().rev().map(|work| work_body(balancer, work)).collect();
            return Some(array(request, work, shared.page_size));
        }
        ["backendSets"] => {
            let sets = balancer.sets.iter().map(|(name, set)| set_body(name, set)).collect();
            return Some(array(request, sets, usize::MAX));
        }
        ["health"] => Some(balancer_health(balancer)),
        ["backendSets", name] => set(name).map(|(name, set)| set_body(name, set)),
        ["backendSets", name, "health"] => set(name).map(|(name, set)| set_health(balancer, name, set)),
        ["backendSets", name, "healthChecker"] => set(name).map(|(_, set)| set.body["healthChecker"].clone()),
        ["backendSets", name, "backends"] => {
            let Some((_, set)) = set(name) else { return Some(Reply::not_found()) };
            return Some(array(request, set.backends.iter().map(backend_body).collect(), usize::MAX));
        }
        ["backendSets", name, "backends", backend] => find(balancer, name, backend).map(backend_body),
        ["backendSets", name, "backends", backend, "health"] => {
            find(balancer, name, backend).map(|backend| health_body(balancer, name, backend))
        }
        _ => return None,
    };
    Some(match found {
        Some(found) => Reply::json(200, &found).with("etag", tag),
        None => Reply::not_found(),
    })
}

fn find<'b>(balancer: &'b Balancer, set: &str, name: &str) -> Option<&'b Backend> {
    balancer.sets.get(set)?.backends.iter().find(|backend| backend.name() == name)
}

fn list(shared: &Shared, request: &Request) -> Reply {
    let Some(compartment) = request.query("compartmentId") else {
        return Reply::error(400, "MissingParameter", "compartmentId is missing");
    };
    let state = shared.state();
    let found = state
        .balancers
        .values()
        .filter(|balancer| !balancer.is_deleted && balancer.head["compartmentId"] == compartment)
        .filter(|balancer| {
            request.query("displayName").is_none_or(|name| balancer.head["displayName"] == name)
        })
        .map(body);
    array(request, found.collect(), shared.page_size)
}

fn create(shared: &Arc<Shared>, request: &Request) -> Reply {
    let id = shared.change(|state| {
        let id = state.ocid("loadbalancer");
        let mut head = request.body.clone();
        let taken = |head: &mut Value, name: &str| head.as_object_mut().and_then(|head| head.remove(name));
        let sets = taken(&mut head, "backendSets");
        let listeners = taken(&mut head, "listeners");
        let entries = |map: Option<Value>| map.and_then(|map| map.as_object().cloned()).unwrap_or_default();
        let sets = entries(sets).into_iter().map(|(name, body)| {
            let backends =
                body["backends"].as_array().into_iter().flatten().filter_map(|one| backend(one).ok());
            (name, BackendSet { backends: backends.collect(), body })
        });
        let listeners = entries(listeners).into_iter().map(|(name, mut body)| {
            body["name"] = json!(name);
            (name, crate::sandbox::state::Listener { body, port: 0 })
        });
        let balancer = Balancer {
            id: id.clone(),
            head,
            sets: sets.collect(),
            listeners: listeners.collect(),
            version: 1,
            work: Vec::new(),
            created: shared.now(),
            is_deleted: false,
            before: None,
        };
        state.balancers.insert(id.clone(), balancer);
        id
    });
    accept(shared, request, &id, Change::Create)
}

pub(super) fn etag(balancer: &Balancer) -> String {
    format!("{:x}-lb-{:08x}", balancer.created.timestamp(), balancer.version)
}

fn backend_body(backend: &Backend) -> Value {
    json!({
        "name": backend.name(), "ipAddress": backend.ip, "port": backend.port, "weight": backend.weight,
        "maxConnections": backend.max_connections, "drain": backend.drain, "backup": backend.backup,
        "offline": backend.offline,
    })
}

fn set_body(name: &str, set: &BackendSet) -> Value {
    json!({
        "name": name, "policy": set.body["policy"], "backendMaxConnections": set.body.get("backendMaxConnections"),
        "backends": set.backends.iter().map(backend_body).collect::<Vec<_>>(),
        "healthChecker": set.body["healthChecker"], "sslConfiguration": null,
        "sessionPersistenceConfiguration": set.body.get("sessionPersistenceConfiguration"),
        "lbCookieSessionPersistenceConfiguration": set.body.get("lbCookieSessionPersistenceConfiguration"),
    })
}

pub(in crate::sandbox) fn body(balancer: &Balancer) -> Value {
    let head = &balancer.head;
    let sets: serde_json::Map<String, Value> =
        balancer.sets.iter().map(|(name, set)| (name.clone(), set_body(name, set))).collect();
    let listeners: serde_json::Map<String, Value> =
        balancer.listeners.iter().map(|(name, listener)| (name.clone(), listener.body.clone())).collect();
    json!({
        "id": balancer.id, "compartmentId": head.get("compartmentId").cloned().unwrap_or_else(|| json!(COMPARTMENT)),
        "displayName": head["displayName"], "lifecycleState": if balancer.is_deleted { "DELETED" } else { "ACTIVE" },
        "timeCreated": stamp(balancer.created), "ipAddresses": [{"ipAddress": "127.0.0.1", "isPublic": false}],
        "shapeName": head["shapeName"], "shapeDetails": head.get("shapeDetails"),
        "isPrivate": head.get("isPrivate").cloned().unwrap_or_else(|| json!(false)),
        "isDeleteProtectionEnabled": false, "isRequestIdEnabled": false, "subnetIds": [SUBNET],
        "networkSecurityGroupIds": [], "listeners": listeners, "hostnames": {}, "sslCipherSuites": {},
        "certificates": {}, "pathRouteSets": {}, "routingPolicies": {}, "ruleSets": {}, "backendSets": sets,
        "freeformTags": head.get("freeformTags").cloned().unwrap_or_else(|| json!({})), "definedTags": {},
        "systemTags": {}, "ipMode": "IPV4",
    })
}

fn has_listener(balancer: &Balancer, set: &str) -> bool {
    balancer.listeners.values().any(|listener| listener.set() == set)
}

/// One word for a backend: what both checking nodes say (OCI.md 2.5).
fn status(balancer: &Balancer, set: &str, backend: &Backend) -> &'static str {
    match backend.health.is_well {
        _ if !has_listener(balancer, set) => "UNKNOWN",
        None => "UNKNOWN",
        Some(true) => "OK",
        Some(false) => "CRITICAL",
    }
}

fn health_body(balancer: &Balancer, set: &str, backend: &Backend) -> Value {
    let Health { last, at, .. } = &backend.health;
    let seen = if backend.offline { Some("OFFLINE") } else { last.map(|(_, seen)| seen) };
    let results: Vec<Value> = ["127.0.0.9", "127.0.0.10"]
        .iter()
        .filter_map(|node| {
            Some(json!({"subnetId": SUBNET, "sourceIpAddress": node, "healthCheckStatus": seen?,
                "timestamp": at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, false))}))
        })
        .collect();
    json!({"status": status(balancer, set, backend), "healthCheckResults": results})
}

fn set_health(balancer: &Balancer, name: &str, set: &BackendSet) -> Value {
    let with = |wanted: &str| -> Vec<String> {
        set.backends.iter().filter(|one| status(balancer, name, one) == wanted).map(Backend::name).collect()
    };
    let (critical, unknown, n) = (with("CRITICAL"), with("UNKNOWN"), set.backends.len());
    let n_ok = n - critical.len() - unknown.len();
    let status = match () {
        () if n == 0 || !has_listener(balancer, name) || unknown.len() * 2 > n => "UNKNOWN",
        () if n_ok == n => "OK",
        () if n_ok * 2 >= n => "WARNING",
        () => "CRITICAL",
    };
    json!({
        "status": status, "warningStateBackendNames": [], "criticalStateBackendNames": critical,
        "unknownStateBackendNames": unknown, "totalBackendCount": n,
    })
}

fn balancer_health(balancer: &Balancer) -> Value {
    let with = |wanted: &str| -> Vec<&String> {
        balancer
            .sets
            .iter()
            .filter(|(name, set)| set_health(balancer, name, set)["status"] == wanted)
            .map(|(name, _)| name)
            .collect()
    };
    let (warning, critical, unknown) = (with("WARNING"), with("CRITICAL"), with("UNKNOWN"));
    let status = match (critical.is_empty(), warning.is_empty(), unknown.len() * 2 > balancer.sets.len()) {
        (false, _, _) => "CRITICAL",
        (true, _, true) => "UNKNOWN",
        (true, false, false) => "WARNING",
        (true, true, false) => "OK",
    };
    json!({
        "status": status, "warningStateBackendSetNames": warning, "criticalStateBackendSetNames": critical,
        "unknownStateBackendSetNames": unknown, "totalBackendSetCount": balancer.sets.len(),
    })
}

fn healths(shared: &Shared, request: &Request) -> Reply {
    let state = shared.state();
    let all = state.balancers.values().filter(|balancer| !balancer.is_deleted);
    let healths = all.map(|one| json!({"loadBalancerId": one.id, "status": balancer_health(one)["status"]}));
    array(request, healths.collect(), shared.page_size)
}

fn names(shared: &Shared, request: &Request, names: &[&str]) -> Reply {
    array(request, names.iter().map(|name| json!({"name": name})).collect(), shared.page_size)
}

fn work_request(shared: &Shared, id: &str) -> Reply {
    let state = shared.state();
    let found = state.balancers.values().find_map(|balancer| {
        balancer.work.iter().find(|work| work.id == id).map(|work| work_body(balancer, work))
    });
    match found {
        Some(work) => Reply::json(200, &work),
        None => Reply::not_found(),
    }
}

/// The message is a JSON document in a string, as the service sends it (OCI.md 2.3).
fn work_body(balancer: &Balancer, work: &BalancerWork) -> Value {
    let message = json!({
        "loadBalancerId": balancer.id, "workflowName": format!("{}Workflow", work.kind),
        "type": if work.error.is_some() { "FAILURE" } else { "SUCCESS" },
        "message": work.error.as_ref().map_or("OK", |(_, message)| message), "workRequestId": work.id,
    });
    let errors: Vec<Value> =
        work.error.iter().map(|(code, message)| json!({"errorCode": code, "message": message})).collect();
    json!({
        "id": work.id, "loadBalancerId": balancer.id, "type": work.kind, "compartmentId": COMPARTMENT,
        "lifecycleState": work.state, "message": if work.finished.is_some() { message.to_string() } else { String::new() },
        "timeAccepted": stamp(work.accepted), "timeFinished": work.finished.map(stamp), "errorDetails": errors,
    })
}
