//! Runs that an earlier version journaled can still be resumed and rolled back.

use std::path::Path;

use serde_json::Value;

use crate::harness::{World, portion};

/// The runs that were killed in the middle, by the name of their service.
const OPEN: [&str; 4] = ["create", "drain", "remove", "retire"];

/// The cloud that the runs left, and their journal.
fn world() -> World {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-e2e6ab6");
    let mut world = World::restored(&fixture.join("state.json"));
    // Runs that are not continued leave their resources behind.
    world.expects_leftovers = !crate::IS_WHOLE;
    for name in ["journal.db", "journal.db.key"] {
        world.keep(&fixture.join(name), &format!(".local/state/deployctl/{name}"));
    }
    world
}

/// The run of a service.
#[track_caller]
fn run_of(world: &World, service: &str) -> String {
    let listed = world.run(&["history", "--output", "json"]).expect(0).json();
    let runs = listed["runs"].as_array().expect("runs");
    let run = runs.iter().find(|run| run["name"] == service).expect("the run of this service");
    run["run_id"].as_str().expect("an id").to_owned()
}

/// Makes sure that only this version of the service exists, and serves as it did in the beginning.
#[track_caller]
fn expect_serving(world: &World, service: &str, version: &str) {
    let state = world.state();
    let instances = state["instances"].as_array().expect("instances").iter();
    let there: Vec<&Value> =
        instances.filter(|one| one["displayName"] == service && one["lifecycleState"] != "DELETED").collect();
    let [instance] = there[..] else { panic!("{service}: {there:#?}") };
    assert_eq!(
        (&instance["version"], &instance["lifecycleState"]),
        (&version.into(), &"ACTIVE".into()),
        "{service}"
    );
    let set = if service == "webserver" { "http" } else { service };
    let backends = world.backends(set);
    let [backend] = &backends[..] else { panic!("{service}: {backends:#?}") };
    assert_eq!(backend["ipAddress"], instance["address"], "{service}");
    assert_eq!(backend["drain"], false, "{service}");
    let weight = if set == "http" { 1 } else { 3 };
    assert_eq!(backend["weight"], weight, "{service}");
}

#[test]
fn open_runs_of_an_earlier_version_are_resumed_to_their_end() {
    let world = world();
    for service in portion(OPEN, 2) {
        world.run(&["resume", &run_of(&world, service), "--endpoint", world.url()]).expect(0);
        expect_serving(&world, service, "2");
    }
    // A run that has failed or ended cannot be resumed.
    for service in ["halted", "webserver"] {
        world.run(&["resume", &run_of(&world, service), "--endpoint", world.url()]).expect(2);
    }
    expect_serving(&world, "webserver", "2");
    world.run(&["rollback", &run_of(&world, "halted"), "--endpoint", world.url()]).expect(0);
    expect_serving(&world, "halted", "1");
}

#[test]
fn runs_of_an_earlier_version_are_rolled_back_however_they_ended() {
    let world = world();
    for service in portion(OPEN.into_iter().chain(["halted", "webserver"]), 2) {
        world.run(&["rollback", &run_of(&world, service), "--endpoint", world.url()]).expect(0);
        expect_serving(&world, service, "1");
    }
}

/// This version resumes and rolls back the run, of which the other version carried out half of the steps.
#[test]
fn a_run_that_two_versions_have_driven_is_rolled_back() {
    let world = world();
    for service in portion(OPEN, 1) {
        let run = run_of(&world, service);
        world.run(&["resume", &run, "--endpoint", world.url()]).expect(0);
        world.run(&["rollback", &run, "--endpoint", world.url()]).expect(0);
        expect_serving(&world, service, "1");
    }
    world.run(&["rollback", &run_of(&world, "halted"), "--endpoint", world.url()]).expect(0);
}

#[test]
fn what_an_earlier_version_deployed_is_rolled_out_again_by_a_run_of_this_version() {
    let mut world = world();
    // The open runs of the fixture are not continued here.
    world.expects_leftovers = true;
    let listed = world.run(&["revisions", "webserver", "--output", "json"]).expect(0).json();
    let revision = &listed["revisions"][0];
    assert_eq!((&revision["status"], &revision["images"]), (&"current".into(), &serde_json::json!([])));
    let run =
        world.run(&["restart", "webserver", "--endpoint", world.url(), "--output", "json"]).expect(0).json();
    assert_eq!(
        (&run["repeats_run_id"], &run["old_instance_id"]),
        (&revision["run_id"], &revision["instance_id"])
    );
    assert_eq!(run["new_image"], "docker.io/library/httpd:2");
    assert!(run["in_service_at"].is_string(), "it goes the ways of this version: {run}");
    expect_serving(&world, "webserver", "2");
}
