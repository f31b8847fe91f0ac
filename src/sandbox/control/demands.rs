//! Checks that the service makes before it creates a container instance (docs/oci.md 5), and its checks of all tags and
//! names. Problems that it finds later appear only in the work request.

use serde_json::Value;

use super::listing::one_of;
use crate::sandbox::habits::{Habits, References};
use crate::sandbox::state::{AVAILABILITY_DOMAIN, SECURITY_GROUP, SUBNET, is_compartment};
use crate::sandbox::wire::Reply;

/// The shapes, with the most OCPUs and gigabytes of each.
pub(super) const SHAPES: [(&str, f64, f64); 3] = [
    ("CI.Standard.E3.Flex", 64.0, 1024.0),
    ("CI.Standard.E4.Flex", 64.0, 1024.0),
    ("CI.Standard.A1.Flex", 76.0, 488.0),
];
pub(super) const FAULT_DOMAINS: [&str; 3] = ["FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"];
const FREEFORM_MOST: usize = 10;
const DEFINED_MOST: usize = 64;
const TAG_KEY_LONGEST: usize = 100;
const TAG_VALUE_LONGEST: usize = 256;
const NAME_LONGEST: usize = 255;

/// The requests that the service refuses at once.
pub(super) fn instance(habits: &Habits, body: &Value) -> Result<(), Reply> {
    for name in ["compartmentId", "availabilityDomain", "shape"] {
        if !body[name].is_string() {
            return Err(Reply::missing(name));
        }
    }
    if !body["compartmentId"].as_str().is_some_and(is_compartment) {
        return Err(Reply::not_found());
    }
    let is_domain = body["availabilityDomain"] == AVAILABILITY_DOMAIN;
    if !is_domain {
        return Err(Reply::invalid(format!(
            "availabilityDomain {} does not exist",
            body["availabilityDomain"]
        )));
    }
    if let Some(domain) = body["faultDomain"].as_str() {
        one_of("faultDomain", domain, &FAULT_DOMAINS)?;
    }
    size(body)?;
    if let Some(policy) = body.get("containerRestartPolicy").filter(|policy| !policy.is_null()) {
        let policy = policy.as_str().unwrap_or_default();
        one_of("containerRestartPolicy", policy, &["ALWAYS", "NEVER", "ON_FAILURE"])?;
    }
    match body["vnics"].as_array().map(Vec::as_slice) {
        Some([vnic]) if vnic["subnetId"].is_string() => {}
        Some(_) | None => return Err(Reply::invalid("vnics must have exactly one entry with a subnetId")),
    }
    if !has_network(body) && habits.references == References::Refused {
        return Err(Reply::not_found());
    }
    if body["volumes"].as_array().is_some_and(|volumes| volumes.len() > 32) {
        return Err(Reply::invalid("volumes must have at most 32 entries"));
    }
    named(body)?;
    let containers = body["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() || containers.len() > 60 {
        return Err(Reply::invalid("containers must have 1 to 60 entries"));
    }
    containers.iter().try_for_each(container)
}

fn size(body: &Value) -> Result<(), Reply> {
    let shape = body["shape"].as_str().unwrap_or_default();
    let known = SHAPES.map(|(name, ..)| name);
    one_of("shape", shape, &known)?;
    let Some(ocpus) = body["shapeConfig"]["ocpus"].as_f64().filter(|ocpus| *ocpus > 0.0) else {
        return Err(Reply::missing("shapeConfig.ocpus"));
    };
    let memory = body["shapeConfig"]["memoryInGBs"].as_f64().unwrap_or_default();
    let most = SHAPES.iter().find(|(name, ..)| *name == shape);
    if let Some((_, ocpus_most, memory_most)) = most
        && (ocpus > *ocpus_most || memory > *memory_most)
    {
        return Err(Reply::invalid(format!(
            "{shape} has at most {ocpus_most} OCPUs and {memory_most} GB of memory"
        )));
    }
    Ok(())
}

fn container(container: &Value) -> Result<(), Reply> {
    if !container["imageUrl"].is_string() {
        return Err(Reply::missing("containers[].imageUrl"));
    }
    for check in container["healthChecks"].as_array().into_iter().flatten() {
        one_of("healthCheckType", check["healthCheckType"].as_str().unwrap_or_default(), &["HTTP", "TCP"])?;
    }
    named(container)
}

/// Whether the subnet and the security groups exist.
pub(super) fn has_network(body: &Value) -> bool {
    let vnic = &body["vnics"][0];
    let mut groups = vnic["nsgIds"].as_array().into_iter().flatten();
    vnic["subnetId"] == SUBNET && groups.all(|group| group == SECURITY_GROUP)
}

/// The checks of every resource that has a name and tags.
pub(super) fn named(body: &Value) -> Result<(), Reply> {
    let name = body["displayName"].as_str().unwrap_or_default();
    if name.chars().count() > NAME_LONGEST {
        return Err(Reply::invalid(format!("displayName must have at most {NAME_LONGEST} characters")));
    }
    let freeform = object(body, "freeformTags")?;
    if freeform.len() > FREEFORM_MOST {
        let n = freeform.len();
        return Err(Reply::invalid(format!(
            "freeformTags has {n} entries, at most {FREEFORM_MOST} are allowed"
        )));
    }
    for (key, value) in &freeform {
        if !value.is_string() {
            return Err(Reply::invalid(format!("freeformTags.{key} must be a text")));
        }
        tag(key, value)?;
    }
    let mut n_defined = 0;
    for (space, tags) in object(body, "definedTags")? {
        let Some(tags) = tags.as_object() else {
            return Err(Reply::invalid(format!("definedTags.{space} must be a map")));
        };
        n_defined += tags.len();
        tags.iter().try_for_each(|(key, value)| tag(key, value))?;
    }
    if n_defined > DEFINED_MOST {
        return Err(Reply::invalid(format!(
            "definedTags has {n_defined} entries, at most {DEFINED_MOST} are allowed"
        )));
    }
    Ok(())
}

fn object(body: &Value, name: &str) -> Result<serde_json::Map<String, Value>, Reply> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(serde_json::Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(Reply::invalid(format!("{name} must be a map"))),
    }
}

fn tag(key: &str, value: &Value) -> Result<(), Reply> {
    let n_key = key.chars().count();
    let n_value = value.as_str().map_or(0, |value| value.chars().count());
    if (1..=TAG_KEY_LONGEST).contains(&n_key) && n_value <= TAG_VALUE_LONGEST {
        return Ok(());
    }
    Err(Reply::invalid(format!(
        "a tag's key must have 1 to {TAG_KEY_LONGEST} characters and its value at most {TAG_VALUE_LONGEST}: \
         {n_key} and {n_value} were given"
    )))
}
