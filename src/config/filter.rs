//! Which instance and which load balancer is meant: the fields that a filter names are equal to those of the cloud.
//!
//! A filter is checked by the same table as a specification. As in the library we succeed, a map in it must be equal
//! as a whole; the tags of ours that it does not ask for are set aside first, so that an instance that we made is found
//! by the filter that found its predecessor.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::casing::{folded, kebab};
use super::matching::{Comparing, Difference, Matching, OUR_TAG_PREFIX};
use super::node::{Node, Tree};
use super::problem::Findings;
use super::schema::{Model, STATES};
use super::shape::{Shaper, join};
use crate::oci::is_terminated;
use crate::run::{Confidential, MASK};

/// A filter over the fields of a resource, by their names on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Filter {
    /// What each field must equal.
    pub fields: Map<String, Value>,
    /// The same for fields that are not shown, in a run of before: those whose values the environment had told.
    #[serde(default, rename = "hidden")]
    pub secrets: Confidential<Map<String, Value>>,
    /// Whether the names of tags are compared by their kebab form, as the library we succeed did for keyword keys.
    pub folds_tag_names: bool,
    /// How maps are compared.
    #[serde(default, skip_serializing_if = "Matching::is_as_before")]
    pub matching: Matching,
}

impl Filter {
    /// Whether a resource, as the cloud sent it, is meant. A terminated one is meant only by a filter that names a
    /// lifecycle state.
    pub fn matches(&self, resource: &Value) -> bool {
        if is_terminated(resource) && !self.all().any(|(name, _)| name == "lifecycleState") {
            return false;
        }
        match self.matching {
            Matching::AsBefore => self.matches_as_before(resource),
            Matching::Exact | Matching::Subset => self.differences(resource).is_empty(),
        }
    }

    /// In what a resource is not what is meant.
    pub fn differences(&self, resource: &Value) -> Vec<Difference> {
        let takes_more = self.matching == Matching::Subset;
        let comparing = Comparing { folds_tag_names: self.folds_tag_names, takes_more };
        let mut differences = Vec::new();
        for (name, wanted) in self.all() {
            let found = resource.get(name).unwrap_or(&Value::Null);
            let mut those = comparing.field(name, wanted, found);
            if self.secrets.expose().contains_key(name) {
                for one in &mut those {
                    one.wanted = one.wanted.as_ref().map(|_| MASK.to_owned());
                }
            }
            differences.extend(those);
        }
        differences
    }

    /// The fields with their secrets masked.
    pub fn masked(&self) -> Map<String, Value> {
        let secrets = self.secrets.expose().keys().map(|name| (name.clone(), Value::from(MASK)));
        let word = (self.matching == Matching::Subset).then(|| ("match".to_owned(), Value::from("subset")));
        self.fields.clone().into_iter().chain(secrets).chain(word).collect()
    }

    /// What a field must be, by its name on the wire.
    pub fn wanted(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).or_else(|| self.secrets.expose().get(name))
    }

    /// What is wrong with a filter that a version before this one took: it would match what carries no tag at all.
    pub fn doubt(&self) -> Option<&'static str> {
        let is_doubtful = |tags: &Value| match tags {
            Value::Object(tags) => {
                !tags.is_empty() && tags.keys().all(|name| name.starts_with(OUR_TAG_PREFIX))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => true,
        };
        let mut tags = self.all().filter(|(name, _)| *name == "freeformTags").map(|(_, tags)| tags);
        (self.matching == Matching::AsBefore && tags.any(is_doubtful)).then_some(
            "its freeform-tags would match everything without tags: roll the run back, and start it anew",
        )
    }

    fn all(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.fields.iter().chain(self.secrets.expose())
    }

    fn matches_as_before(&self, resource: &Value) -> bool {
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
        self.all().all(|(name, wanted)| {
            let found = resource.get(name).unwrap_or(&Value::Null);
            if name == "freeformTags" { fold(wanted) == fold(found) } else { wanted == found }
        })
    }
}

/// Reads how maps are compared.
pub(super) fn matching(node: &Node, path: &str, findings: &mut Findings) -> Option<Matching> {
    match node.text() {
        Some("exact") => Some(Matching::Exact),
        Some("subset") => Some(Matching::Subset),
        Some(_) | None => {
            let message = format!("expected exact or subset, found {}", node.quoted());
            findings.problems.push(node.problem(path, message));
            None
        }
    }
}

