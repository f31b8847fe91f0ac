//! Load balancers: their API (OCI.md 1.4) over the state. Changes are only accepted here; `changes` does them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::apply::flags_of;
use super::changes::{accept, spent_token};
use super::healths::{self, Verdicts};
use super::{balancer_work, check_version};
use crate::sandbox::habits::{IfMatch, Replay};
use crate::sandbox::server::Shared;
use crate::sandbox::state::{
    Backend, BackendSet, Balancer, BalancerWork, COMPARTMENT, Change, SUBNET, State,
};
use crate::sandbox::wire::{Reply, Request, array, stamp};

pub(super) fn answer(shared: &Arc<Shared>, request: &Request, method: &str, path: &[&str]) -> Option<Reply> {
    let reply = match (method, path) {
        ("GET", ["loadBalancers"]) => list(shared, request),
        ("POST", ["loadBalancers"]) => create(shared, request),
        ("GET", ["loadBalancerWorkRequests", id]) => balancer_work::get(shared, id),
        ("GET", ["loadBalancerHealths"]) => healths::list(shared, request),
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
        if is_version_compared_now(&state, request)
            && let Err(refusal) = check_version(request, &etag(balancer))
        {
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

/// Otherwise it is compared when the change has its turn, or not at all, since its token may have been used.
fn is_version_compared_now(state: &State, request: &Request) -> bool {
    let is_replayed = || {
        let token = request.header("opc-retry-token");
        token.is_some_and(|token| state.tokens.contains_key(&spent_token(token)))
    };
    match (state.habits.if_match, state.habits.token_replay) {
        (IfMatch::Applied, _) => false,
        (IfMatch::Accepted, Replay::Original) => true,
        (IfMatch::Accepted, Replay::BeforeVersion | Replay::Refused) => !is_replayed(),
    }
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
    if path == ["workRequests"] {
        return Some(balancer_work::list(shared, &state, request, id));
    }
    let Some(balancer) = state.shown_balancers().get(id).filter(|balancer| !balancer.is_deleted) else {
        return Some(Reply::not_found());
    };
    let verdicts = Verdicts { habits: &state.habits, balancer };
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
        ["backendSets"] => {
            let sets = balancer.sets.iter().map(|(name, set)| set_body(name, set)).collect();
            return Some(array(request, sets, usize::MAX));
        }
        ["health"] => Some(verdicts.of_all()),
        ["backendSets", name] => set(name).map(|(name, set)| set_body(name, set)),
        ["backendSets", name, "health"] => set(name).map(|(name, set)| verdicts.of_set(name, set)),
        ["backendSets", name, "healthChecker"] => set(name).map(|(_, set)| set.body["healthChecker"].clone()),
        ["backendSets", name, "backends"] => {
            let Some((_, set)) = set(name) else { return Some(Reply::not_found()) };
            return Some(array(request, set.backends.iter().map(backend_body).collect(), usize::MAX));
        }
        ["backendSets", name, "backends", backend] => find(balancer, name, backend).map(backend_body),
        ["backendSets", name, "backends", backend, "health"] => {
            let found = set(name).zip(find(balancer, name, backend));
            found.map(|((name, set), backend)| verdicts.of_backend(name, set, backend))
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
        .shown_balancers()
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

fn lifecycle(balancer: &Balancer) -> &'static str {
    let is_being_made =
        |work: &BalancerWork| work.finished.is_none() && matches!(work.change, Change::Create);
    if balancer.is_deleted {
        "DELETED"
    } else if balancer.work.iter().any(is_being_made) {
        "CREATING"
    } else {
        "ACTIVE"
    }
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
        "displayName": head["displayName"], "lifecycleState": lifecycle(balancer),
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

fn names(shared: &Shared, request: &Request, names: &[&str]) -> Reply {
    array(request, names.iter().map(|name| json!({"name": name})).collect(), shared.page_size)
}
