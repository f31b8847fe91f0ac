//! What would change in an instance if it were replaced by one of another specification, field by field.
//!
//! The invariant: a difference that is not sure counts as a change. What the cloud fills in by itself is no difference.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::secrecy::masked_instance;

/// A field that would change. Its secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its path: `containers[0].imageUrl`.
    pub path: String,
    /// Its value now.
    pub before: Option<String>,
    /// Its value afterwards.
    pub after: Option<String>,
}

/// The fields that the cloud fills in where a specification says nothing.
const FILLED_IN: [&str; 13] = [
    "containerRestartPolicy",
    "displayName",
    "dnsConfig",
    "faultDomain",
    "gracefulShutdownTimeoutInSeconds",
    "hostnameLabel",
    "isPublicIpAssigned",
    "isResourcePrincipalDisabled",
    "memoryInGBs",
    "memoryLimitInGBs",
    "resourceConfig",
    "skipSourceDestCheck",
    "vcpusLimit",
];

/// The beginning of the names of our own tags, which no specification has.
const OWN_TAGS: &str = "deployctl-";

/// What changes from an instance as it was recorded to `wanted`. `from_environment` are the texts of `wanted` that came from the
/// environment.
pub fn changes(recorded: &Value, wanted: &Value, from_environment: &[String]) -> Vec<Change> {
    let mut paths = Vec::new();
    compare(recorded, wanted, &mut Vec::new(), &mut paths);
    let masked = [masked_instance(recorded, from_environment), masked_instance(wanted, from_environment)];
    let shown = |paths: Vec<Step>| {
        let [before, after] =
            masked.each_ref().map(|masked| at(masked, &paths).filter(|value| !is_nothing(value)));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        Change { path: told(&paths), before: before.map(text), after: after.map(text) }
    };
    paths.into_iter().map(shown).collect()
}

/// A step on the path to a field.
#[derive(Clone)]
enum Step {
    Name(String),
    Index(usize),
}

fn compare(before: &Value, after: &Value, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => compare_maps(before, after, path, found),
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (n, (before, after)) in before.iter().zip(after).enumerate() {
                path.push(Step::Index(n));
                compare(before, after, path, found);
                path.pop();
            }
        }
        _ if is_same(before, after) => {}
        _ => found.push(path.clone()),
    }
}

fn compare_maps(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &mut Vec<Step>,
    found: &mut Vec<Vec<Step>>,
) {
    let of = innermost(path).to_owned();
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (now, then) = (before.get(name).unwrap_or(&Value::Null), after.get(name).unwrap_or(&Value::Null));
        if is_nothing(then) && is_filled_in(path, &of, name) {
            continue;
        }
        path.push(Step::Name(name.clone()));
        compare(now, then, path, found);
        path.pop();
    }
}

/// Whether the cloud, or a run of ours, has added a field that the specification does not have.
fn is_filled_in(path: &[Step], of: &str, name: &str) -> bool {
    let is_within = |wanted: &str| path.iter().any(|step| matches!(step, Step::Name(name) if name == wanted));
    match of {
        "environmentVariables" => false,
        "freeformTags" => name.starts_with(OWN_TAGS),
        // A tenancy may add tags to everything, and the cloud has a default for each field of a check.
        _ => is_within("definedTags") || is_within("healthChecks") || FILLED_IN.contains(&name),
    }
}

/// The name of the map or list in which one is.
fn innermost(path: &[Step]) -> &str {
    let name = path.iter().rev().find_map(|step| match step {
        Step::Name(name) => Some(name.as_str()),
        Step::Index(_) => None,
    });
    name.unwrap_or_default()
}

/// Whether two values mean the same. The cloud returns the values of tags as texts, and whole numbers with a fraction.
fn is_same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::String(text), Value::Number(number)) => number.to_string() == *text,
        (Value::String(text), Value::Bool(is_so)) => is_so.to_string() == *text,
        _ => before == after || is_nothing(before) && is_nothing(after),
    }
}

/// Whether a value says no more than an absent one.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    }
}

fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.get(name),
        Step::Index(n) => value.get(n),
    })
}

