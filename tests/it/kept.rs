//! Instances that a run kept: later deployments recognise them by their tag and set them aside, until they serve again.

use serde_json::{Value, json};

use crate::harness::World;

const INSTANCES: &str = "/20210415/containerInstances";

/// The deployment of a version that keeps or stops its predecessor.
fn deployment(world: &World, version: &str, mode: &str) -> Value {
    let mut deployment = world.deployment_of(version);
    deployment["old-instance"] = json!(mode);
    deployment["ci-filter"] = json!({"display-name": "webserver", "freeform-tags": {"env": "prod"}});
    deployment
}

fn start(world: &World, version: &str, mode: &str) -> Value {
    let file = world.write_deployment(&deployment(world, version, mode));
    world.run(&["start", file, "--output", "json"]).expect(0).json()
}

fn tags(world: &World, id: &Value) -> Value {
    let state = world.state();
    let mut instances = state["instances"].as_array().expect("instances").iter();
    instances.rfind(|one| one["id"] == *id).expect("it is there")["freeformTags"].clone()
}

fn seeded(world: &World) -> Value {
    world.state()["seed"]["webserverId"].clone()
}

#[test]
fn what_was_kept_or_stopped_is_set_aside_by_every_later_deployment() {
    for (mode, state) in [("keep", "ACTIVE"), ("stop", "INACTIVE")] {
        let mut world = World::hurried();
        // A kept instance is not a leak.
        world.expects_leftovers = true;
        let first = start(&world, "2", mode);
        assert_eq!(
            tags(&world, &seeded(&world)),
            json!({"env": "prod", "deployctl-kept": first["run_id"]}),
            "{mode}"
        );
        let second = start(&world, "3", mode);
        assert_eq!(second["old_instance_id"], first["new_instance_id"], "{mode}");
        // Another machine, without the journal, recognises it too.
        let file = world.write_deployment(&deployment(&world, "4", mode));
        let elsewhere =
            world.run(&["start", file, "--journal", "./other.db", "--output", "json"]).expect(0).json();
        assert_eq!(elsewhere["old_instance_id"], second["new_instance_id"], "{mode}");
        assert_eq!(world.versions(), ["1", "2", "3", "4"], "{mode}");
        assert_eq!(world.backends("http").len(), 1, "{mode}");
        let web_servers = world.web_servers();
        let kept = web_servers.iter().filter(|one| one["freeformTags"]["deployctl-kept"].is_string());
        assert!(kept.clone().all(|one| one["lifecycleState"] == state), "{mode}");
        assert_eq!(kept.count(), 3, "{mode}");
    }
}

#[test]
fn a_rollback_takes_the_mark_back_to_the_field() {
    for mode in ["keep", "stop"] {
        let world = World::hurried();
        let id = seeded(&world);
        let path = format!("{INSTANCES}/{}", id.as_str().expect("an id"));
        start(&world, "2", mode);
        // Somebody changes another tag meanwhile. The rollback must not restore that one.
        let mut changed = tags(&world, &id);
        changed["note"] = json!("by hand");
        world.put(&path, &json!({"freeformTags": changed}));
        world.run(&["rollback", "latest"]).expect(0);
        assert_eq!(tags(&world, &id), json!({"env": "prod", "note": "by hand"}), "{mode}");
        assert_eq!(world.versions(), ["1"], "{mode}");
        assert_eq!(world.running(), ["1"], "{mode}");
    }
}

#[test]
fn an_instance_whose_tags_are_full_is_kept_all_the_same() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    let id = seeded(&world);
    let path = format!("{INSTANCES}/{}", id.as_str().expect("an id"));
    let mut full: serde_json::Map<String, Value> = (0..9).map(|n| (format!("t{n}"), json!("x"))).collect();
    full.insert("env".to_owned(), json!("prod"));
    world.put(&path, &json!({"freeformTags": full}));
    let mut second = deployment(&world, "2", "keep");
    second["match"] = json!("subset");
    let ran = world.run(&["start", world.write_deployment(&second)]).expect(0);
    assert!(ran.stderr.contains("has no room for one more tag"), "{}", ran.stderr);
    assert_eq!(tags(&world, &id), Value::Object(full));
    // The next run cannot know which instance is meant, and says everything about each that it knows.
    let ran = world.run(&["start", "deployment.json"]).expect(2);
    let id = id.as_str().expect("an id");
    for expected in [
        "matches 2 instances: ocid1.".to_owned(),
        format!(
            "{id} (webserver, ACTIVE, docker.io/library/httpd:1): serves nowhere; is the old one with `--replace {id}`"
        ),
        "(webserver, ACTIVE, docker.io/library/httpd:2): serves in `http` as 127.".to_owned(),
        "; made by run ".to_owned(),
    ] {
        assert!(ran.stderr.contains(&expected), "expected {expected:?} in:\n{}", ran.stderr);
    }
    let serving = world.run(&["history", "latest", "--output", "json"]).json();
    assert_eq!(serving["status"], "rolled-back", "{serving}");
    // An instance of ours with no room for another tag has its mark in an existing tag.
    let mut third = deployment(&world, "3", "keep");
    third["ci-config"]["freeform-tags"] = json!({"env": "prod", "a": "", "b": "", "c": "", "d": "", "e": ""});
    third["match"] = json!("subset");
    // What serves is to be replaced; nothing is put beside it.
    third["replace"] = json!(id);
    let ran = world.run(&["start", world.write_deployment(&third)]).expect(6);
    assert!(ran.stderr.contains("(serving, since "), "{}", ran.stderr);
    let servers = world.web_servers();
    third["replace"] = servers.iter().find(|one| one["version"] == "2").expect("it serves")["id"].clone();
    let made = world.run(&["start", world.write_deployment(&third), "--output", "json"]).expect(0).json();
    assert_eq!(tags(&world, &made["new_instance_id"]).as_object().map(serde_json::Map::len), Some(10));
}

