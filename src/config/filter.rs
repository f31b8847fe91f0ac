//! Which instance and which load balancer is meant: exact equality of the fields that the filter names.
//!
//! As in the library we succeed, a map in a filter must be equal as a whole; our own tags are set aside first, so
//! that an instance that we made is found by the filter that found its predecessor.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::casing::{camel, folded, kebab};
use super::node::{Node, Tree};
use super::problem::Findings;
use super::schema::{Model, STATES};
use super::shape::{Shaper, join};
use crate::run::{Confidential, MASK};

/// The prefix of every tag that this program adds.
pub const OUR_TAG_PREFIX: &str = "deployctl-";

/// A filter over the fields of a resource, by their names on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Filter {
    /// What each field must equal.
    pub fields: Map<String, Value>,
    /// The same for fields whose values the environment had a part in, and which are not shown.
    #[serde(default)]
    pub hidden: Confidential<Map<String, Value>>,
    /// Whether the names of tags are compared by their kebab form, as the library we succeed did for keyword keys.
    pub folds_tag_names: bool,
}

impl Filter {
    /// Whether a resource, as the cloud sent it, is meant. A terminated one is meant only by a filter that names a
    /// lifecycle state.
    pub fn matches(&self, resource: &Value) -> bool {
        let state = resource.get("lifecycleState").and_then(Value::as_str).unwrap_or_default();
        let is_terminated = matches!(state, "DELETED" | "DELETING");
        let mut all = self.fields.iter().chain(self.hidden.expose());
        if is_terminated && !all.clone().any(|(name, _)| name == "lifecycleState") {
            return false;
        }
        all.all(|(name, wanted)| {
            let found = resource.get(name).unwrap_or(&Value::Null);
            if name == "freeformTags" { self.tags_equal(wanted, found) } else { wanted == found }
        })
    }

    /// The fields as they may be shown.
    pub fn shown(&self) -> Map<String, Value> {
        let hidden = self.hidden.expose().keys().map(|name| (name.clone(), Value::from(MASK)));
        self.fields.clone().into_iter().chain(hidden).collect()
    }

    fn tags_equal(&self, wanted: &Value, found: &Value) -> bool {
        let fold = |tags: &Value| -> Map<String, Value> {
            let empty = Map::new();
            let tags = tags.as_object().unwrap_or(&empty);
            tags.iter()
                .filter(|(name, _)| !name.starts_with(OUR_TAG_PREFIX))
                .map(|(name, value)| {
                    (if self.folds_tag_names { kebab(name) } else { name.clone() }, value.clone())
                })
                .collect()
        };
        fold(wanted) == fold(found)
    }
}

/// Reads a filter.
pub(super) fn filter(node: &Node, name: &str, model: &Model, findings: &mut Findings) -> Option<Filter> {
    if !matches!(node.tree, Tree::Map(_)) {
        findings.problems.push(node.problem(name, format!("expected a map, found {}", node.kind())));
        return None;
    }
    findings.refuse_unknown_keys(node, name, model);
    // An empty filter would mean whatever is there, which may be a stranger's.
    if node.entries().is_empty() {
        let known = model.names().join(", ");
        findings.problems.push(node.problem(name, format!("is empty: name at least one of {known}")));
    }
    let mut filter = Filter::default();
    let mut hidden = Map::new();
    for (key, value) in node.entries() {
        let written = key.text().unwrap_or_default();
        let path = join(name, written);
        if value.is_nil() {
            let message = "is nothing: leave the key out, or say what it must be";
            findings.problems.push(value.problem(&path, message));
        }
        let field = model.fields.iter().find(|field| folded(field.name) == folded(written));
        let field = camel(field.map_or(written, |field| field.name));
        let mut free = Shaper { findings }.free(value, &path);
        if field == "freeformTags" {
            filter.folds_tag_names = value.entries().iter().any(|(tag, _)| matches!(tag.tree, Tree::Key(_)));
        } else if field == "shapeConfig" {
            free = camel_keys(&free);
        }
        if field == "lifecycleState" && !free.as_str().is_some_and(|state| STATES.contains(&state)) {
            let message = format!("expected one of {}, found {}", STATES.join(", "), value.quoted());
            findings.problems.push(value.problem(&path, message));
        }
        if value.holds_secret() { &mut hidden } else { &mut filter.fields }.insert(field, free);
    }
    filter.hidden = Confidential::new(hidden);
    Some(filter)
}

fn camel_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, value)| (camel(name), value.clone())).collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value.clone(),
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string(&self.shown()).map_err(|_| std::fmt::Error)?;
        formatter.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filter(fields: &Value, folds_tag_names: bool) -> Filter {
        Filter { fields: fields.as_object().expect("a map").clone(), folds_tag_names, ..Filter::default() }
    }

    #[test]
    fn tags_are_equal_as_a_whole_but_for_ours() {
        let prod = filter(&json!({"freeformTags": {"env": "prod"}}), false);
        let tagged = |tags: Value| json!({"lifecycleState": "ACTIVE", "freeformTags": tags});
        assert!(prod.matches(&tagged(json!({"env": "prod", "deployctl-run": "x", "deployctl-step": "4"}))));
        assert!(!prod.matches(&tagged(json!({"env": "prod", "team": "a"}))));
        assert!(!prod.matches(&tagged(json!({"Env": "prod"}))));
        assert!(!prod.matches(&json!({"lifecycleState": "ACTIVE"})));
    }

    #[test]
    fn keyword_tags_match_every_casing_of_their_name() {
        let wanted = filter(&json!({"freeformTags": {"my-tag": "x"}}), true);
        for name in ["MyTag", "my_tag", "myTag", "my-tag"] {
            assert!(wanted.matches(&json!({"freeformTags": {name: "x"}})), "{name}");
        }
    }

    #[test]
    fn a_terminated_resource_is_meant_only_by_its_state() {
        let by_name = filter(&json!({"displayName": "web"}), false);
        let gone = json!({"displayName": "web", "lifecycleState": "DELETED"});
        assert!(!by_name.matches(&gone));
        assert!(filter(&json!({"displayName": "web", "lifecycleState": "DELETED"}), false).matches(&gone));
        assert!(by_name.matches(&json!({"displayName": "web", "lifecycleState": "FAILED"})));
    }
}
