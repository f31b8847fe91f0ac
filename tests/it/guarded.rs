//! Each guard by itself: the problem appears after everything before it was checked.

use serde_json::json;

use crate::harness::World;
use crate::takeover::{newest, old_serves, put_beside};

/// Lets an instance die, and waits until the load balancer has noticed it at this place.
fn crash(world: &World, instance: &serde_json::Value, name: &str) {
    world.post("/sandbox/crash", &json!({"instance": instance["id"]}));
    world.wait_until("it is unwell", || world.state()["loadBalancers"][0]["health"][name] == false);
}

#[test]
fn an_old_backend_stays_when_the_last_other_one_dies_right_before_the_change() {
    for (point, is_drained) in [("drain-backend/not begun", false), ("remove-backend/not begun", true)] {
        let mut world = World::with(&["--no-verify", "--scenery", "plain"]);
        // On the way back, nothing serves in the set that was empty before.
        world.expects_violations = true;
        let address = put_beside(&world, &json!({"weight": 1}));
        let mut deployment = world.deployment();
        deployment["backends"] = json!([{"port": 80, "backend-set": "admin"}]);
        deployment["backend-timeout"] = json!("1s");
        world.killed_at(&["start", world.write_deployment(&deployment)], point);
        let state = world.state();
        let instances = state["instances"].as_array().expect("instances");
        let other = instances.iter().find(|one| one["address"] == address.as_str()).expect("the bystander");
        crash(&world, other, &format!("{address}:81"));
        let ran = world.run(&["resume", "latest"]).expect(3);
        assert!(ran.stderr.contains("it is the last healthy backend of the set `http`"), "{}", ran.stderr);
        let old = format!("backends/{}", instances[0]["address"].as_str().expect("an address"));
        let changes = world.changes();
        let was_changed = changes.iter().any(|change| change.starts_with("PUT") && change.contains(&old));
        assert_eq!(was_changed, is_drained, "{point}: {changes:?}");
        old_serves(&world);
    }
}

#[test]
fn an_old_instance_stays_when_the_new_one_dies_right_before_the_delete() {
    let world = World::with(&["--no-verify"]);
    put_beside(&world, &json!({"weight": 1}));
    let mut deployment = world.deployment();
    deployment["backend-timeout"] = json!("1s");
    world.killed_at(&["start", world.write_deployment(&deployment)], "retire-instance/not begun");
    let new = newest(&world);
    crash(&world, &new, &format!("{}:80", new["address"].as_str().expect("an address")));
    let ran = world.run(&["resume", "latest"]).expect(3);
    assert!(ran.stderr.contains("making sure that the new version serves"), "{}", ran.stderr);
    old_serves(&world);
}

#[test]
fn an_old_instance_stays_when_somebody_registers_it_right_before_the_delete() {
    let mut world = World::with(&["--no-verify", "--scenery", "plain"]);
    // The person who registered the backend may keep it.
    world.expects_leftovers = true;
    let file = world.write_deployment(&world.deployment());
    let old = world.state()["instances"][0].clone();
    world.killed_at(&["start", file], "retire-instance/not begun");
    let body = json!({"ipAddress": old["address"], "port": 80});
    world.post(&format!("{}/backendSets/admin/backends", world.balancer()), &body);
    world.wait_until("it is registered", || !world.backends("admin").is_empty());
    let ran = world.run(&["resume", "latest"]).expect(3);
    assert!(ran.stderr.contains("it is still the backend"), "{}", ran.stderr);
    old_serves(&world);
}