fn told(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Name(name) if text.is_empty() => text.push_str(name),
            Step::Name(name) => text.extend([".", name]),
            Step::Index(n) => write!(text, "[{n}]").expect("a string takes what is written"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recorded() -> Value {
        json!({
            "displayName": "web", "shape": "S", "shapeConfig": {"ocpus": 1.0, "memoryInGBs": 16.0},
            "faultDomain": "FAULT-DOMAIN-1", "containerRestartPolicy": "ALWAYS", "volumes": [],
            "freeformTags": {"env": "prod", "deployctl-run": "1b2c", "deployctl-spec": "x"},
            "definedTags": {"Operations": {"CostCenter": "42"}, "Defaults": {"By": "tenancy"}},
            "containers": [{"displayName": "c", "imageUrl": "httpd:1", "environmentVariables": {"A": "1", "B": "s3cret-1"},
                            "healthChecks": [{"port": 80, "intervalInSeconds": 30}], "isResourcePrincipalDisabled": false}],
            "vnics": [{"subnetId": "sub", "nsgIds": ["n"], "isPublicIpAssigned": true, "displayName": "v"}],
        })
    }

    fn wanted() -> Value {
        json!({
            "displayName": "web", "shape": "S", "shapeConfig": {"ocpus": 1}, "freeformTags": {"env": "prod"},
            "definedTags": {"Operations": {"CostCenter": 42}},
            "containers": [{"imageUrl": "httpd:1", "environmentVariables": {"A": "1", "B": "s3cret-1"},
                            "healthChecks": [{"port": 80}]}],
            "vnics": [{"subnetId": "sub", "nsgIds": ["n"]}],
        })
    }

    fn told_of(wanted: &Value) -> Vec<String> {
        let told = |change: Change| {
            let [before, after] =
                [change.before, change.after].map(|value| value.unwrap_or_else(|| "-".to_owned()));
            format!("{} {before} {after}", change.path)
        };
        changes(&recorded(), wanted, &[]).into_iter().map(told).collect()
    }

    #[test]
    fn what_the_cloud_or_a_run_fills_in_is_no_change() {
        assert_eq!(told_of(&wanted()), [""; 0]);
    }

    #[test]
    fn each_change_is_told_by_its_place_and_a_secret_by_its_place_alone() {
        let with = |place: &str, value: Value| {
            let mut wanted = wanted();
            *wanted.pointer_mut(place).expect("a place") = value;
            told_of(&wanted)
        };
        assert_eq!(
            with("/containers/0/imageUrl", json!("httpd:2")),
            ["containers[0].imageUrl httpd:1 httpd:2"]
        );
        let secret = ["containers[0].environmentVariables.B *** ***"];
        assert_eq!(with("/containers/0/environmentVariables/B", json!("s3cret-2")), secret);
        let fewer = ["containers[0].environmentVariables.B *** -"];
        assert_eq!(with("/containers/0/environmentVariables", json!({"A": "1"})), fewer);
        assert_eq!(with("/freeformTags", json!({})), ["freeformTags.env prod -"]);
        assert_eq!(
            with("/shapeConfig", json!({"ocpus": 1, "memoryInGBs": 8})),
            ["shapeConfig.memoryInGBs 16.0 8"]
        );
        assert_eq!(with("/vnics/0/nsgIds", json!([])), [r#"vnics[0].nsgIds ["n"] -"#]);
        assert_eq!(
            with("/definedTags/Operations/CostCenter", json!(43)),
            ["definedTags.Operations.CostCenter 42 43"]
        );
        let mut more = wanted();
        more["containers"][0]["command"] = json!(["sh"]);
        more["faultDomain"] = json!("FAULT-DOMAIN-2");
        let expected = [r#"containers[0].command - ["sh"]"#, "faultDomain FAULT-DOMAIN-1 FAULT-DOMAIN-2"];
        assert_eq!(told_of(&more), expected);
        let mut more = wanted();
        more["containers"].as_array_mut().expect("a list").push(json!({"imageUrl": "sidecar"}));
        assert_eq!(told_of(&more).len(), 1);
    }
}
