//! `prune`: what earlier runs left behind is found, and only that is taken away.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Ran, World};

const INSTANCES: &str = "/20210415/containerInstances";

/// A deployment of this version that keeps its predecessor.
fn deployment(world: &World, version: &str) -> &'static str {
    let mut deployment = world.deployment_of(version);
    deployment["old-instance"] = json!("keep");
    deployment["ci-filter"] = json!({"display-name": "webserver", "freeform-tags": {"env": "prod"}});
    world.write_deployment(&deployment)
}

/// Version 3 serves, and version 2 of an earlier run was left behind without a mark.
fn with_a_leftover() -> (World, &'static str, String) {
    let mut world = World::hurried();
    // The seeded instance stays, and so does what is not pruned.
    world.expects_leftovers = true;
    world.run(&["start", deployment(&world, "2")]).expect(0);
    let file = deployment(&world, "3");
    let started = world.run(&["start", file, "--output", "json"]).expect(0).json();
    let left = started["old_instance_id"].as_str().expect("an id").to_owned();
    let path = format!("{INSTANCES}/{left}");
    let mut tags = world.get(&path)["freeformTags"].clone();
    tags.as_object_mut().expect("tags").remove("deployctl-kept").expect("it was kept");
    world.put(&path, &json!({"freeformTags": tags}));
    world.wait_until("it has no mark", || world.get(&path)["freeformTags"]["deployctl-kept"].is_null());
    (world, file, left)
}

/// The address of an instance.
fn address(world: &World, id: &str) -> String {
    let vnic = world.get(&format!("{INSTANCES}/{id}"))["vnics"][0]["vnicId"].clone();
    let vnic = vnic.as_str().expect("an id");
    world.get(&format!("/20160918/vnics/{vnic}"))["privateIp"].as_str().expect("an address").to_owned()
}

/// Registers a backend by hand.
fn register(world: &World, address: &str, drain: bool) {
    let backends = format!("{}/backendSets/http/backends", world.balancer());
    let n_before = world.backends("http").len();
    world.post(&backends, &json!({"ipAddress": address, "port": 80, "drain": drain}));
    world.wait_until("it is registered", || world.backends("http").len() == n_before + 1);
}

fn found(world: &World, args: &[&str]) -> Vec<Value> {
    let ran = world.run(&[&["prune"], args, &["--output", "json"]].concat()).expect(0).json();
    assert_eq!(ran["deleted"], false);
    ran["unused"].as_array().expect("a list").clone()
}

fn is_gone(world: &World, id: &str) -> bool {
    world.web_servers().iter().all(|one| one["id"] != id || one["lifecycleState"] == "DELETED")
}

#[test]
fn what_an_earlier_run_left_behind_is_listed_and_taken_away_when_that_is_meant() {
    let (world, file, left) = with_a_leftover();
    assert_eq!(found(&world, &[file]), Vec::<Value>::new(), "it is younger than a day");
    let before = world.changes();
    let listed = found(&world, &[file, "--older-than", "0s"]);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["instance_id"], left);
    assert_eq!(listed[0]["status"], "ACTIVE");
    assert_eq!(listed[0]["shape"], "CI.Standard.E4.Flex, 1 OCPU, 2 GB");
    let told = world.run(&["prune", file, "--older-than", "0s"]).expect(0);
    assert!(told.stdout.contains(&left) && told.stdout.contains("made by run "), "{}", told.stdout);
    assert!(told.stderr.contains("1 instance that nobody uses; --yes takes them away"), "{}", told.stderr);
    assert_eq!(world.changes(), before, "listing changes nothing");
    world.run(&["prune", file, "--older-than", "0s", "--yes"]).expect(0);
    assert!(is_gone(&world, &left));
    // The seeded instance has a mark.
    assert_eq!(world.versions(), ["1", "3"]);
    assert_eq!(world.backends("http").len(), 1);
    let none = world.run(&["prune", file, "--older-than", "0s", "--yes"]).expect(0);
    assert!(none.stderr.contains("0 instances that nobody uses"), "{}", none.stderr);
}