#[test]
fn a_mark_that_is_refused_or_lost_stops_nothing() {
    for (fault, is_marked) in [
        (json!({"method": "PUT", "path": "containerInstances", "effect": "not-found"}), false),
        (json!({"method": "PUT", "path": "containerInstances", "effect": "not-found", "times": 1}), true),
        (json!({"method": "PUT", "path": "containerInstances", "effect": "reset-after", "times": 1}), true),
        (json!({"method": "PUT", "path": "containerInstances", "effect": "conflict", "times": 1}), true),
    ] {
        for mode in ["keep", "stop"] {
            let mut world = World::hurried();
            world.expects_leftovers = true;
            world.fault(&fault);
            let run = start(&world, "2", mode);
            world.clear_faults();
            let mark = tags(&world, &seeded(&world))["deployctl-kept"].clone();
            assert_eq!(mark, if is_marked { run["run_id"].clone() } else { Value::Null }, "{fault} {mode}");
            world.run(&["rollback", "latest"]).expect(0);
            assert_eq!(tags(&world, &seeded(&world)), json!({"env": "prod"}), "{fault} {mode}");
        }
    }
}

#[test]
fn a_run_that_dies_at_its_mark_goes_on_or_back() {
    for mode in ["keep", "stop"] {
        for verb in ["resume", "rollback"] {
            for point in ["begun", "done, not completed", "completed"] {
                let mut world = World::hurried();
                world.expects_leftovers = true;
                let file = world.write_deployment(&deployment(&world, "2", mode));
                let killed = world.run_with(&["start", file], &format!("mark-kept/{point}=return"));
                assert_eq!(killed.code, -1, "{}", killed.stderr);
                world.run(&[verb, "latest"]).expect(0);
                let mark = tags(&world, &seeded(&world))["deployctl-kept"].clone();
                assert_eq!(mark.is_string(), verb == "resume", "{mode} {verb} {point}: {mark}");
                let running = world.running();
                let expected = match (mode, verb) {
                    (_, "rollback") => vec!["1"],
                    ("keep", _) => vec!["1", "2"],
                    _ => vec!["2"],
                };
                assert_eq!(running, expected, "{mode} {verb} {point}");
            }
        }
    }
}

#[test]
fn a_kept_instance_that_serves_again_is_the_old_one() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    world.expects_violations = true;
    start(&world, "2", "keep");
    // By hand: the kept instance is put back, and the new one is deleted.
    let balancer = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
    let backends = format!("/20170115/loadBalancers/{balancer}/backendSets/http/backends");
    let new = world.backends("http")[0]["ipAddress"].as_str().expect("an address").to_owned();
    let id = seeded(&world);
    let vnic =
        world.get(&format!("{INSTANCES}/{}", id.as_str().expect("an id")))["vnics"][0]["vnicId"].clone();
    let address =
        world.get(&format!("/20160918/vnics/{}", vnic.as_str().expect("an id")))["privateIp"].clone();
    world.post(&backends, &json!({"ipAddress": address, "port": 80, "weight": 1, "backup": false, "drain": false, "offline": false}));
    world.wait_until("both serve", || world.backends("http").len() == 2);
    world.delete(&format!("{backends}/{new}:80"));
    world.wait_until("one serves", || world.backends("http").len() == 1);
    let newer =
        world.web_servers().iter().find(|one| one["version"] == "2").expect("it is there")["id"].clone();
    world.delete(&format!("{INSTANCES}/{}", newer.as_str().expect("an id")));
    world.wait_until("it is gone", || world.versions() == ["1"]);
    let third = start(&world, "3", "delete");
    assert_eq!(third["old_instance_id"], id);
    assert_eq!(world.versions(), ["3"]);
}

#[test]
fn kept_instances_alone_are_no_first_deployment() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    world.expects_violations = true;
    start(&world, "2", "keep");
    let newer =
        world.web_servers().iter().find(|one| one["version"] == "2").expect("it is there")["id"].clone();
    world.run(&["destroy", "deployment.json", "--id", newer.as_str().expect("an id")]).expect(0);
    let ran = world.run(&["plan", world.write_deployment(&deployment(&world, "3", "keep"))]).expect(2);
    for expected in ["serves nowhere", "; kept by run ", "--replace OCID", "--first"] {
        assert!(ran.stderr.contains(expected), "expected {expected:?} in:\n{}", ran.stderr);
    }
}
