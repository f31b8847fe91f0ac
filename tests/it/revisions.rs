//! The versions of a deployment that have served: listed, and rolled out again.

use serde_json::{Value, json};

use crate::harness::{Ran, World};

const SECRET: &str = "hunter2-of-revision-1";

fn revisions(world: &World, deployment: &str) -> Value {
    world.run(&["revisions", deployment, "--output", "json"]).expect(0).json()
}

/// Each revision's number, status and image.
fn told(listed: &Value) -> Vec<(i64, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let all = listed["revisions"].as_array().expect("revisions").iter();
    let told = all.map(|one| {
        let status = match one["replaced_by"].as_i64() {
            Some(by) => format!("replaced by {by}"),
            None => text(&one["status"]),
        };
        let image = text(&one["images"][0]["reference"]).replace("docker.io/library/", "");
        (one["revision"].as_i64().expect("a number"), status, image)
    });
    told.collect()
}

fn one(number: i64, status: &str, image: &str) -> (i64, String, String) {
    (number, status.to_owned(), image.to_owned())
}

#[test]
fn each_revision_tells_what_became_of_it() {
    let world = World::hurried();
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let pinned = format!("4@{digest}");
    let start = |version: &str| {
        let file = world.write_deployment(&world.deployment_of(version));
        world.run(&["start", file, "--reason", &format!("version {version}")])
    };
    assert_eq!(world.run(&["revisions", "webserver"]).code, 2, "there is no journal");
    start("2").expect(0);
    start("3").expect(0);
    world.run(&["rollback", "latest"]).expect(0);
    // A run that is refused is none.
    world.run(&["start", "deployment.json", "--replace", "ocid1.computecontainerinstance.oc1..no"]).expect(2);
    start(&pinned).expect(0);
    let listed = revisions(&world, "deployment.json");
    let (current, image) = (one(4, "current", &format!("httpd:{pinned}")), "httpd:2");
    assert_eq!(told(&listed), [current, one(2, "rolled-back", "httpd:3"), one(1, "replaced by 4", image)]);
    let newest = &listed["revisions"][0];
    assert_eq!(newest["images"][0]["digest"], digest);
    assert_eq!(newest["start_reason"], format!("version {pinned}"));
    assert!(newest["in_service_at"].is_string() && newest["finished_at"].is_string(), "{newest}");
    // The rollback has created an instance in place of the first one, which served until it was replaced.
    let history = world.run(&["history", "--output", "json"]).expect(0).json();
    let runs = history["runs"].as_array().expect("runs");
    assert_eq!(listed["revisions"][2]["instance_id"], runs[2]["restored_instance_id"]);
    // By its name, and by the name with its target.
    let name = listed["deployment"].as_str().expect("a name");
    assert!(name.starts_with("webserver@"), "{name}");
    assert_eq!((&revisions(&world, "webserver"), &revisions(&world, name)), (&listed, &listed));
    let ran = world.run(&["revisions", "nobody"]).expect(2);
    assert!(ran.stderr.contains("there are runs of webserver@"), "{}", ran.stderr);
}

#[test]
fn a_revision_whose_instance_was_destroyed_is_not_current() {
    let mut world = World::hurried();
    world.expects_violations = true;
    let file = world.write_deployment(&world.deployment());
    let run = world.run(&["start", file, "--output", "json"]).expect(0).json();
    let id = run["new_instance_id"].as_str().expect("an id");
    world.run(&["destroy", file, "--id", id]).expect(0);
    let listed = revisions(&world, "webserver");
    assert_eq!(told(&listed), [one(1, "taken-away", "httpd:2")]);
    let newest = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    assert_eq!(listed["revisions"][0]["taken_away_by"], newest["run_id"]);
    let ran = world.run(&["restart", "webserver"]).expect(2);
    assert!(ran.stderr.contains("has no current revision"), "{}", ran.stderr);
}

