//! A run that succeeds, and the commands that follow it.

use serde_json::json;

use crate::harness::{Screens, World};

#[test]
fn a_run_that_succeeds_and_is_rolled_back() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    screens.take(&["start", file, "--reason", "newer certificates"]).expect(0);
    screens.take(&["history"]).expect(0);
    screens.take(&["history", "latest"]).expect(0);
    screens.take(&["history", "latest", "--events"]).expect(0);
    screens.take(&["history", "latest", "--color", "always"]).expect(0);
    screens.take(&["watch", "latest", "--quiet"]).expect(0);
    screens.take(&["resume", "latest"]).expect(2);
    screens.take(&["show", "latest", "--old"]).expect(0);
    screens.take(&["rollback", "latest", "--reason", "it is slow"]).expect(0);
    screens.take(&["history", "latest"]).expect(0);
    screens.take(&["rollback", "latest"]).expect(2);
    screens.take(&["resolve", "latest", "create-instance", "--as", "done", "--reason", "so"]).expect(2);
    screens.take(&["abandon", "latest", "--keep", "new"]).expect(2);
    screens.take(&["key", "rotate"]).expect(0);
    screens.take(&["key", "rotate", "--output", "json"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_run_for_a_script() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    screens.take(&["start", file, "--output", "json"]).expect(0);
    screens.take(&["history", "--output", "json"]).expect(0);
    screens.take(&["history", "latest", "--events", "--output", "json"]).expect(0);
    screens.take(&["rollback", "latest", "--output", "json", "--quiet"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn an_instance_that_is_destroyed() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    deployment["old-instance"] = json!("keep");
    world.write_deployment(&deployment);
    let started = world.run(&["start", file, "--output", "json"]).expect(0).json();
    let old = started["old_instance_id"].as_str().expect("an id");
    screens.take(&["destroy", file, "--id", old, "--dry-run"]).expect(0);
    screens.take(&["destroy", file, "--id", old]).expect(0);
    screens.take(&["history", "latest"]).expect(0);
    screens
        .take(&["destroy", file, "--id", "ocid1.computecontainerinstance.oc1.iad.nowhere", "--quiet"])
        .expect(2);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_run_that_is_left_to_a_process_of_its_own() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    screens.take(&["start", file, "--detach", "--quiet"]).expect(0);
    screens.take(&["watch", "latest", "--quiet"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_run_of_several_deployments_is_not_guessed() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    world.run(&["start", file]).expect(0);
    world.write("second.json", &world.second_deployment("api").to_string());
    world.run(&["start", "second.json"]).expect(0);
    screens.take(&["rollback", "latest"]).expect(2);
    screens.take(&["rollback", "latest", "--output", "json"]).expect(2);
    insta::assert_snapshot!(screens.text());
}
