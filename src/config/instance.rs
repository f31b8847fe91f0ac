//! The new instance: what the table cannot say about its specification, and what of it may be shown.

use serde_json::Value;

use super::node::Node;
use super::problem::Problem;
use super::schema::INSTANCE;
use super::shape::Shaper;
use crate::run::MASK;

const CONTAINERS_LIMIT: usize = 60;
const VOLUMES_LIMIT: usize = 32;
/// A resource takes ten freeform tags (OCI.md section 5), and we add four of our own.
const TAGS_LIMIT: usize = 6;

/// The specification in the words of the wire, with every problem found.
pub(super) fn specification(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Value {
    let before = problems.len();
    let instance = Shaper { problems }.model(node, path, &INSTANCE);
    // The parts are looked at together only when each is right.
    if problems.len() == before {
        check_counts(node, &instance, path, problems);
        check_mounts(node, &instance, path, problems);
    }
    instance
}

fn check_counts(node: &Node, instance: &Value, path: &str, problems: &mut Vec<Problem>) {
    let mut check = |name: &str, lowest: usize, most: usize| {
        let n = instance[name].as_array().map_or(0, Vec::len);
        if !(lowest..=most).contains(&n) {
            let expected =
                if lowest == most { format!("exactly {most}") } else { format!("{lowest} to {most}") };
            let at = node.get(name).unwrap_or(node);
            problems
                .push(at.problem(&format!("{path}.{name}"), format!("has {n} entries, expected {expected}")));
        }
    };
    check("containers", 1, CONTAINERS_LIMIT);
    check("vnics", 1, 1);
    check("volumes", 0, VOLUMES_LIMIT);
    let n_tags = instance["freeformTags"].as_object().map_or(0, serde_json::Map::len);
    if n_tags > TAGS_LIMIT {
        let at = node.get("freeformTags").unwrap_or(node);
        let message =
            format!("has {n_tags} tags, expected at most {TAGS_LIMIT}: OCI takes 10, and deployctl adds 4");
        problems.push(at.problem(&format!("{path}.freeform-tags"), message));
    }
}

fn check_mounts(node: &Node, instance: &Value, path: &str, problems: &mut Vec<Problem>) {
    let volumes = instance["volumes"].as_array().into_iter().flatten();
    let names: Vec<&str> = volumes.filter_map(|volume| volume["name"].as_str()).collect();
    for (n, name) in names.iter().enumerate() {
        if names[..n].contains(name) {
            problems
                .push(node.problem(&format!("{path}.volumes[{n}].name"), format!("`{name}` is there twice")));
        }
    }
    for (n, container) in instance["containers"].as_array().into_iter().flatten().enumerate() {
        for (m, mount) in container["volumeMounts"].as_array().into_iter().flatten().enumerate() {
            let name = mount["volumeName"].as_str().unwrap_or_default();
            if !names.contains(&name) {
                let place = format!("{path}.containers[{n}].volume-mounts[{m}].volume-name");
                problems.push(node.problem(&place, format!("there is no volume `{name}`")));
            }
        }
    }
}

/// A specification as it may be shown: environment values, the headers of health checks, pull secrets and
/// configuration files are masked, and whatever else is one of `secrets`.
pub fn masked_instance(instance: &Value, secrets: &[String]) -> Value {
    let mut shown = instance.clone();
    mask_values(&mut shown, secrets);
    let mask = |value: &mut Value| *value = Value::from(MASK);
    for container in array(&mut shown, "containers") {
        if let Some(variables) = container.get_mut("environmentVariables").and_then(Value::as_object_mut) {
            variables.values_mut().for_each(mask);
        }
        for check in array(container, "healthChecks") {
            for header in array(check, "headers") {
                if let Some(value) = header.get_mut("value") {
                    mask(value);
                }
            }
        }
    }
    for secret in array(&mut shown, "imagePullSecrets") {
        for name in ["username", "password"] {
            if let Some(value) = secret.get_mut(name) {
                mask(value);
            }
        }
    }
    for volume in array(&mut shown, "volumes") {
        for file in array(volume, "configs") {
            if let Some(data) = file.get_mut("data") {
                mask(data);
            }
        }
    }
    shown
}

fn mask_values(value: &mut Value, secrets: &[String]) {
    let is_secret = |text: &str| !text.is_empty() && secrets.iter().any(|secret| secret == text);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask_values(item, secrets)),
        Value::Object(map) => map.values_mut().for_each(|item| mask_values(item, secrets)),
        Value::String(text) if is_secret(text) => *value = Value::from(MASK),
        Value::Number(number) if is_secret(&number.to_string()) => *value = Value::from(MASK),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn array<'v>(value: &'v mut Value, name: &str) -> impl Iterator<Item = &'v mut Value> {
    value.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}
