//! A new version that dies, or is healthy only for a moment: the old one stays, whatever else is in the set.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::harness::{Ran, Traffic, World};

/// Puts somebody else's server into the set, with these flags, and waits until it is healthy.
pub(crate) fn put_beside(world: &World, flags: &Value) -> String {
    let state = world.state();
    let instances = state["instances"].as_array().expect("instances");
    let other = instances.iter().find(|one| one["displayName"] == "bystander").expect("the bystander");
    let address = other["address"].as_str().expect("an address").to_owned();
    let mut body = json!({"ipAddress": address, "port": 81});
    for (name, value) in flags.as_object().expect("flags") {
        body[name] = value.clone();
    }
    world.post(&format!("{}/backendSets/http/backends", world.balancer()), &body);
    let name = format!("{address}:81");
    world.wait_until("the other one is well", || world.state()["loadBalancers"][0]["health"][&name] == true);
    address
}

/// The newest instance of the web server.
pub(crate) fn newest(world: &World) -> Value {
    let state = world.state();
    let mut own: Vec<Value> = state["instances"]
        .as_array()
        .expect("instances")
        .iter()
        .filter(|one| one["displayName"] == "webserver")
        .cloned()
        .collect();
    own.sort_by_key(|one| one["id"].as_str().map(ToOwned::to_owned));
    own.pop().expect("one")
}

