//! The requests of a set go from the old version to the new one in one change, which replaces the set and keeps all else in it.

use serde_json::{Value, json};

use crate::harness::{Traffic, World};

/// The changes of the set and of its backends, without those that register and remove.
fn updates(world: &World) -> Vec<String> {
    let is_update = |change: &String| change.starts_with("PUT") && change.contains("/backendSets/");
    let name = |change: &String| {
        if change.contains("/backends/") {
            return "a backend".to_owned();
        }
        change.rsplit("/backendSets/").next().unwrap_or_default().to_owned()
    };
    world.changes().iter().filter(|change| is_update(change)).map(name).collect()
}

#[test]
fn a_set_is_shifted_by_one_change_and_keeps_all_that_is_not_the_runs_own() {
    let (world, file) = World::with_deployment();
    let path = format!("{}/backendSets/http", world.balancer());
    let mut set = world.get(&path);
    set["ofTomorrow"] = json!({"is": "kept"});
    set["healthChecker"]["ofTomorrow"] = json!(7);
    set["backendMaxConnections"] = json!(300);
    world.put(&path, &set);
    world.wait_until("it is there", || !world.get(&path)["ofTomorrow"].is_null());
    let mut before = world.get(&path);
    let n_before = updates(&world).len();
    let traffic = Traffic::start(world.front());
    world.run(&["start", file]).expect(0);
    assert_eq!(updates(&world)[n_before..], ["http 204"]);
    let mut after = world.get(&path);
    let others = |set: &mut Value| {
        let backends = set["backends"].as_array().expect("backends").clone();
        let own: Vec<Value> = world.backends("http");
        set["backends"] = backends.into_iter().filter(|one| !own.contains(one)).collect();
    };
    before["backends"].as_array_mut().expect("backends").remove(0);
    others(&mut after);
    assert_eq!(after, before, "the old backend apart");
    world.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
    traffic.expect_no_loss();
}

#[test]
fn a_set_that_the_cloud_does_not_take_as_a_whole_is_shifted_one_backend_at_a_time() {
    let (world, file) = World::with_deployment();
    world.one_by_one();
    let n_before = updates(&world).len();
    let traffic = Traffic::start(world.front());
    let ran = world.run(&["start", file]).expect(0);
    let told = "the set `http` cannot be changed as a whole, so its backends are changed one by one";
    assert!(ran.stderr.contains(told) && ran.stderr.contains("ofTomorrow"), "{}", ran.stderr);
    assert_eq!(updates(&world)[n_before..], ["http 400", "a backend", "a backend"]);
    world.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
    traffic.expect_no_loss();
}

#[test]
fn a_backend_that_was_accepted_right_before_the_set_was_replaced_is_put_back() {
    for pace in [50, 15, 5] {
        let (world, file) = World::with_deployment();
        world.post("/sandbox/pace", &json!({"scale": pace}));
        let waiting = json!({
            "method": "PUT", "path": "/backendSets/http", "times": 1, "effect": "other-client-waiting",
        });
        world.fault(&waiting);
        let ran = world.run(&["start", file]).expect(0);
        // On a busy machine, the time between their change and ours may pass unseen, and then a person is told to look.
        if ran.stderr.contains("see whether it is still there") {
            continue;
        }
        let told = "somebody's change of http/127.0.0.250:9 was accepted right before the set was replaced";
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        let theirs =
            |one: &Value| one["ipAddress"] == "127.0.0.250" && one["weight"] == 9 && one["offline"] == true;
        assert!(world.backends("http").iter().any(theirs), "{:?}", world.backends("http"));
        world.run(&["rollback", "latest"]).expect(0);
        assert!(
            world.backends("http").iter().any(theirs),
            "a rollback leaves it: {:?}",
            world.backends("http")
        );
        return;
    }
    panic!("the time in which their change is seen was missed at every pace");
}