#[test]
fn one_that_is_drained_is_removed_first_and_a_killed_pruning_goes_on() {
    let (world, file, left) = with_a_leftover();
    let address = address(&world, &left);
    register(&world, &address, true);
    let listed = found(&world, &[file, "--older-than", "0s"]);
    let place = format!("is drained in `http` as {address}:80");
    assert_eq!(listed[0]["backends"], json!([place]));
    let args = ["prune", file, "--older-than", "0s", "--yes"];
    world.killed_at(&args, "retire-instance/begun");
    assert_eq!(world.backends("http").len(), 1);
    world.run(&["resume", "latest"]).expect(0);
    assert!(is_gone(&world, &left));
    assert_eq!(world.backends("http").len(), 1);
}

#[test]
fn what_a_run_that_is_not_over_has_made_stays() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    let file = deployment(&world, "2");
    world.run(&["start", file]).expect(0);
    world.killed_at(&["start", deployment(&world, "3")], "register-backend/begun");
    assert_eq!(found(&world, &[file, "--older-than", "0s"]), Vec::<Value>::new());
    // A machine without the journal knows the age alone.
    let elsewhere = found(&world, &[file, "--older-than", "0s", "--journal", "other.db"]);
    assert_eq!(elsewhere.len(), 1, "{elsewhere:?}");
    assert_eq!(found(&world, &[file, "--journal", "other.db"]), Vec::<Value>::new());
    world.run(&["rollback", "latest"]).expect(0);
}

#[test]
fn nothing_is_taken_away_while_no_version_serves() {
    let (mut world, file, left) = with_a_leftover();
    world.expects_violations = true;
    let name = world.backends("http")[0]["name"].as_str().expect("a name").to_owned();
    let backend = format!("{}/backendSets/http/backends/{name}", world.balancer());
    world.put(&backend, &json!({"weight": 1, "backup": false, "drain": true, "offline": false}));
    world.wait_until("it is drained", || world.backends("http")[0]["drain"] == true);
    let before = world.changes();
    let ran = world.run(&["prune", file, "--older-than", "0s", "--yes"]).expect(2);
    assert!(ran.stderr.contains("serves: nothing is taken away while that is so"), "{}", ran.stderr);
    assert_eq!(world.changes(), before);
    assert!(!is_gone(&world, &left));
}

#[test]
fn one_that_is_in_service_and_does_not_run_is_drained_and_taken_away() {
    let (world, file, left) = with_a_leftover();
    let address = address(&world, &left);
    world.post(&format!("{INSTANCES}/{left}/actions/stop"), &json!({}));
    world.wait_until("it is stopped", || {
        world.get(&format!("{INSTANCES}/{left}"))["lifecycleState"] == "INACTIVE"
    });
    register(&world, &address, false);
    let listed = found(&world, &[file, "--older-than", "0s"]);
    assert_eq!((&listed[0]["instance_id"], &listed[0]["dead"]), (&json!(left), &json!(true)), "{listed:?}");
    world.run(&["prune", file, "--older-than", "0s", "--yes"]).expect(0);
    assert!(is_gone(&world, &left));
    assert_eq!(world.backends("http").len(), 1);
    let drained = world.changes().iter().any(|change| change.contains("PUT") && change.contains(&address));
    assert!(drained, "{:?}", world.changes());
}

#[test]
fn a_backend_whose_instance_is_gone_is_taken_away_if_a_run_registered_it() {
    for drain in [true, false] {
        let mut world = World::hurried();
        world.expects_leftovers = true;
        let first = world.run(&["start", deployment(&world, "2"), "--output", "json"]).expect(0).json();
        let of_first = address(&world, first["new_instance_id"].as_str().expect("an id"));
        let mut third = world.deployment_of("3");
        third["ci-filter"] = json!({"display-name": "webserver", "freeform-tags": {"env": "prod"}});
        let file = world.write_deployment(&third);
        world.run(&["start", file]).expect(0);
        register(&world, &of_first, drain);
        // Nobody of ours has ever registered this one.
        register(&world, "127.0.0.77", true);
        let dead = |args: &[&str]| {
            let ran = world.run(&[&["prune", file, "--output", "json"], args].concat()).expect(0).json();
            ran["dead_backends"].as_array().expect("a list").clone()
        };
        assert_eq!(dead(&[]), Vec::<Value>::new(), "it is younger than a day");
        let found = dead(&["--older-than", "0s"]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["backend"], format!("http/{of_first}:80"));
        assert_eq!(dead(&["--older-than", "0s", "--journal", "other.db"]), Vec::<Value>::new());
        world.run(&["prune", file, "--older-than", "0s", "--yes"]).expect(0);
        let left: Vec<Value> = world.backends("http").iter().map(|one| one["ipAddress"].clone()).collect();
        assert!(!left.contains(&json!(of_first)) && left.contains(&json!("127.0.0.77")), "{left:?}");
        assert_eq!(left.len(), 2);
    }
}

