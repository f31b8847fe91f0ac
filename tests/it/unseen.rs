//! A 404 says that something does not exist, or not yet, or not for us. It is believed only when that is certain.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::harness::{Ran, World};

/// The calls of a run for resources whose ids it holds.
const HELD: [(&str, &str); 9] = [
    ("GET", "/loadBalancerWorkRequests/"),
    ("GET", "/workRequests"),
    ("GET", "/20170115/loadBalancers/"),
    ("PUT", "/backendSets/"),
    ("DELETE", "/backends/"),
    ("GET", "/containerInstances/"),
    ("GET", "/containers/"),
    ("GET", "/vnics/"),
    ("DELETE", "/containerInstances/"),
];

fn not_found(world: &World, skip: u32, times: u32) {
    for (method, path) in HELD {
        world.fault(
            &json!({"method": method, "path": path, "skip": skip, "times": times, "effect": "not-found"}),
        );
    }
}

fn n_not_found(world: &World) -> usize {
    let audit = world.audit();
    audit["entries"].as_array().expect("entries").iter().filter(|entry| entry["status"] == 404).count()
}

#[test]
fn what_is_not_to_be_seen_for_a_moment_is_looked_for_again() {
    for (skip, times) in [(0, 1), (1, 4)] {
        let world = World::hurried();
        not_found(&world, skip, times);
        world.run(&["start", world.write_deployment(&world.deployment())]).expect(0);
        assert_eq!(world.versions(), ["2"], "{times}");
        let n_forwards = n_not_found(&world);
        assert!(n_forwards >= HELD.len(), "{times}: {n_forwards} answers were 404");
        world.clear_faults();
        not_found(&world, skip, times);
        world.run(&["rollback", "latest"]).expect(0);
        assert_eq!(world.versions(), ["1"], "{times}");
        assert_eq!(world.backends("http")[0]["drain"], false, "{times}");
        assert!(n_not_found(&world) > n_forwards, "{times}");
    }
}

#[test]
fn work_that_is_never_to_be_seen_is_known_by_what_it_did() {
    let mut world = World::hurried();
    // Nothing served there before.
    world.expects_violations = true;
    let mut deployment = world.deployment();
    deployment["ci-filter"] = json!({"display-name": "nobody"});
    deployment["backends"] = json!([{"port": 9090, "backend-set": "admin"}]);
    deployment["retry"]["max-elapsed"] = json!("1m");
    world.fault(&json!({"method": "GET", "path": "/loadBalancerWorkRequests/", "effect": "not-found"}));
    world.run(&["start", world.write_deployment(&deployment)]).expect(0);
    assert_eq!(world.backends("admin")[0]["drain"], false);
}

#[test]
fn what_stays_unseen_fails_forwards_and_is_suspended_backwards() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["retry"]["max-elapsed"] = json!("300ms");
    deployment["old-instance"] = json!("stop");
    let file = world.write_deployment(&deployment);
    world.fault(&json!({"method": "POST", "path": "/actions/stop", "effect": "not-found"}));
    let ran = world.run(&["start", file]).expect(3);
    assert!(ran.stderr.contains("NotAuthorizedOrNotFound"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1"]);
    world.clear_faults();

    // A new resource is not given up because its delete is answered with 404.
    world.fault(&json!({"method": "DELETE", "path": "/backends/", "effect": "not-found"}));
    let ran = world.run(&["start", file]).expect(75);
    assert!(ran.stderr.contains("removing the new backend"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1", "2"]);
    world.clear_faults();
    let resumed = world.run(&["resume", "latest", "--output", "json"]).json();
    assert_eq!(resumed["status"], "rolled-back");
    assert_eq!(world.versions(), ["1"]);

    // Before anything was changed, there is nothing to take back.
    world.fault(&json!({"method": "GET", "path": "/vnics/", "effect": "not-found"}));
    world.run(&["start", file]).expect(2);
    world.clear_faults();

    // A create refers to things that the user named, so the answer is final.
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "not-found"}));
    let before = world.changes().len();
    world.run(&["start", file]).expect(3);
    assert_eq!(world.changes().len(), before + 1, "{:?}", world.changes());
}

fn begin(world: &World, file: &str) -> Child {
    world.command(&["start", file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
}

#[test]
fn a_backend_that_somebody_removes_right_before_the_change_is_a_goal_reached() {
    // Once while the change is on its way, and once before it is sent.
    for (delay_ms, step) in [(2000, "drain-backend"), (0, "await-drain")] {
        let mut world = World::with(&["--no-verify"]);
        world.one_by_one();
        // The other client makes two changes at once.
        world.expects_violations = true;
        world.post("/sandbox/habits", &json!({"if-match": "applied"}));
        let old = world.backends("http")[0]["name"].as_str().expect("a name").to_owned();
        world.fault(&json!({
            "method": "PUT", "path": "/backends/", "skip": 1, "times": 1, "effect": "slow", "delay_ms": delay_ms,
        }));
        let mut deployment = world.deployment();
        deployment["drain-delay"] = json!("2s");
        let child = begin(&world, world.write_deployment(&deployment));
        world.wait_until(&format!("{step} is begun"), || {
            world.steps().iter().any(|(name, status)| name == step && status == "begun")
        });
        let id = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
        world.delete(&format!("/20170115/loadBalancers/{id}/backendSets/http/backends/{old}"));
        Ran::of(&child.wait_with_output().expect("ends")).expect(0);
        assert_eq!(world.versions(), ["2"], "{step}");
        let backends = world.backends("http");
        let is_there = |backend: &Value| backend["name"] == old.as_str();
        assert!(!backends.iter().any(is_there), "{step}: {backends:?}");
    }
}

#[test]
fn an_old_instance_that_is_not_to_be_seen_for_a_moment_is_deleted_all_the_same() {
    let (world, file) = World::with_deployment();
    let old = world.web_servers()[0]["id"].as_str().expect("an id").to_owned();
    world.killed_at(&["start", file], "retire-instance/not begun");
    let path = format!("/containerInstances/{old}");
    world.fault(&json!({"method": "GET", "path": path, "times": 1, "effect": "not-found"}));
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}