fn begin(world: &World, file: &str) -> Child {
    world.command(&["start", file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
}

fn end(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().expect("ends"))
}

#[track_caller]
fn until_begun(world: &World, step: &str) {
    world.wait_until(&format!("{step} is begun"), || {
        world.steps().iter().any(|(name, status)| name == step && status == "begun")
    });
}

fn is_well(world: &World, instance: &Value) -> bool {
    let name = format!("{}:80", instance["address"].as_str().expect("an address"));
    world.state()["loadBalancers"][0]["health"][&name] == true
}

/// The old version serves as before, and no other resource of ours exists.
#[track_caller]
pub(crate) fn old_serves(world: &World) {
    assert_eq!(world.versions(), ["1"]);
    let backends = world.backends("http");
    let old = world.state()["instances"][0]["address"].clone();
    let own = backends.iter().find(|backend| backend["ipAddress"] == old).expect("the old one's backend");
    assert_eq!((&own["drain"], &own["port"]), (&json!(false), &json!(80)), "{backends:?}");
}

#[test]
fn a_new_version_that_dies_after_the_drain_does_not_take_the_old_one_with_it() {
    for beside in [json!({"weight": 1}), json!({"weight": 1, "backup": true})] {
        for dies in [json!({}), json!({"exit-code": 7, "log": "out of memory\n"})] {
            let world = World::with(&["--no-verify"]);
            put_beside(&world, &beside);
            let mut deployment = world.deployment();
            deployment["drain-delay"] = json!("2s");
            deployment["backend-timeout"] = json!("3s");
            let child = begin(&world, world.write_deployment(&deployment));
            until_begun(&world, "await-drain");
            let mut who = dies.clone();
            who["instance"] = newest(&world)["id"].clone();
            world.post("/sandbox/crash", &who);
            let ran = end(child).expect(3);
            let expected = if dies["exit-code"].is_null() {
                "making sure that the new version serves"
            } else {
                "container `web` exited with code 7 and was restarted 1 times; its last lines: out of memory"
            };
            assert!(ran.stderr.contains(expected), "{beside} {dies}: {}", ran.stderr);
            old_serves(&world);
            assert_eq!(world.backends("http").len(), 2, "{beside} {dies}");
        }
    }
}

#[test]
fn a_new_version_that_dies_before_the_old_one_is_drained_leaves_it_in_service() {
    let world = World::with(&["--no-verify"]);
    world.one_by_one();
    put_beside(&world, &json!({"weight": 1}));
    let mut deployment = world.deployment();
    deployment["backend-timeout"] = json!("2s");
    let traffic = Traffic::start(world.front());
    // The slow request delays the run, so that it reaches the drain after this time.
    world.fault(
        &json!({"method": "PUT", "path": "/backends/", "times": 1, "effect": "slow", "delay_ms": 1500}),
    );
    let child = begin(&world, world.write_deployment(&deployment));
    until_begun(&world, "admit-backend");
    world.post("/sandbox/crash", &json!({"instance": newest(&world)["id"], "exit-code": 1}));
    let ran = end(child).expect(3);
    assert!(ran.stderr.contains("container `web` exited with code 1"), "{}", ran.stderr);
    let drained = world.changes();
    let old = world.state()["instances"][0]["address"].as_str().expect("an address").to_owned();
    let of_old = drained.iter().filter(|change| change.contains(&format!("backends/{old}"))).count();
    assert_eq!(of_old, 0, "the old one was not touched: {drained:?}");
    old_serves(&world);
    traffic.stop();
}

#[test]
fn a_set_that_would_keep_only_a_backup_or_nobody_in_service_is_refused() {
    for (beside, expected) in [
        (json!({"backup": true, "weight": 1}), "the set `http` would be left without a backend but a backup"),
        (json!({"drain": true, "weight": 1}), "the set `http` would be left without a backend:"),
        (json!({"offline": true, "weight": 1}), "the set `http` would be left without a backend:"),
    ] {
        let world = World::with(&["--no-verify", "--scenery", "plain"]);
        put_beside(&world, &beside);
        let mut deployment = world.deployment();
        deployment["backends"] = json!([{"port": 80, "backend-set": "admin"}]);
        let before = world.changes().len();
        let ran = world.run(&["start", world.write_deployment(&deployment)]).expect(2);
        assert!(ran.stderr.contains(expected), "{beside}: {}", ran.stderr);
        assert_eq!(world.changes().len(), before, "{beside}: nothing was changed");
    }
    // Another backend that takes the same requests is enough.
    let world = World::with(&["--no-verify", "--scenery", "plain"]);
    put_beside(&world, &json!({"weight": 1}));
    let mut deployment = world.deployment();
    deployment["backends"] = json!([{"port": 80, "backend-set": "admin"}]);
    world.run(&["start", world.write_deployment(&deployment)]).expect(0);
    assert_eq!(world.backends("http").len(), 1);
}

#[test]
fn a_backend_must_stay_well_for_as_long_as_is_asked() {
    let world = World::new();
    let mut deployment = world.deployment();
    deployment["min-ready"] = json!("30s");
    deployment["backend-timeout"] = json!("1s");
    let child = begin(&world, world.write_deployment(&deployment));
    until_begun(&world, "await-backends");
    world.wait_until("the new one is well", || is_well(&world, &newest(&world)));
    // A process that hangs is not restarted. Only its health checks show it.
    world.post("/sandbox/crash", &json!({"instance": newest(&world)["id"]}));
    let ran = end(child).expect(3);
    assert!(ran.stderr.contains("is CRITICAL"), "{}", ran.stderr);
    assert!(ran.stderr.contains("was OK before, but never for 30s"), "{}", ran.stderr);
    old_serves(&world);
}

#[test]
fn the_wait_that_follows_the_first_good_check_is_not_part_of_the_timeout() {
    let world = World::new();
    let mut deployment = world.deployment();
    deployment["min-ready"] = json!("2s");
    deployment["backend-timeout"] = json!("1500ms");
    let ran = world.run(&["start", world.write_deployment(&deployment), "--output", "json"]).expect(0).json();
    let steps = ran["steps"].as_array().expect("steps").iter();
    let waited = steps.filter(|step| step["name"] == "await-backends").map(|step| {
        let at = |name: &str| {
            let text = step[name].as_str().expect("a time");
            chrono::DateTime::parse_from_rfc3339(text).expect("a time")
        };
        at("finished_at") - at("started_at")
    });
    let waited = waited.sum::<chrono::TimeDelta>();
    assert!(waited >= chrono::TimeDelta::seconds(2), "the checks were waited for {waited}");
}

#[test]
fn a_new_version_that_dies_while_its_checks_are_waited_for_ends_the_wait() {
    for (dies, expected) in [
        (json!({"exit-code": 3, "log": "no database\n"}), "exited with code 3 and was restarted 1 times"),
        (Value::Null, "was deleted by somebody else"),
    ] {
        let world = World::with(&["--no-verify"]);
        let mut deployment = world.deployment();
        deployment["backend-timeout"] = json!("10m");
        deployment["ci-config"]["containers"][0]["environment-variables"] =
            json!({"SANDBOX_HEALTH": "failing", "PASSWORD": "no database"});
        let child = begin(&world, world.write_deployment(&deployment));
        until_begun(&world, "await-backends");
        let id = newest(&world)["id"].clone();
        if dies.is_null() {
            // A person deletes it by hand although it is a backend.
            let mut world = world;
            world.expects_violations = true;
            world.delete(&format!("/20210415/containerInstances/{}", id.as_str().expect("an id")));
            let ran = end(child).expect(3);
            assert!(ran.stderr.contains(expected), "{}", ran.stderr);
            old_serves(&world);
        } else {
            let mut who = dies;
            who["instance"] = id;
            world.post("/sandbox/crash", &who);
            let ran = end(child).expect(3);
            assert!(ran.stderr.contains(expected), "{}", ran.stderr);
            assert!(ran.stderr.contains("its last lines: ***"), "{}", ran.stderr);
            old_serves(&world);
        }
    }
}

#[test]
fn a_set_that_is_checked_all_the_same_is_waited_for() {
    let world = World::with(&["--no-verify"]);
    let mut deployment = world.deployment();
    deployment["backend-timeout"] = json!("3s");
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({"SANDBOX_HEALTH": "failing"});
    deployment["ci-filter"] = json!({"display-name": "nobody"});
    let checker = json!({"protocol": "HTTP", "url-path": "/", "return-code": 200});
    deployment["backends"] = json!([
        {"port": 70, "backend-set": "fresh", "create": {"policy": "ROUND_ROBIN", "health-checker": checker}},
    ]);
    let child = begin(&world, world.write_deployment(&deployment));
    until_begun(&world, "await-backends");
    // Nobody knew of the listener when the run looked.
    let listener = json!({"name": "late", "defaultBackendSetName": "fresh", "port": 82, "protocol": "HTTP"});
    world.post(&format!("{}/listeners", world.balancer()), &listener);
    let ran = end(child).expect(3);
    assert!(ran.stderr.contains("not healthy within 3s: fresh/"), "{}", ran.stderr);
    assert!(ran.stderr.contains("is CRITICAL (INVALID_STATUS_CODE"), "{}", ran.stderr);
    old_serves(&world);
}

#[test]
fn a_backend_that_not_every_node_reaches_is_not_admitted_and_it_is_said_why() {
    let world = World::with(&["--no-verify"]);
    world.post("/sandbox/habits", &json!({"health": "warning"}));
    let mut deployment = world.deployment();
    deployment["backend-timeout"] = json!("1s");
    let ran = world.run(&["start", world.write_deployment(&deployment)]).expect(3);
    assert!(ran.stderr.contains("is WARNING"), "{}", ran.stderr);
    assert!(ran.stderr.contains("let all of them in"), "{}", ran.stderr);
    old_serves(&world);
}

#[test]
fn a_load_balancer_that_does_not_check_drained_backends_is_told_of_with_the_way_on() {
    let world = World::with(&["--no-verify"]);
    world.post("/sandbox/habits", &json!({"drained-backends": "unchecked"}));
    let mut deployment = world.deployment();
    deployment["backend-timeout"] = json!("1s");
    let ran = world.run(&["start", world.write_deployment(&deployment)]).expect(3);
    assert!(ran.stderr.contains("say `register: active`"), "{}", ran.stderr);
    old_serves(&world);
    deployment["backend-timeout"] = json!("5s");
    deployment["register"] = json!("active");
    world.run(&["start", world.write_deployment(&deployment)]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}