#[test]
fn two_machines_may_prune_at_the_same_time() {
    for _ in 0..3 {
        let (mut world, file, left) = with_a_leftover();
        // Their changes queue.
        world.expects_violations = true;
        register(&world, &address(&world, &left), true);
        let args = ["prune", file, "--older-than", "0s", "--yes", "--output", "json", "--journal"];
        let begin = |journal: &str| {
            let mut command = world.command(&[&args[..], &[journal]].concat());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        };
        let ran =
            ["one.db", "two.db"].map(begin).map(|child| Ran::of(&child.wait_with_output().expect("it ends")));
        for one in &ran {
            assert_eq!(one.code, 0, "{}\n{}", one.stdout, one.stderr);
        }
        assert!(is_gone(&world, &left));
        let serving = world.backends("http").into_iter().filter(|one| one["drain"] == false).count();
        assert_eq!((serving, world.backends("http").len()), (1, 1));
        assert_eq!(world.versions(), ["1", "3"]);
    }
}

#[test]
fn what_a_start_on_another_machine_has_just_made_stays() {
    let (world, file, left) = with_a_leftover();
    let other = world.machine("other");
    let mut fourth = world.deployment_of("4");
    fourth["ci-filter"] = json!({"display-name": "webserver", "freeform-tags": {"env": "prod"}});
    fourth["poll-interval"] = json!("10ms");
    // The leftover has no mark, and is older than what serves.
    other.killed_at(&["start", other.write_deployment(&fourth)], "await-backends/begun");
    world.run(&["prune", file, "--yes"]).expect(0);
    assert!(!is_gone(&world, &left), "it is younger than a day");
    other.run(&["resume", "latest"]).expect(0);
    assert!(world.running().contains(&"4".to_owned()), "{:?}", world.running());
}

#[test]
fn a_set_that_a_run_has_made_and_nobody_uses_is_taken_away() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    let checker = json!({"protocol": "HTTP", "url-path": "/", "return-code": 200});
    let in_sets = |n: &str, sets: &[&str]| {
        let mut deployment = world.deployment_of(n);
        deployment["ci-filter"] = json!({"display-name": "webserver", "freeform-tags": {"env": "prod"}});
        let create = json!({"policy": "ROUND_ROBIN", "health-checker": checker});
        let target = |set: &&str| match *set {
            "http" => json!({"port": 80, "backend-set": "http"}),
            fresh => json!({"port": 70, "backend-set": fresh, "create": create}),
        };
        deployment["backends"] = sets.iter().map(target).collect();
        world.write_deployment(&deployment)
    };
    world.run(&["start", in_sets("2", &["http", "fresh"])]).expect(0);
    world.run(&["start", in_sets("3", &["http"])]).expect(0);
    let is_there = |set: &str| !world.state()["loadBalancers"][0]["backendSets"][set].is_null();
    let unused = |args: &[&str]| {
        let ran = world.run(&[&["prune", "deployment.json", "--output", "json"], args].concat());
        ran.expect(0).json()["unused_sets"].clone()
    };
    let old = ["--older-than", "0s"];
    assert_eq!(unused(&old), json!([]), "a rollback to version 2 needs it");
    world.run(&["start", in_sets("4", &["http"])]).expect(0);
    assert_eq!(unused(&[]), json!([]), "it is younger than a day");
    assert_eq!(
        unused(&[&old[..], &["--journal", "other.db"]].concat()),
        json!([]),
        "who made it is not known"
    );
    assert_eq!(unused(&old), json!(["fresh"]));
    let args = ["prune", "deployment.json", "--older-than", "0s", "--yes"];
    world.killed_at(&args, "delete-backend-set/DeleteBackendSet unread");
    world.run(&["resume", "latest"]).expect(0);
    assert!(!is_there("fresh") && is_there("http"));
    assert_eq!(world.backends("http").len(), 1);
    // Taken back, it is as it was.
    world.run(&["rollback", "latest"]).expect(0);
    assert!(is_there("fresh"));
}