/// Reads a filter, whose maps are compared as `matched` says unless it has a word of its own.
pub(super) fn filter(
    node: &Node,
    name: &str,
    model: &Model,
    matched: Matching,
    findings: &mut Findings,
) -> Option<Filter> {
    if !matches!(node.tree, Tree::Map(_)) {
        findings.problems.push(node.problem(name, format!("expected a map, found {}", node.kind())));
        return None;
    }
    let n_problems = findings.problems.len();
    findings.refuse_unknown_keys(node, name, model);
    let mut filter = Filter { matching: matched, ..Filter::default() };
    for (key, value) in node.entries() {
        let written = key.text().unwrap_or_default();
        let path = join(name, written);
        let Some(field) = model.fields.iter().find(|field| folded(field.name) == folded(written)) else {
            continue;
        };
        if value.is_nil() {
            let message = "is nothing: leave the key out, or say what it must be";
            findings.problems.push(value.problem(&path, message));
            continue;
        }
        if field.name == "match" {
            filter.matching = matching(value, &path, findings).unwrap_or(matched);
            continue;
        }
        if field.name == "lifecycleState" && !value.text().is_some_and(|state| STATES.contains(&state)) {
            let message = format!("expected one of {}, found {}", STATES.join(", "), value.quoted());
            findings.problems.push(value.problem(&path, message));
            continue;
        }
        if field.name == "freeformTags" {
            filter.folds_tag_names = value.entries().iter().any(|(tag, _)| matches!(tag.tree, Tree::Key(_)));
        }
        let wanted = Shaper { findings }.value(value, &path, field.kind);
        filter.fields.insert(field.name.to_owned(), wanted);
    }
    // What tells nothing would mean whatever is there, which may be a stranger's.
    if findings.problems.len() == n_problems && !tells(&filter, model) {
        let telling = model.needs_one_of.iter().map(|field| kebab(field)).collect::<Vec<_>>().join(", ");
        let what = if node.entries().is_empty() { "is empty" } else { "tells nothing from anything else" };
        findings.problems.push(node.problem(name, format!("{what}: name at least one of {telling}")));
    }
    Some(filter)
}

