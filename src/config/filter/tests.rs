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

/// The filter in this text, or the problem with it.
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
        // The filter says nothing about tags that are not ours.
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
        let stored = json!({"fields": {"freeformTags": tags}, "hidden": hidden, "folds-tag-names": false});
        let read: Filter = serde_json::from_value(stored.clone()).expect("it is read");
        assert_eq!(serde_json::to_value(&read).expect("it is written"), stored, "and written as it was");
        read
    };
    let prod = stored(json!({"env": "prod"}));
    assert!(prod.matches(&tagged(&json!({"env": "prod", "deployctl-run": "x"}))));
    assert_eq!(prod.doubt(), None);
    assert!(
        stored(json!({"env": "prod", "deployctl-deployment": "x"})).matches(&tagged(&json!({"env": "prod"})))
    );
    assert_eq!(stored(json!({})).doubt(), None);
    for vague in [json!([{"app": "api"}]), json!("app=api"), json!({"deployctl-deployment": "api"})] {
        assert!(stored(vague.clone()).doubt().is_some(), "{vague}");
    }
}

/// A value of each type, in a form that every file format reads.
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
                // No value for these kinds: words, maps of maps, and maps with their own names.
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
                        let has_place = why.starts_with("--ci-filter:1:") && why.contains(&kebab(field.name));
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
        ("{freeform-tags: {}}", "tells nothing from anything else: name at least one of availability-domain"),
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
