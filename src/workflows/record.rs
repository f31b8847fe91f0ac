//! Records an instance so that it can be created again after it was deleted.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{World, failure};
use crate::config::CLOUDS_NAMESPACE;
use crate::engine::Cx;
use crate::oci::printable;
use crate::run::Failure;

/// The fields that an instance and a create request have in common.
const COPIED: [&str; 10] = [
    "displayName",
    "compartmentId",
    "availabilityDomain",
    "faultDomain",
    "shape",
    "volumes",
    "dnsConfig",
    "gracefulShutdownTimeoutInSeconds",
    "containerRestartPolicy",
    "securityContext",
];
/// The fields that a container and a create request have in common.
const COPIED_OF_CONTAINERS: [&str; 10] = [
    "displayName",
    "imageUrl",
    "command",
    "arguments",
    "workingDirectory",
    "environmentVariables",
    "volumeMounts",
    "isResourcePrincipalDisabled",
    "resourceConfig",
    "securityContext",
];
/// The other fields of either: they are copied in another way, or the cloud sets them (docs/oci.md A.1).
const NOT_COPIED: [&str; 23] = [
    "availabilityDomain",
    "compartmentId",
    "containerCount",
    "containerInstanceId",
    "containerRestartAttemptCount",
    "containers",
    "definedTags",
    "exitCode",
    "faultDomain",
    "freeformTags",
    "healthChecks",
    "id",
    "imagePullSecrets",
    "lifecycleDetails",
    "lifecycleState",
    "shapeConfig",
    "systemTags",
    "tenantId",
    "timeCreated",
    "timeTerminated",
    "timeUpdated",
    "vnics",
    "volumeCount",
];

/// The record of an instance.
pub(super) struct Recorded {
    /// The create request that makes it again.
    pub(super) specification: Value,
    /// Fields that this version does not know. An instance that is created again would lack them.
    pub(super) unknown: BTreeSet<String>,
}

/// Records an existing instance (docs/oci.md 5): the cloud's answer without the fields that the cloud adds, and with the
/// details of the containers and the network cards.
pub(super) async fn of(
    cx: &Cx<'_, World>,
    instance: &Value,
    cards: &[Value],
    pull_secrets: &[Value],
) -> Result<Recorded, Failure> {
    const DOING: &str = "recording the instance to replace";
    let api = cx.world.oci.container_instances();
    let mut body = copied(instance, &COPIED);
    let mut unknown = unknown_of(instance, &COPIED);
    let shape = copied(&instance["shapeConfig"], &["ocpus", "memoryInGBs"]);
    body.insert("shapeConfig".to_owned(), Value::Object(shape));
    insert_tags(&mut body, instance);
    // An instance that failed or was deleted may have lost its parts.
    let is_lost = || std::future::ready(Ok(instance["lifecycleState"] != "ACTIVE"));
    let mut containers = Vec::new();
    for container in instance["containers"].as_array().into_iter().flatten() {
        let id = container["containerId"].as_str().unwrap_or_default();
        let read = failure::look_unless(cx, DOING, || api.container_raw(id), is_lost);
        let Some(fields) = read.await?.map(|answer| answer.value) else { continue };
        let mut container = copied(&fields, &COPIED_OF_CONTAINERS);
        unknown.extend(unknown_of(&fields, &COPIED_OF_CONTAINERS));
        let checks: Vec<Value> =
            fields["healthChecks"].as_array().into_iter().flatten().map(health_check).collect();
        if !checks.is_empty() {
            container.insert("healthChecks".to_owned(), checks.into());
        }
        insert_tags(&mut container, &fields);
        containers.push(Value::Object(container));
    }
    body.insert("containers".to_owned(), containers.into());
    let mut vnics = Vec::new();
    for vnic in cards {
        let mut card =
            copied(vnic, &["subnetId", "displayName", "hostnameLabel", "nsgIds", "skipSourceDestCheck"]);
        insert_tags(&mut card, vnic);
        card.insert("isPublicIpAssigned".to_owned(), vnic["publicIp"].is_string().into());
        vnics.push(Value::Object(card));
    }
    body.insert("vnics".to_owned(), vnics.into());
    let secrets: Vec<Value> = instance["imagePullSecrets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|secret| with_credentials(secret, pull_secrets))
        .collect();
    if !secrets.is_empty() {
        body.insert("imagePullSecrets".to_owned(), secrets.into());
    }
    Ok(Recorded { specification: without_nulls(Value::Object(body)), unknown })
}

fn unknown_of(fields: &Value, copied: &[&str]) -> BTreeSet<String> {
    let is_known = |name: &str| copied.contains(&name) || NOT_COPIED.contains(&name);
    let fields = fields.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| !value.is_null() && !is_known(name))
        .map(|(name, _)| printable(name))
        .collect()
}

fn copied(from: &Value, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), from.get(name)?.clone()))).collect()
}

/// Freeform tags, and defined tags except those that the cloud adds by itself and refuses in requests.
fn insert_tags(body: &mut Map<String, Value>, from: &Value) {
    if let Some(tags) = from.get("freeformTags").and_then(Value::as_object).filter(|tags| !tags.is_empty()) {
        body.insert("freeformTags".to_owned(), Value::Object(tags.clone()));
    }
    if let Some(tags) = from.get("definedTags").and_then(Value::as_object) {
        let theirs: Map<String, Value> = tags
            .iter()
            .filter(|(namespace, _)| *namespace != CLOUDS_NAMESPACE)
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        if !theirs.is_empty() {
            body.insert("definedTags".to_owned(), Value::Object(theirs));
        }
    }
}

fn health_check(check: &Value) -> Value {
    let mut check = check.clone();
    if let Some(fields) = check.as_object_mut() {
        // The verdict, not the check.
        fields.remove("status");
        fields.remove("statusDetails");
    }
    check
}

/// A pull secret as a create request needs it. The cloud never shows the credentials of a BASIC one, so the new deployment's
/// credentials for the same registry replace them.
fn with_credentials(secret: &Value, known: &[Value]) -> Value {
    let same = |one: &&Value| one["registryEndpoint"] == secret["registryEndpoint"];
    match (secret["secretType"].as_str(), known.iter().find(same)) {
        (Some("BASIC"), Some(known)) => known.clone(),
        (Some(_) | None, _) => secret.clone(),
    }
}

/// Whether an instance can be created again from `specification`; if not, what is missing.
pub(super) fn missing_to_recreate(specification: &Value) -> Option<String> {
    let is_empty = |name: &str| specification[name].as_array().is_none_or(Vec::is_empty);
    if let Some(name) = ["containers", "vnics"].into_iter().find(|name| is_empty(name)) {
        return Some(format!("its {name} cannot be read"));
    }
    let secrets = specification["imagePullSecrets"].as_array().into_iter().flatten();
    secrets
        .filter(|secret| secret["secretType"] == "BASIC" && secret["password"].is_null())
        .map(|secret| {
            let registry = secret["registryEndpoint"].as_str().unwrap_or("a registry");
            format!("its pull secret for {registry} is not known, nor in ci-config")
        })
        .next()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_tags_that_the_cloud_adds_are_not_sent_back() {
        let mut body = Map::new();
        let theirs = json!({"Oracle-Tags": {"CreatedBy": "ann"}, "Operations": {"CostCenter": 42}});
        insert_tags(&mut body, &json!({"freeformTags": {"env": "prod"}, "definedTags": theirs}));
        let expected =
            json!({"freeformTags": {"env": "prod"}, "definedTags": {"Operations": {"CostCenter": 42}}});
        assert_eq!(Value::Object(body), expected);
    }
}