/// A deployment of a version with a secret that is in the environment of its start alone.
fn with_a_secret(world: &World, version: u32) {
    let mut deployment = world.deployment_of(version);
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({"PASSWORD": "PLACE"});
    let edn = deployment.to_string().replace("\":", "\" ").replace("\"PLACE\"", "#env PASSWORD");
    world.write("web.edn", &edn);
    let started =
        world.command(&["start", "web.edn"]).env("PASSWORD", format!("{SECRET}-{version}")).output();
    Ran::of(&started.expect("starts")).expect(0);
}

/// The password in the environment of the only instance.
fn password(world: &World) -> String {
    let there: Vec<Value> =
        world.web_servers().into_iter().filter(|one| one["lifecycleState"] == "ACTIVE").collect();
    let [instance] = &there[..] else { panic!("{there:#?}") };
    let instance =
        world.get(&format!("/20210415/containerInstances/{}", instance["id"].as_str().expect("an id")));
    let id = instance["containers"][0]["containerId"].as_str().expect("an id").to_owned();
    let container = world.get(&format!("/20210415/containers/{id}"));
    container["environmentVariables"]["PASSWORD"].as_str().expect("a password").to_owned()
}

#[test]
fn an_earlier_revision_is_rolled_out_again_with_its_secrets_when_its_instances_are_gone() {
    let world = World::hurried();
    with_a_secret(&world, 2);
    with_a_secret(&world, 3);
    world.run(&["rollback", "webserver", "--to", "7"]).expect(2);
    let ran = world.run(&["rollback", "webserver", "--to", "1", "--reason", "3 is slow", "-vv"]).expect(0);
    assert!(!(ran.stdout + &ran.stderr).contains(SECRET));
    world.expect_serving("2");
    assert_eq!(password(&world), format!("{SECRET}-2"));
    let listed = revisions(&world, "webserver");
    let (back, middle) = (one(3, "current", "httpd:2"), one(2, "replaced by 3", "httpd:3"));
    assert_eq!(told(&listed), [back, middle, one(1, "replaced by 2", "httpd:2")]);
    let [newest, second, first] = [0, 1, 2].map(|n| &listed["revisions"][n]);
    assert_eq!((&newest["repeats_run_id"], &newest["start_reason"]), (&first["run_id"], &json!("3 is slow")));
    // By the run of the revision. What was rolled out again is a run as any other, and can be undone.
    let run = second["run_id"].as_str().expect("an id");
    world.run(&["rollback", "webserver", "--to", &run[..8]]).expect(0);
    world.expect_serving("3");
    assert_eq!(password(&world), format!("{SECRET}-3"));
    world.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("2");
    assert_eq!(password(&world), format!("{SECRET}-2"));
}

#[test]
fn a_restart_replaces_the_instance_by_another_one_of_the_same_specification() {
    let world = World::hurried();
    with_a_secret(&world, 2);
    let before = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    // What the file says by now does not matter.
    world.write_deployment(&world.deployment_of(3));
    let ran =
        world.run(&["restart", "webserver", "--reason", "it leaks", "--output", "json"]).expect(0).json();
    world.expect_serving("2");
    assert_eq!(password(&world), format!("{SECRET}-2"));
    assert_eq!(ran["old_instance_id"], before["new_instance_id"]);
    assert_ne!(ran["new_instance_id"], before["new_instance_id"]);
    assert_eq!((&ran["repeats_run_id"], &ran["start_reason"]), (&before["run_id"], &json!("it leaks")));
    // Nothing of the earlier run says which instance is replaced today.
    let id = ran["new_instance_id"].as_str().expect("an id");
    let named =
        world.run(&["start", "deployment.json", "--replace", id, "--output", "json"]).expect(0).json();
    let again = world.run(&["restart", "webserver", "--output", "json"]).expect(0).json();
    assert_eq!(again["old_instance_id"], named["new_instance_id"]);
    world.expect_serving("3");
}
