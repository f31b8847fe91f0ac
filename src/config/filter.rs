//! Which instance and which load balancer is meant: exact equality of the fields that the filter names.
//!
//! As in the library we succeed, a map in a filter must be equal as a whole; our own tags are set aside first, so
//! that an instance that we made is found by the filter that found its predecessor.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::casing::kebab;

/// The prefix of every tag that this program adds.
pub const OUR_TAG_PREFIX: &str = "deployctl-";

/// A filter over the fields of a resource, by their names on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Filter {
    /// What each field must equal.
    pub fields: Map<String, Value>,
    /// Whether the names of tags are compared by their kebab form, as the library we succeed did for keyword keys.
    pub folds_tag_names: bool,
}

impl Filter {
    /// Whether a resource, as the cloud sent it, is meant. A terminated one is meant only by a filter that names a
    /// lifecycle state.
    pub fn matches(&self, resource: &Value) -> bool {
        let state = resource.get("lifecycleState").and_then(Value::as_str).unwrap_or_default();
        let is_terminated = matches!(state, "DELETED" | "DELETING");
        if is_terminated && !self.fields.contains_key("lifecycleState") {
            return false;
        }
        self.fields.iter().all(|(name, wanted)| {
            let found = resource.get(name).unwrap_or(&Value::Null);
            if name == "freeformTags" { self.tags_equal(wanted, found) } else { wanted == found }
        })
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

impl std::fmt::Display for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.fields.is_empty() {
            return formatter.write_str("{}");
        }
        let text = serde_json::to_string(&self.fields).map_err(|_| std::fmt::Error)?;
        formatter.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filter(fields: &Value, folds_tag_names: bool) -> Filter {
        Filter { fields: fields.as_object().expect("a map").clone(), folds_tag_names }
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
