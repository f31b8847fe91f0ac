//! The way back: what a rollback never takes away, and how a stuck rollback ends.

use serde_json::{Value, json};

use crate::harness::World;

/// A world in which a version was deployed, and the name of its deployment file.
fn deployed(options: &Value) -> (World, &'static str) {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["backend-timeout"] = json!("2s");
    deployment["poll-interval"] = json!("10ms");
    deployment["drain-delay"] = json!("20ms");
    for (name, value) in options.as_object().into_iter().flatten() {
        deployment[name] = value.clone();
    }
    let file = world.write_deployment(&deployment);
    world.run(&["start", file]).expect(0);
    (world, file)
}

/// The step on which the newest run is stuck.
fn stuck_at(world: &World) -> String {
    let run = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    let steps = run["steps"].as_array().expect("steps").iter();
    let stuck: Vec<&Value> = steps.filter(|step| step["compensation"]["status"] == "failed").collect();
    let [step] = stuck.as_slice() else { panic!("{stuck:?}") };
    step["seq"].to_string()
}

fn in_service(world: &World) -> usize {
    world.backends("http").iter().filter(|one| one["drain"] == false && one["offline"] == false).count()
}

#[test]
fn no_word_of_a_person_makes_a_rollback_take_the_only_serving_instance() {
    for word in ["done", "undone"] {
        let (mut world, _) = deployed(&json!({}));
        world.expects_leftovers = true;
        let create = json!({"method": "POST", "path": "containerInstances", "effect": "not-found"});
        world.fault(&create);
        let mut ran = world.run(&["rollback", "latest"]).expect(5);
        world.clear_faults();
        for _ in 0..8 {
            if ran.code == 0 {
                break;
            }
            let resolve =
                ["resolve", "latest", &stuck_at(&world), "--as", word, "--reason", "as the hint said"];
            world.run(&resolve).expect(0);
            ran = world.run(&["rollback", "latest"]);
            assert!([0, 5].contains(&ran.code), "{word}: {}", ran.stderr);
            assert_eq!(world.running(), ["2"], "{word}: {}", ran.stderr);
            assert_eq!(in_service(&world), 1, "{word}: {}", ran.stderr);
        }
        assert_eq!(ran.code, 0, "{word}: it comes to an end: {}", ran.stderr);
    }
}

#[test]
fn what_stays_as_a_person_said_keeps_what_it_needs() {
    let (world, _) = deployed(&json!({}));
    // The old version cannot come back: its backend stays away, and the new version is the last one that serves.
    world.fault(&json!({"method": "POST", "path": "containerInstances", "effect": "not-found"}));
    world.run(&["rollback", "latest"]).expect(5);
    world.clear_faults();
    world.run(&["resolve", "latest", "retire-instance", "--as", "done", "--reason", "x"]).expect(0);
    let stuck = world.run(&["rollback", "latest"]).expect(5);
    assert!(stuck.stderr.contains("is not registered again, as its instance stays away"), "{}", stuck.stderr);
    assert!(stuck.stderr.contains("last healthy backend"), "{}", stuck.stderr);
    assert!(stuck.stderr.contains("--as done"), "{}", stuck.stderr);
    world.run(&["resolve", "latest", "shift-set", "--as", "done", "--reason", "x"]).expect(0);
    let ended = world.run(&["rollback", "latest"]).expect(0);
    assert!(ended.stderr.contains("stays registered, as shift-set stays"), "{}", ended.stderr);
    assert!(ended.stderr.contains("stays, as shift-set stays"), "{}", ended.stderr);
    assert_eq!(world.running(), ["2"]);
    assert_eq!(in_service(&world), 1);
}

#[test]
fn an_instance_without_the_tags_of_the_run_is_not_deleted() {
    let (world, _) = deployed(&json!({}));
    let run = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    let new = run["new_instance_id"].as_str().expect("an id");
    world.put(&format!("/20210415/containerInstances/{new}"), &json!({"freeformTags": {"team": "other"}}));
    let refused = world.run(&["rollback", "latest"]).expect(5);
    assert!(refused.stderr.contains("does not carry the tag deployctl-run"), "{}", refused.stderr);
    assert!(world.running().contains(&"2".to_owned()), "{:?}", world.running());
}

#[test]
fn a_set_whose_create_was_answered_by_nobody_goes_with_the_rollback() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    let health = json!({"protocol": "HTTP", "url-path": "/", "return-code": 200});
    deployment["backends"] = json!([
        {"port": 80, "backend-set": "http"},
        {"port": 80, "backend-set": "fresh", "create": {"policy": "ROUND_ROBIN", "health-checker": health}},
    ]);
    let file = world.write_deployment(&deployment);
    world.fault(&json!({"method": "POST", "path": "/backendSets", "times": 1, "effect": "reset-after"}));
    let started = world.run(&["start", file, "--output", "json"]).expect(0).json();
    let sent =
        started["steps"].as_array().expect("steps").iter().find(|one| one["name"] == "create-backend-set");
    assert_eq!(sent.expect("the step")["result"]["was-sent"], true);
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.state()["loadBalancers"][0]["backendSets"]["fresh"], Value::Null);
}

