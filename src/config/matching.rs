//! Compares a resource, as the cloud sent it, with a filter, and names the fields that differ.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::casing::kebab;
use super::identity::DeploymentTag;

/// The prefix of every tag that this program adds.
pub const OUR_TAG_PREFIX: &str = "deployctl-";
/// The tag that says to which deployment an instance belongs.
pub const DEPLOYMENT_TAG: &str = "deployctl-deployment";
/// The namespace of the tags that the cloud itself adds in most tenancies.
pub const CLOUDS_NAMESPACE: &str = "Oracle-Tags";

/// How the maps of a filter (tags and the shape's configuration) are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matching {
    /// As in versions that did not record how: a value that is not a map counted as an empty map, and our tags never counted.
    /// Only runs of those versions have it.
    #[default]
    AsBefore,
    /// The whole maps must be equal, except for tags that nobody chose: ours and the cloud's own.
    Exact,
    /// The cloud's map must contain the wanted entries.
    Subset,
}

impl Matching {
    /// Whether this is the variant that was never written.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
    pub(super) fn is_as_before(&self) -> bool {
        *self == Self::AsBefore
    }
}

/// A field in which a resource differs from a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field's name in a filter, such as `freeform-tags.env`.
    pub field: String,
    /// The wanted value. `None` if the filter wants the field absent.
    pub wanted: Option<String>,
    /// The value in the cloud. `None` if it has none.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (wanted, found) = (or_nothing(&self.wanted), or_nothing(&self.found));
        write!(formatter, "{}: wanted {wanted}, found {found}", self.field)
    }
}

/// Compares the fields of one filter.
pub(super) struct Comparing {
    /// Whether tag names are compared in kebab case.
    pub(super) folds_tag_names: bool,
    /// Whether the cloud's map may have additional entries.
    pub(super) takes_more: bool,
}

impl Comparing {
    /// The differences in a field, given by its wire name.
    pub(super) fn field(&self, name: &str, wanted: &Value, found: &Value) -> Vec<Difference> {
        let path = kebab(name);
        match (name, wanted) {
            ("freeformTags", Value::Object(wanted)) => self.tags(&path, wanted, &entries(found)),
            ("definedTags", Value::Object(wanted)) => self.namespaces(&path, wanted, &entries(found)),
            (_, Value::Object(wanted)) => {
                let plain = Names { form: kebab, is_set_aside: |_| false, equal: |_, a, b| alike(a, b) };
                self.compare(&plain, &path, wanted, &entries(found))
            }
            _ if alike(wanted, found) => Vec::new(),
            _ => vec![difference(path, Some(wanted), Some(found))],
        }
    }

    fn tags(&self, path: &str, wanted: &Map<String, Value>, found: &Map<String, Value>) -> Vec<Difference> {
        let names = Names {
            form: if self.folds_tag_names { kebab } else { str::to_owned },
            is_set_aside: |name| name.starts_with(OUR_TAG_PREFIX),
            equal: |name, wanted, found| match (name, wanted, found) {
                (DEPLOYMENT_TAG, Value::String(wanted), Value::String(found)) => {
                    DeploymentTag::parse(found).is_meant_by(&DeploymentTag::parse(wanted))
                }
                _ => wanted == found,
            },
        };
        // A filter that names only our tags says nothing about other tags: `{deployctl-deployment: web}` selects every
        // instance with it.
        let is_ours_alone = !wanted.is_empty() && wanted.keys().all(|name| name.starts_with(OUR_TAG_PREFIX));
        let comparing = Self { takes_more: self.takes_more || is_ours_alone, ..*self };
        comparing.compare(&names, path, wanted, found)
    }

    fn namespaces(
        &self,
        path: &str,
        wanted: &Map<String, Value>,
        found: &Map<String, Value>,
    ) -> Vec<Difference> {
        let all = wanted.keys().chain(found.keys().filter(|name| !wanted.contains_key(*name)));
        let mut differences = Vec::new();
        for namespace in all.filter(|name| *name != CLOUDS_NAMESPACE || wanted.contains_key(*name)) {
            let in_wanted = entries(wanted.get(namespace).unwrap_or(&Value::Null));
            let in_found = entries(found.get(namespace).unwrap_or(&Value::Null));
            let names = Names {
                form: str::to_owned,
                // Of the cloud's own tags, only those that the filter names count.
                is_set_aside: if namespace == CLOUDS_NAMESPACE { |_| true } else { |_| false },
                // A whole number comes back as a number or as a text. Both are the same value.
                equal: |_, wanted, found| text_of(wanted) == text_of(found),
            };
            let path = format!("{path}.{namespace}");
            differences.extend(self.compare(&names, &path, &in_wanted, &in_found));
        }
        differences
    }

