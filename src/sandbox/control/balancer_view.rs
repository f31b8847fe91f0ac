//! A load balancer as clients see it.

use serde_json::{Value, json};

use crate::sandbox::state::{Backend, BackendSet, Balancer, BalancerWork, COMPARTMENT, Change, SUBNET};
use crate::sandbox::wire::stamp;

pub(super) fn etag(balancer: &Balancer) -> String {
    format!("{:x}-lb-{:08x}", balancer.created.timestamp(), balancer.version)
}

pub(super) fn lifecycle(balancer: &Balancer) -> &'static str {
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

pub(super) fn backend_body(backend: &Backend) -> Value {
    json!({
        "name": backend.name(), "ipAddress": backend.ip, "port": backend.port, "weight": backend.weight,
        "maxConnections": backend.max_connections, "drain": backend.drain, "backup": backend.backup,
        "offline": backend.offline,
    })
}

pub(super) fn set_body(name: &str, set: &BackendSet) -> Value {
    let mut body = json!({
        "name": name, "policy": set.body["policy"], "backendMaxConnections": null,
        "backends": set.backends.iter().map(backend_body).collect::<Vec<_>>(),
        "healthChecker": set.body["healthChecker"], "sslConfiguration": null,
        "sessionPersistenceConfiguration": null, "lbCookieSessionPersistenceConfiguration": null,
    });
    // Also fields that only a newer service knows.
    for (field, value) in set.body.as_object().into_iter().flatten() {
        if body[field.as_str()].is_null() {
            body[field.as_str()] = value.clone();
        }
    }
    body
}

pub(in crate::sandbox) fn body(balancer: &Balancer) -> Value {
    let head = &balancer.head;
    let sets: serde_json::Map<String, Value> =
        balancer.sets.iter().map(|(name, set)| (name.clone(), set_body(name, set))).collect();
    let listeners: serde_json::Map<String, Value> =
        balancer.listeners.iter().map(|(name, listener)| (name.clone(), listener.body.clone())).collect();
    let head_or = |name: &str, otherwise: Value| head.get(name).cloned().unwrap_or(otherwise);
    json!({
        "id": balancer.id, "compartmentId": head_or("compartmentId", json!(COMPARTMENT)),
        "displayName": head["displayName"], "lifecycleState": lifecycle(balancer),
        "timeCreated": stamp(balancer.created), "ipAddresses": [{"ipAddress": "127.0.0.1", "isPublic": false}],
        "shapeName": head["shapeName"], "shapeDetails": head.get("shapeDetails"),
        "isPrivate": head_or("isPrivate", json!(false)),
        "isDeleteProtectionEnabled": head_or("isDeleteProtectionEnabled", json!(false)),
        "isRequestIdEnabled": head_or("isRequestIdEnabled", json!(false)), "subnetIds": [SUBNET],
        "networkSecurityGroupIds": head_or("networkSecurityGroupIds", json!([])), "listeners": listeners, "hostnames": {}, "sslCipherSuites": {},
        "certificates": {}, "pathRouteSets": {}, "routingPolicies": {}, "ruleSets": {}, "backendSets": sets,
        "freeformTags": head_or("freeformTags", json!({})), "definedTags": head_or("definedTags", json!({})),
        "systemTags": {}, "ipMode": head_or("ipMode", json!("IPV4")),
    })
}