/// Whether a filter has a condition that tells one resource from another.
fn tells(filter: &Filter, model: &Model) -> bool {
    let says_something = |value: &Value| match value {
        Value::Object(map) => {
            map.values().any(|entry| entry.as_object().is_none_or(|inner| !inner.is_empty()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => true,
    };
    filter.all().any(|(name, value)| model.needs_one_of.contains(&name.as_str()) && says_something(value))
}

impl std::fmt::Display for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string(&self.masked()).map_err(|_| std::fmt::Error)?;
        formatter.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read::inline;
    use crate::config::schema::{BALANCER_FILTER, INSTANCE_FILTER, Kind};
    use serde_json::json;

    fn exact(fields: &Value, folds_tag_names: bool) -> Filter {
        let fields = fields.as_object().expect("a map").clone();
        Filter { fields, folds_tag_names, matching: Matching::Exact, ..Filter::default() }
    }

    fn tagged(tags: &Value) -> Value {
        json!({"lifecycleState": "ACTIVE", "freeformTags": tags})
    }

    /// The filter that is written so, or what is wrong with it.
    fn read(text: &str, model: &Model) -> Result<Filter, String> {
        let mut findings = Findings::default();
        let node = inline(text, "--ci-filter").map_err(|problem| problem.to_string())?;
        let read = filter(&node, "ci-filter", model, Matching::Exact, &mut findings);
        let problems: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() { read.ok_or_else(String::new) } else { Err(problems.join("\n")) }
    }

    #[test]
    fn tags_are_equal_as_a_whole_but_for_ours_that_are_not_wanted() {
        let prod = exact(&json!({"freeformTags": {"env": "prod"}}), false);
        assert!(prod.matches(&tagged(&json!({"env": "prod", "deployctl-run": "x", "deployctl-step": "4"}))));
        assert!(!prod.matches(&tagged(&json!({"env": "prod", "team": "a"}))));
        assert!(!prod.matches(&tagged(&json!({"Env": "prod"}))));
        assert!(!prod.matches(&json!({"lifecycleState": "ACTIVE"})));
    }

    #[test]
    fn a_tag_of_ours_is_a_condition_like_any_other() {
        let ours = exact(&json!({"freeformTags": {"deployctl-deployment": "api"}}), false);
        for (tags, is_meant) in [
            (json!({"deployctl-deployment": "api", "deployctl-run": "x"}), true),
            (json!({"deployctl-deployment": "api@1f3a9c02"}), true),
            (json!({"deployctl-deployment": "apis"}), false),
            // Of tags that are not ours it says nothing.
            (json!({"deployctl-deployment": "api", "app": "db"}), true),
            (json!({"app": "db"}), false),
            (json!({"app": "db"}), false),
            (json!({}), false),
            (Value::Null, false),
        ] {
            assert_eq!(ours.matches(&tagged(&tags)), is_meant, "{tags}");
        }
        let both = json!({"freeformTags": {"app": "api", "deployctl-deployment": "other"}});
        assert!(!exact(&both, false).matches(&tagged(&json!({"app": "api", "deployctl-deployment": "api"}))));
        assert!(exact(&both, true).matches(&tagged(&json!({"App": "api", "deployctl-deployment": "other"}))));
    }

    #[test]
    fn keyword_tags_match_every_casing_of_their_name() {
        let wanted = exact(&json!({"freeformTags": {"my-tag": "x"}}), true);
        for name in ["MyTag", "my_tag", "myTag", "my-tag"] {
            assert!(wanted.matches(&tagged(&json!({name: "x"}))), "{name}");
        }
        assert!(!wanted.matches(&tagged(&json!({"MyTag": "x", "my-tag": "y"}))), "which one is meant?");
    }

    #[test]
    fn a_terminated_resource_is_meant_only_by_its_state() {
        let by_name = exact(&json!({"displayName": "web"}), false);
        let gone = json!({"displayName": "web", "lifecycleState": "DELETED"});
        assert!(!by_name.matches(&gone));
        assert!(exact(&json!({"displayName": "web", "lifecycleState": "DELETED"}), false).matches(&gone));
        assert!(by_name.matches(&json!({"displayName": "web", "lifecycleState": "FAILED"})));
    }

    #[test]
    fn what_a_run_of_before_stored_means_what_it_did_or_is_refused() {
        let stored = |tags: Value| -> Filter {
            let hidden = Confidential::new(Map::<String, Value>::new());
            let stored =
                json!({"fields": {"freeformTags": tags}, "hidden": hidden, "folds-tag-names": false});
            let read: Filter = serde_json::from_value(stored.clone()).expect("it is read");
            assert_eq!(serde_json::to_value(&read).expect("it is written"), stored, "and written as it was");
            read
        };
        let prod = stored(json!({"env": "prod"}));
        assert!(prod.matches(&tagged(&json!({"env": "prod", "deployctl-run": "x"}))));
        assert_eq!(prod.doubt(), None);
        assert!(
            stored(json!({"env": "prod", "deployctl-deployment": "x"}))
                .matches(&tagged(&json!({"env": "prod"})))
        );
        assert_eq!(stored(json!({})).doubt(), None);
        for vague in [json!([{"app": "api"}]), json!("app=api"), json!({"deployctl-deployment": "api"})] {
            assert!(stored(vague.clone()).doubt().is_some(), "{vague}");
        }
    }

    /// A value of each type, in a form that every language reads.
    const TYPES: [(&str, &str); 7] = [
        ("text", "\"x\""),
        ("number", "7"),
        ("fraction", "1.5"),
        ("boolean", "true"),
        ("list", "[\"x\"]"),
        ("list of maps", "[{\"x\": \"y\"}]"),
        ("map", "{\"x\": \"y\"}"),
    ];

    #[test]
    fn every_field_is_checked_by_its_type() {
        for model in [&INSTANCE_FILTER, &BALANCER_FILTER] {
            for field in model.fields {
                let right: &[&str] = match field.kind {
                    Kind::Text { .. } => &["text"],
                    Kind::Bool => &["boolean"],
                    Kind::Integer { .. } => &["number"],
                    Kind::Tags => &["map"],
                    // None of these: words, maps of maps, and maps with names of their own.
                    _ => &[],
                };
                for (of_type, value) in TYPES {
                    let told = read(&format!("{{\"{}\": {value}}}", kebab(field.name)), model);
                    let is_right = right.contains(&of_type);
                    let is_place = field.name == "compartmentId" && is_right;
                    match told {
                        Ok(_) => assert!(is_right && !is_place, "{} took a {of_type}", field.name),
                        Err(why) if is_place => assert!(why.contains("tells nothing"), "{why}"),
                        Err(why) => {
                            assert!(!is_right, "{} refused a {of_type}: {why}", field.name);
                            let has_place =
                                why.starts_with("--ci-filter:1:") && why.contains(&kebab(field.name));
                            assert!(
                                has_place && (why.contains("expected") || why.contains("unknown key")),
                                "{why}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_written_wrongly_is_told_with_the_way_to_write_it() {
        for (text, expected) in [
            (
                "{freeform-tags: [{app: api}]}",
                "freeform-tags: expected a map of texts, such as {app: web}, found a list",
            ),
            (
                "{freeform-tags: app=api}",
                "freeform-tags: expected a map of texts, such as {app: web}, found a string",
            ),
            (
                "{freeform-tags: {release: 2024}}",
                "freeform-tags.release: expected a string, found a number, 2024: put it in quotes",
            ),
            (
                "{freeform-tags: {env: yes}}",
                "freeform-tags.env: expected a string, found a boolean, yes: put it in quotes",
            ),
            ("{freeform-tags: {env: [a]}}", "freeform-tags.env: expected a string, found a list"),
            (
                "{:freeform-tags {:release 2024}}",
                "freeform-tags.release: expected a string, found a number, 2024: put it in quotes",
            ),
            (
                "{:freeform-tags {:env :prod}}",
                "freeform-tags.env: expected a string, found a keyword: write \"prod\"",
            ),
            ("{:display-name web}", "display-name: expected a string, found a symbol: write \"web\""),
            ("{display-name: 123}", "display-name: expected a string, found a number, 123: put it in quotes"),
            ("{display-name: [web, api]}", "display-name: expected a string, found a list"),
            ("{defined-tags: {Ops: prod}}", "defined-tags.Ops: expected a map of tags, found a string"),
            (
                "{defined-tags: {Ops: {Cost: [1]}}}",
                "defined-tags.Ops.Cost: expected a string, a whole number or a boolean",
            ),
            (
                "{defined-tags: [Ops]}",
                "defined-tags: expected a map of maps, such as {team: {owner: ann}}, found a list",
            ),
            (
                "{:defined-tags {1 {\"a\" \"b\"}}}",
                "defined-tags: expected a name as key, found a number, 1: put it in quotes",
            ),
            (
                "{:freeform-tags {1 \"a\"}}",
                "freeform-tags: expected a name as key, found a number, 1: put it in quotes",
            ),
            (
                "{shape-config: {ocpus: \"1\"}}",
                "shape-config.ocpus: expected a number above zero, found a string",
            ),
            (
                "{container-restart-policy: SOMETIMES}",
                "container-restart-policy: expected ALWAYS or NEVER or ON_FAILURE",
            ),
            (
                "{freeform-tags: {}}",
                "tells nothing from anything else: name at least one of availability-domain",
            ),
            ("{defined-tags: {Ops: {}}, lifecycle-state: ACTIVE}", "tells nothing from anything else"),
            ("{lifecycle-state: ACTIVE}", "tells nothing from anything else"),
            ("{compartment-id: ocid1.compartment.oc1..a}", "tells nothing from anything else"),
            ("{shape-config: {}}", "tells nothing from anything else"),
            ("{}", "is empty: name at least one of"),
        ] {
            let why = read(text, &INSTANCE_FILTER).expect_err(text);
            assert!(why.starts_with("--ci-filter") && why.contains(expected), "{text}: {why}");
            assert_eq!(why.lines().count(), 1, "one mistake, one problem: {why}");
        }
        for right in [
            "{freeform-tags: {app: api}}",
            "{:freeform-tags {:app \"api\"}}",
            "{freeform-tags: {}, display-name: web}",
            "{\"freeformTags\": {\"deployctl-deployment\": \"api\"}}",
            "{shape-config: {ocpus: 1, memory-in-gbs: 6.0}}",
            "{defined-tags: {Ops: {Cost: 42}}}",
        ] {
            assert!(read(right, &INSTANCE_FILTER).is_ok(), "{right}: {:?}", read(right, &INSTANCE_FILTER));
        }
    }
}