    fn compare(
        &self,
        names: &Names,
        path: &str,
        wanted: &Map<String, Value>,
        found: &Map<String, Value>,
    ) -> Vec<Difference> {
        let is_same = |one: &str, other: &str| (names.form)(one) == (names.form)(other);
        let mut differences = Vec::new();
        for (name, value) in wanted {
            let mut same = found.iter().filter(|(other, _)| is_same(name, other)).map(|(_, found)| found);
            let first = same.clone().next();
            if first.is_none() || !same.all(|found| (names.equal)(&(names.form)(name), value, found)) {
                differences.push(difference(format!("{path}.{name}"), Some(value), first));
            }
        }
        for (name, value) in found {
            let is_passed_over = self.takes_more || (names.is_set_aside)(name);
            if !is_passed_over && !wanted.keys().any(|other| is_same(name, other)) {
                differences.push(difference(format!("{path}.{name}"), None, Some(value)));
            }
        }
        differences
    }
}

/// How the entries of a map are compared.
struct Names {
    /// The form in which two names are compared.
    form: fn(&str) -> String,
    /// Whether an entry is ignored unless the filter names it.
    is_set_aside: fn(&str) -> bool,
    /// Whether the entry of this name has the wanted value.
    equal: fn(&str, &Value, &Value) -> bool,
}

fn difference(field: String, wanted: Option<&Value>, found: Option<&Value>) -> Difference {
    let shown = |value: &Value| if value.is_null() { None } else { Some(value.to_string()) };
    Difference { field, wanted: wanted.and_then(shown), found: found.and_then(shown) }
}

/// The entries of a map. None if the cloud has no map.
fn entries(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Whether two values are equal. The cloud writes 1 as 1.0.
fn alike(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
        _ => one == other,
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_is_the_same_with_and_without_its_decimals() {
        let comparing = Comparing { folds_tag_names: false, takes_more: false };
        let shape = json!({"ocpus": 1.0, "memoryInGBs": 6.0});
        assert_eq!(comparing.field("shapeConfig", &json!({"ocpus": 1, "memoryInGBs": 6}), &shape), []);
        let told = comparing.field("shapeConfig", &json!({"ocpus": 2, "memoryInGBs": 6}), &shape);
        assert_eq!(told[0].to_string(), "shape-config.ocpus: wanted 2, found 1.0");
        assert_eq!(comparing.field("containerCount", &json!(1), &json!(1)), []);
    }

    #[test]
    fn defined_tags_are_equal_as_a_whole_but_for_the_clouds_own() {
        let comparing = Comparing { folds_tag_names: false, takes_more: false };
        let found = json!({"Oracle-Tags": {"CreatedBy": "ann", "CreatedOn": "today"}, "Ops": {"Cost": "42"}});
        let differences = |wanted: Value| {
            let told = comparing.field("definedTags", &wanted, &found);
            told.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(differences(json!({"Ops": {"Cost": "42"}})), "");
        assert_eq!(differences(json!({"Ops": {"Cost": 42}})), "");
        assert_eq!(differences(json!({"Ops": {"Cost": "42"}, "Oracle-Tags": {"CreatedBy": "ann"}})), "");
        assert_eq!(
            differences(json!({"Ops": {"Cost": "42"}, "Oracle-Tags": {"CreatedBy": "bob"}})),
            "defined-tags.Oracle-Tags.CreatedBy: wanted \"bob\", found \"ann\""
        );
        assert_eq!(
            differences(json!({"Ops": {}, "Team": {"Name": "a"}})),
            "defined-tags.Ops.Cost: wanted nothing, found \"42\"; \
             defined-tags.Team.Name: wanted \"a\", found nothing"
        );
    }
}
