//! An instance as clients see it.

use serde_json::{Value, json};

use crate::sandbox::habits::{Deleted, Habits, Vnic};
use crate::sandbox::pace::{APPEAR, NOTICEABLE};
use crate::sandbox::shared::Shared;
use crate::sandbox::state::Instance;
use crate::sandbox::wire::stamp;

/// The states of an instance and of a container.
pub(super) const STATES: [&str; 7] =
    ["CREATING", "UPDATING", "ACTIVE", "INACTIVE", "DELETING", "DELETED", "FAILED"];

/// Whether clients see an instance, or its containers, at all.
pub(super) fn is_seen(habits: &Habits, instance: &Instance) -> bool {
    habits.deleted_instances == Deleted::Listed || instance.lifecycle != "DELETED"
}

pub(super) fn etag(instance: &Instance) -> String {
    format!("{:016x}{:08x}", instance.number, instance.version)
}

/// The network card is shown from the creation of its instance on, or with its instance (docs/oci.md 1.5), or a while later.
pub(super) fn has_vnic(shared: &Shared, habits: &Habits, instance: &Instance) -> bool {
    let is_late = || {
        let age = instance.active_since.and_then(|since| (shared.now() - since).to_std().ok());
        age.is_some_and(|age| age < shared.pace.scaled(APPEAR).max(NOTICEABLE))
    };
    match habits.vnic {
        Vnic::WithCreating => true,
        Vnic::WithActive => instance.lifecycle != "CREATING",
        Vnic::AfterActive => instance.lifecycle != "CREATING" && !is_late(),
    }
}

/// The defined tags that were asked for, with values as texts, and the cloud's own.
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

/// An entry of a list: without containers, VNICs and volumes (docs/oci.md 1.3).
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

pub(super) fn body(shared: &Shared, habits: &Habits, instance: &Instance) -> Value {
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
    // The credentials of a pull secret are never returned.
    let secrets = specification["imagePullSecrets"].as_array().into_iter().flatten().map(|secret| {
        let mut echoed =
            json!({"secretType": secret["secretType"], "registryEndpoint": secret["registryEndpoint"]});
        if secret["secretType"] == "VAULT" {
            echoed["secretId"] = secret["secretId"].clone();
        }
        echoed
    });
    body["imagePullSecrets"] = secrets.collect();
    // Fields that only a newer service knows are returned as they came.
    for (name, value) in specification.as_object().into_iter().flatten() {
        if body.get(name).is_none() {
            body[name] = value.clone();
        }
    }
    body
}
