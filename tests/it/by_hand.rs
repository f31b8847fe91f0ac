//! People change the cloud in the middle of a run: they delete something, or take away a permission or a key.

use serde_json::{Value, json};

use crate::harness::{CHANGES, Ran, Traffic, World};

#[test]
fn an_instance_that_may_not_be_deleted_is_said_to_be_there_still() {
    let (mut world, file) = World::with_deployment();
    world.expects_leftovers = true;
    world.run(&["start", file]).expect(0);
    let mut deployment = world.deployment();
    deployment["retry"]["max-elapsed"] = json!("500ms");
    let file = world.write_deployment(&deployment);
    // The cloud's answer if a policy does not allow the request (docs/oci.md 1.8).
    world.fault(&json!({"method": "DELETE", "path": "/containerInstances/", "effect": "not-found"}));
    let ran = world.run(&["start", file]).expect(75);
    assert!(ran.stderr.contains("deleting the container instance: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("NotAuthorizedOrNotFound"), "{}", ran.stderr);
}

#[test]
fn a_compensation_whose_work_fails_is_tried_again() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    for (method, path) in CHANGES {
        if path.contains("/backends") {
            world
                .fault(&json!({"method": method, "path": path, "times": 2, "effect": "work-request-failed"}));
        }
    }
    world.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
}

/// Runs `start`, calls `act` when the run has reached its drain, and returns how the run ended.
fn by_hand_in_the_drain(world: &World, file: &str, act: impl FnOnce(&Value)) -> Ran {
    world.killed_at(&["start", file], "await-drain/begun");
    act(&world.state());
    world.run(&["resume", "latest"])
}

fn instance<'s>(state: &'s Value, version: &str) -> &'s str {
    let instances = state["instances"].as_array().expect("instances");
    let is_it = |one: &&Value| one["version"] == version && one["lifecycleState"] == "ACTIVE";
    instances.iter().find(is_it).expect("it is there")["id"].as_str().expect("an id")
}

#[test]
fn an_old_instance_that_somebody_deletes_in_the_middle_is_not_missed_going_forward_and_not_made_up_going_back()
 {
    let (mut world, file) = World::with_deployment();
    // The person who deletes an instance that is a backend drops requests. The run does not.
    world.expects_violations = true;
    let deleted = |state: &Value| {
        world.delete(&format!("/20210415/containerInstances/{}", instance(state, "1")));
        world.wait_until("it is gone", || world.versions() == ["2"]);
    };
    by_hand_in_the_drain(&world, file, deleted).expect(0);
    world.expect_serving("2");
    // There is nothing to go back to. The new version stays in service, and a person is told.
    let ran = world.run(&["rollback", "latest"]).expect(5);
    assert!(ran.stderr.contains("cannot be undone"), "{}", ran.stderr);
    assert_eq!(world.running(), ["2"]);
    let serving = world.backends("http").into_iter().filter(|one| one["drain"] == false).count();
    assert!(serving >= 1, "{:?}", world.backends("http"));
}

#[test]
fn a_new_instance_that_somebody_deletes_in_the_middle_leaves_the_old_one_serving() {
    // Strangers who serve in the set would be enough.
    let mut world = World::lonely();
    let file = "deployment.json";
    world.expects_violations = true;
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    deployment["backend-timeout"] = json!("1s");
    world.write_deployment(&deployment);
    let deleted = |state: &Value| {
        world.delete(&format!("/20210415/containerInstances/{}", instance(state, "2")));
        world.wait_until("it is gone", || world.versions() == ["1"]);
    };
    let ran = by_hand_in_the_drain(&world, file, deleted).expect(3);
    assert!(ran.stderr.contains("was deleted by somebody else"), "{}", ran.stderr);
    world.expect_serving("1");
}

#[test]
fn a_load_balancer_that_somebody_deletes_in_the_middle_leaves_no_instance_behind() {
    let (mut world, file) = World::with_deployment();
    // Nothing serves without it, and the bystander's backend is gone too. The run did neither.
    world.expects_violations = true;
    world.expects_leftovers = true;
    world.expects_strangers_touched = true;
    let deleted = |state: &Value| {
        let id = state["seed"]["loadBalancerId"].as_str().expect("an id");
        world.delete(&format!("/20170115/loadBalancers/{id}"));
        world.wait_until("it is gone", || world.state()["loadBalancers"][0]["lifecycleState"] == "DELETED");
    };
    let ran = by_hand_in_the_drain(&world, file, deleted).expect(3);
    assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1"], "the new instance is deleted, the old one stays");
}

#[test]
fn a_key_that_is_revoked_in_the_middle_suspends_the_run_and_is_no_answer_about_a_request() {
    let (world, file) = World::with_deployment();
    let traffic = Traffic::start(world.front());
    world.fault(&json!({"method": "PUT", "path": "/backendSets/", "effect": "401"}));
    let ran = world.run(&["start", file]).expect(75);
    assert!(ran.stderr.contains("401"), "{}", ran.stderr);
    world.run(&["resume", "latest"]).expect(75);
    world.clear_faults();
    world.run(&["resume", "latest"]).expect(0);
    world.fault(&json!({"method": "DELETE", "path": "/containerInstances/", "effect": "401"}));
    world.run(&["rollback", "latest"]).expect(75);
    world.clear_faults();
    world.run(&["resume", "latest"]).expect(0);
    world.expect_serving("1");
    // Whether the create arrived is unknown: a 401 does not say that it did not.
    world.killed_at(&["start", file], "create-instance/CreateContainerInstance unsent");
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "401"}));
    world.run(&["rollback", "latest"]).expect(75);
    world.clear_faults();
    world.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
    traffic.expect_no_loss();
    // Before anything is changed, a 401 means that the configuration is wrong.
    world.fault(&json!({"path": "/20", "effect": "401"}));
    world.run(&["start", file]).expect(2);
}