#[test]
fn a_load_balancer_whose_reads_lag_holds_nothing_up_for_ever() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("50ms");
    let file = world.write_deployment(&deployment);
    world.post("/sandbox/habits", &json!({"read-lag-ms": 300}));
    world.run(&["start", file]).expect(0);
    let rolled = world.run(&["rollback", "latest", "--output", "json"]).expect(0).json();
    assert_eq!(rolled["status"], "rolled-back");
    assert_eq!(world.versions(), ["1"]);
    world.post("/sandbox/habits", &json!({"read-lag-ms": 0}));
    assert_eq!(in_service(&world), 1);
}

#[test]
fn an_old_version_that_cannot_come_back_comes_back_once_the_cause_is_mended() {
    let (world, _) = deployed(&json!({}));
    world.fault(
        &json!({"method": "POST", "path": "containerInstances", "times": 1, "effect": "work-request-failed"}),
    );
    let stuck = world.run(&["rollback", "latest"]).expect(5);
    assert!(stuck.stderr.contains("FAILED"), "{}", stuck.stderr);
    let failed = || world.web_servers().iter().filter(|one| one["lifecycleState"] == "FAILED").count();
    assert_eq!(failed(), 0, "what failed is deleted");
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!((world.running(), failed()), (vec!["1".to_owned()], 0));
    assert_eq!(in_service(&world), 1);
}

#[test]
fn a_stopped_old_instance_that_somebody_deleted_is_made_anew() {
    let (world, _) = deployed(&json!({"old-instance": "stop"}));
    let run = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    let old = run["old_instance_id"].as_str().expect("an id");
    world.delete(&format!("/20210415/containerInstances/{old}"));
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.running(), ["1"]);
    assert_eq!(in_service(&world), 1);
}

#[test]
fn a_run_whose_old_backend_was_out_of_service_can_be_rolled_back() {
    for flag in ["drain", "offline"] {
        let mut world = World::lonely();
        world.expects_leftovers = true;
        // Nothing served before, and nothing serves in the end.
        world.expects_violations = true;
        let file = world.write_deployment(&world.deployment());
        let balancer = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
        let name = world.backends("http")[0]["name"].as_str().expect("a name").to_owned();
        let mut flags = json!({"weight": 3, "drain": false, "backup": false, "offline": false});
        flags[flag] = json!(true);
        world.put(&format!("/20170115/loadBalancers/{balancer}/backendSets/http/backends/{name}"), &flags);
        world.wait_until("the flag is set", || world.backends("http")[0][flag] == true);
        world.run(&["start", file]).expect(0);
        assert_eq!(in_service(&world), 1, "{flag}");
        world.run(&["rollback", "latest"]).expect(0);
        let [old] = &world.backends("http")[..] else { panic!("one backend") };
        for name in ["weight", "drain", "offline"] {
            assert_eq!(old[name], flags[name], "{flag}: {name}");
        }
        assert_eq!(world.running(), ["1"], "{flag}");
    }
}

#[test]
fn a_dead_backend_at_the_address_of_the_new_instance_is_taken_over() {
    for (set, ends) in [("http", 0), ("http", 3), ("api", 3)] {
        let mut world = World::lonely();
        world.expects_strangers_touched = true;
        // The backend that was left behind is in service. The run may not drain it unless it took the backend over.
        world.expects_violations = ends == 3;
        let balancer = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
        let old = world.backends("http")[0]["ipAddress"].as_str().expect("an address").to_owned();
        let (network, _) = old.rsplit_once('.').expect("four numbers");
        let left = format!("{network}.77");
        let sets = world.state()["loadBalancers"][0]["backendSets"].clone();
        if sets[set].is_null() {
            world.post(
                &format!("/20170115/loadBalancers/{balancer}/backendSets"),
                &json!({"name": set, "policy": "ROUND_ROBIN", "healthChecker": {"protocol": "TCP"}}),
            );
            world.wait_until("the set", || !world.state()["loadBalancers"][0]["backendSets"][set].is_null());
        }
        let path = format!("/20170115/loadBalancers/{balancer}/backendSets/{set}/backends");
        world.post(&path, &json!({"ipAddress": left, "port": 80, "weight": 5}));
        world.wait_until("the dead backend", || {
            world.backends(set).iter().any(|one| one["ipAddress"] == left.as_str())
        });
        world.post("/sandbox/habits", &json!({"reuse-addresses": true}));
        let mut deployment = world.deployment();
        if ends == 3 {
            deployment["ci-config"]["containers"][0]["environment-variables"] = json!({"SANDBOX_CRASH": "1"});
        }
        let ran = world.run(&["start", world.write_deployment(&deployment)]).expect(ends);
        let expected = if ends == 0 { "2" } else { "1" };
        assert_eq!(world.versions(), [expected], "{set}: {}", ran.stderr);
        if ends == 0 {
            assert!(ran.stderr.contains("it is taken over"), "{}", ran.stderr);
            let [new] = &world.backends("http")[..] else { panic!("one backend") };
            assert_eq!((&new["ipAddress"], &new["drain"]), (&json!(left), &json!(false)));
            world.run(&["rollback", "latest"]).expect(0);
            assert_eq!(world.versions(), ["1"]);
            assert_eq!(in_service(&world), 1);
        }
    }
}
