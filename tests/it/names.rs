//! Names that users and the cloud choose are stored and returned unchanged, even if they look like our own.

use serde_json::{Value, json};

use crate::harness::World;

/// Names by which the journal recognises sealed values, and their escaped forms.
const NAMES: [&str; 5] =
    ["$sealed", "$confidential", "$$sealed", "$$$confidential", "$serde_json::private::RawValue"];

/// An entry for each name, with a value that identifies it.
fn named(release: &str) -> Value {
    NAMES.iter().map(|name| ((*name).to_owned(), json!(format!("{release} of {name}")))).collect()
}

/// A deployment in which every map that a user fills contains our names.
fn deployment(world: &World, release: &str) -> Value {
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("1s");
    deployment["ci-config"]["freeform-tags"] = named("tag");
    deployment["ci-config"]["containers"][0]["environment-variables"] = named(release);
    deployment
}

/// The web server's tags, and the environment of its container.
fn found(world: &World) -> [Value; 2] {
    let mut there = world.web_servers();
    there.retain(|one| one["lifecycleState"] == "ACTIVE");
    assert_eq!(there.len(), 1, "{there:#?}");
    let id = |of: &Value| of.as_str().expect("an id").to_owned();
    let instance = world.get(&format!("/20210415/containerInstances/{}", id(&there[0]["id"])));
    let container =
        world.get(&format!("/20210415/containers/{}", id(&instance["containers"][0]["containerId"])));
    [instance["freeformTags"].clone(), container["environmentVariables"].clone()]
}

#[track_caller]
fn expect_named(world: &World, release: &str) {
    let [tags, environment] = found(world);
    for name in NAMES {
        assert_eq!(tags[name], format!("tag of {name}"), "{tags:#}");
        assert_eq!(environment[name], format!("{release} of {name}"), "{environment:#}");
    }
}

#[test]
fn a_run_whose_maps_have_our_names_is_resumed_and_rolled_back() {
    let world = World::with(&["--no-verify"]);
    let mut first = deployment(&world, "first");
    let file = world.write_deployment(&first);
    world.kill_at(&["start", file], "await-drain", "begun");
    world.run(&["resume", "latest"]).expect(0);
    expect_named(&world, "first");

    // A filter with these names finds it; it is recorded with them, replaced, and created again.
    first["ci-filter"] = json!({"freeform-tags": named("tag"), "display-name": "webserver"});
    first["ci-config"]["containers"][0]["environment-variables"] = named("second");
    let file = world.write_deployment(&first);
    world.kill_at(&["start", file], "await-retirement", "begun");
    world.run(&["resume", "latest"]).expect(0);
    expect_named(&world, "second");
    world.kill_at(&["rollback", "latest"], "undo retire-instance", "begun");
    world.run(&["resume", "latest"]).expect(0);
    expect_named(&world, "first");

    let shown = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    let steps = shown["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| !step["result"].to_string().contains("$sealed\":\"2.")), "{shown:#}");
}
