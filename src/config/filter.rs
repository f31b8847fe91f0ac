//! Filters, which select the instance and the load balancer: the fields that a filter names equal those of the resource in
//! the cloud.
//!
//! A filter is checked by the same table as a specification. As in our predecessor library, a map in a filter must equal the
//! whole map. Our own tags are set aside first unless the filter asks for them, so that the filter which found the
//! predecessor also finds the instance that we created.

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

/// A filter over the fields of a resource, by their wire names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Filter {
    /// The value that each field must equal.
    pub fields: Map<String, Value>,
    /// Fields that are not shown, because their values came from the environment. Only in runs of older versions.
    #[serde(default, rename = "hidden")]
    pub secrets: Confidential<Map<String, Value>>,
    /// Whether tag names are compared in kebab case, as our predecessor library did for keyword keys.
    pub folds_tag_names: bool,
    /// How maps are compared.
    #[serde(default, skip_serializing_if = "Matching::is_as_before")]
    pub matching: Matching,
}

impl Filter {
    /// Whether the filter selects a resource, as the cloud sent it. A terminated resource is selected only by a filter that
    /// names a lifecycle state.
    pub fn matches(&self, resource: &Value) -> bool {
        if is_terminated(resource) && !self.all().any(|(name, _)| name == "lifecycleState") {
            return false;
        }
        match self.matching {
            Matching::AsBefore => self.matches_as_before(resource),
            Matching::Exact | Matching::Subset => self.differences(resource).is_empty(),
        }
    }

    /// The differences between a resource and the filter.
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

    /// The value that a field must have, by the field's wire name.
    pub fn wanted(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).or_else(|| self.secrets.expose().get(name))
    }

    /// The problem with a filter that an older version accepted: it would match resources that carry no tag at all.
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

/// Reads a filter. Its maps are compared as `matched` says, unless the filter itself says how.
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
    // A filter without a condition would select any resource, even a stranger's.
    if findings.problems.len() == n_problems && !tells(&filter, model) {
        let telling = model.needs_one_of.iter().map(|field| kebab(field)).collect::<Vec<_>>().join(", ");
        let what = if node.entries().is_empty() { "is empty" } else { "tells nothing from anything else" };
        findings.problems.push(node.problem(name, format!("{what}: name at least one of {telling}")));
    }
    Some(filter)
}

/// Whether a filter has a condition that distinguishes one resource from another.
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
mod tests;
