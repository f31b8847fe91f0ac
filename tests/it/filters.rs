//! Filters: what they may contain, what they find, and what is refused before anything is changed.

use serde_json::{Value, json};

use crate::harness::World;

/// A deployment with another filter.
fn with_filter(world: &World, name: &str, filter: Value) -> Value {
    let mut deployment = world.deployment();
    deployment[name] = filter;
    deployment
}

#[test]
fn every_wrong_type_is_refused_with_its_path_and_before_any_call() {
    // The JSON type that each field of either filter takes.
    let instance = [
        ("availability-domain", "text"),
        ("compartment-id", "text"),
        ("container-count", "number"),
        ("container-restart-policy", "word"),
        ("defined-tags", "maps"),
        ("display-name", "text"),
        ("fault-domain", "text"),
        ("freeform-tags", "map"),
        ("id", "text"),
        ("lifecycle-state", "word"),
        ("shape", "text"),
        ("shape-config", "map of its own"),
    ];
    let balancer = [
        ("compartment-id", "text"),
        ("defined-tags", "maps"),
        ("display-name", "text"),
        ("freeform-tags", "map"),
        ("id", "text"),
        ("is-private", "boolean"),
        ("lifecycle-state", "word"),
        ("shape-name", "text"),
    ];
    let values = [
        ("text", json!("x")),
        ("number", json!(2024)),
        ("fraction", json!(1.5)),
        ("boolean", json!(true)),
        ("list", json!(["web", "api"])),
        ("list of maps", json!([{"app": "api"}])),
        ("map", json!({"app": "api"})),
        ("map of numbers", json!({"app": 2024})),
        ("nothing", Value::Null),
    ];
    let world = World::hurried();
    for (filter, fields) in [("ci-filter", &instance[..]), ("lb-filter", &balancer[..])] {
        for (of_type, value) in &values {
            let wrong = fields.iter().filter(|(_, right)| right != of_type).map(|(field, _)| *field);
            let wrong: Vec<&str> = wrong.collect();
            let written: serde_json::Map<String, Value> =
                wrong.iter().map(|field| ((*field).to_owned(), value.clone())).collect();
            let file = world.write_deployment(&with_filter(&world, filter, Value::Object(written)));
            let ran = world.run(&["validate", file]).expect(2);
            for field in wrong {
                let place = format!("{filter}.{field}");
                let line = ran.stderr.lines().find(|line| line.contains(&place));
                let line = line.unwrap_or_else(|| panic!("{of_type} as {place}: {}", ran.stderr));
                assert!(line.contains("deployment.json:1:"), "it has a place: {line}");
                let says_why = ["expected", "is nothing", "unknown key"].iter().any(|why| line.contains(why));
                assert!(says_why, "{line}");
            }
            world.run(&["start", file]).expect(2);
        }
    }
    assert_eq!(world.audit()["entries"], json!([]), "nothing was called");
}

#[test]
fn a_filter_that_is_no_condition_is_refused_in_every_language() {
    let world = World::hurried();
    let cases = [
        json!({"freeform-tags": [{"app": "api"}]}),
        json!({"freeform-tags": "app=api"}),
        json!({"freeform-tags": {}}),
        json!({"freeform-tags": {"release": 2024}}),
        json!({"lifecycle-state": "ACTIVE"}),
        json!({"lifecycle-state": "ACTIVE", "freeform-tags": {}}),
        json!({"display-name": 123}),
    ];
    for filter in cases {
        // JSON is also YAML.
        let deployment = with_filter(&world, "ci-filter", filter.clone()).to_string();
        world.write("deployment.json", &deployment);
        world.write("deployment.yaml", &deployment);
        world.write("deployment.edn", &edn(&with_filter(&world, "ci-filter", filter.clone())));
        for file in ["deployment.json", "deployment.yaml", "deployment.edn"] {
            for verb in ["validate", "plan", "start"] {
                let ran = world.run(&[verb, file]).expect(2);
                assert!(ran.stderr.contains(&format!("{file}:1:")), "{verb} {filter}: {}", ran.stderr);
                assert!(ran.stderr.contains("ci-filter"), "{verb} {filter}: {}", ran.stderr);
            }
        }
        let right = world.write_deployment(&world.deployment());
        let ran = world.run(&["start", right, "--ci-filter", &filter.to_string()]).expect(2);
        assert!(ran.stderr.contains("--ci-filter:1:"), "{filter}: {}", ran.stderr);
        let ran = world.run(&["start", right, "--lb-filter", &filter.to_string()]).expect(2);
        assert!(ran.stderr.contains("--lb-filter:1:"), "{filter}: {}", ran.stderr);
    }
    for filter in
        ["{freeform-tags: [{app: api}]}", "{:freeform-tags [{:app \"api\"}]}", "freeform-tags: app=api"]
    {
        let file = world.write_deployment(&world.deployment());
        let ran = world.run(&["validate", file, "--ci-filter", filter]).expect(2);
        assert!(ran.stderr.contains("freeform-tags: expected a map of texts"), "{filter}: {}", ran.stderr);
    }
    assert_eq!(world.audit()["entries"], json!([]), "nothing was called");
}

/// The value as EDN.
fn edn(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| format!("{name:?} {}", edn(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(edn).collect::<Vec<_>>().join(" ")),
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[test]
fn a_tag_of_ours_finds_what_we_made_and_nothing_else() {
    let world = World::new();
    let natural = json!({"freeform-tags": {"env": "prod", "deployctl-deployment": "webserver"}});
    let mut deployment = world.deployment();
    world.run(&["start", world.write_deployment(&deployment)]).expect(0);
    deployment["ci-filter"] = natural;
    deployment["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:3");
    world.run(&["start", world.write_deployment(&deployment)]).expect(0);
    assert_eq!(world.versions(), ["3"]);
    // The instance of another deployment: not even the first of the two conditions is enough.
    deployment["ci-filter"] = json!({"freeform-tags": {"env": "prod", "deployctl-deployment": "other"}});
    let ran = world.run(&["plan", world.write_deployment(&deployment), "--output", "json"]);
    assert!(!ran.stdout.contains("DELETE"), "{}", ran.stdout);
    assert_eq!(world.versions(), ["3"]);
}
