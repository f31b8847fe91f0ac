//! The new instance with the wire's names, and how runs of earlier versions masked it.

use serde_json::Value;

use super::limits;
use super::node::Node;
use super::problem::Findings;
use super::schema::INSTANCE;
use super::shape::Shaper;
use crate::run::MASK;

/// Reads the specification with the wire's names, and collects every problem.
pub(super) fn specification(node: &Node, path: &str, findings: &mut Findings) -> Value {
    let before = findings.problems.len();
    let instance = Shaper { findings }.model(node, path, &INSTANCE);
    // The parts are checked against each other only if each is valid.
    if findings.problems.len() == before {
        limits::check(node, path, &mut findings.problems);
    }
    instance
}

/// Masks a specification as the version before did, which masked everything that came from the environment. On resume, the
/// steps of its runs are compared in that form.
pub(super) fn masked_as_before(instance: &Value, secrets: &[String]) -> Value {
    let mut masked = instance.clone();
    mask_values(&mut masked, secrets);
    let mask = |value: &mut Value| *value = Value::from(MASK);
    for container in array(&mut masked, "containers") {
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
    for secret in array(&mut masked, "imagePullSecrets") {
        for name in ["username", "password"] {
            if let Some(value) = secret.get_mut(name) {
                mask(value);
            }
        }
    }
    for volume in array(&mut masked, "volumes") {
        for file in array(volume, "configs") {
            if let Some(data) = file.get_mut("data") {
                mask(data);
            }
        }
    }
    masked
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
