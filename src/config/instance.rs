//! The new instance, in the words of the wire, and what of it may be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::limits;
use super::node::Node;
use super::problem::Findings;
use super::schema::INSTANCE;
use super::shape::Shaper;
use crate::run::MASK;

/// The specification in the words of the wire, with every problem found.
pub(super) fn specification(node: &Node, path: &str, findings: &mut Findings) -> Value {
    let before = findings.problems.len();
    let instance = Shaper { findings }.model(node, path, &INSTANCE);
    // The parts are looked at together only when each is right.
    if findings.problems.len() == before {
        limits::check(node, path, &mut findings.problems);
    }
    instance
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

/// Every text that [`masked_instance`] masks, and what stands for it in base64.
pub fn hidden_values(instance: &Value, secrets: &[String]) -> Vec<String> {
    let mut hidden = Vec::new();
    differences(instance, &masked_instance(instance, secrets), &mut hidden);
    let decode = |text: &String| STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded: Vec<String> = hidden.iter().filter_map(decode).collect();
    hidden.extend(decoded);
    hidden
}

fn differences(value: &Value, shown: &Value, found: &mut Vec<String>) {
    match (value, shown) {
        (Value::Object(value), Value::Object(shown)) => {
            value.iter().for_each(|(name, value)| differences(value, &shown[name], found));
        }
        (Value::Array(value), Value::Array(shown)) => {
            value.iter().zip(shown).for_each(|(value, shown)| differences(value, shown, found));
        }
        (Value::String(text), shown) if shown != text => found.push(text.clone()),
        _ => {}
    }
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
