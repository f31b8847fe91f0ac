//! What must be seen before anything is made: who else sends to the old instance, and what cannot be worked with.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Ran, World};

fn no_work(world: &World) -> bool {
    let state = world.state();
    state["loadBalancers"].as_array().expect("balancers").iter().all(|one| one["openWorkRequests"] == 0)
}

/// Makes another load balancer whose set `edge` has these backends.
fn another(world: &World, compartment: &Value, backends: &Value) {
    let checker = json!({"protocol": "HTTP", "urlPath": "/", "port": 0, "returnCode": 200, "intervalInMillis": 10000,
        "retries": 3, "timeoutInMillis": 3000});
    let body = json!({
        "compartmentId": compartment, "displayName": "another", "shapeName": "flexible",
        "subnetIds": [world.state()["subnetId"]], "freeformTags": {"env": "edge"},
        "backendSets": {"edge": {"policy": "ROUND_ROBIN", "healthChecker": checker, "backends": backends}},
    });
    world.post("/20170115/loadBalancers", &body);
}

fn old_address(world: &World) -> String {
    world.state()["instances"][0]["address"].as_str().expect("an address").to_owned()
}

#[track_caller]
fn refused(world: &World, deployment: &Value, expected: &str) {
    let before = world.changes().len();
    let ran = world.run(&["start", world.write_deployment(deployment)]).expect(2);
    assert!(ran.stderr.contains(expected), "expected {expected:?} in: {}", ran.stderr);
    assert_eq!(world.changes().len(), before, "{:?}", world.changes());
}

#[test]
fn an_instance_that_serves_another_load_balancer_is_not_taken_from_it() {
    let world = World::with(&["--no-verify"]);
    let address = old_address(&world);
    another(&world, &world.state()["compartmentId"], &json!([{"ipAddress": address, "port": 80}]));
    world.wait_until("it is made", || no_work(&world));
    let said = format!("it is also the backend {address}:80 of the set `edge` of the load balancer another");
    let deployment = world.deployment();
    refused(&world, &deployment, &said);
    let id = world.state()["instances"][0]["id"].as_str().expect("an id").to_owned();
    let ran = world.run(&["destroy", "deployment.json", "--id", &id, "--yes"]).expect(2);
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    // It is left to the other one where it goes on running.
    let mut kept = deployment;
    kept["old-instance"] = json!("keep");
    let ran = world.run(&["start", world.write_deployment(&kept)]).expect(0);
    assert!(ran.stderr.contains("it goes on running, and serves there"), "{}", ran.stderr);
    assert_eq!(world.running(), ["1", "2"]);
}

#[test]
fn other_compartments_are_looked_through_where_they_are_named() {
    let world = World::with(&["--no-verify"]);
    let other = json!("ocid1.compartment.oc1..other");
    another(&world, &other, &json!([{"ipAddress": old_address(&world), "port": 80}]));
    world.wait_until("it is made", || no_work(&world));
    let mut deployment = world.deployment();
    deployment["lb-compartments"] = json!([other]);
    refused(&world, &deployment, "of the set `edge` of the load balancer another");
    deployment["lb-compartments"] = json!("ocid1.compartment.oc1..other");
    refused(&world, &deployment, "lb-compartments: ");
    deployment["lb-compartments"] = json!([7]);
    refused(&world, &deployment, "lb-compartments[0]: expected an OCID");
}

#[test]
fn an_instance_that_another_load_balancer_takes_up_in_the_middle_is_not_taken_from_it() {
    let world = World::with(&["--no-verify"]);
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("2s");
    let file = world.write_deployment(&deployment);
    let child = world.command(&["start", file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("starts");
    world.wait_until("the drain", || world.steps().iter().any(|(name, _)| name == "await-drain"));
    another(
        &world,
        &world.state()["compartmentId"],
        &json!([{"ipAddress": old_address(&world), "port": 80}]),
    );
    let ran = Ran::of(&child.wait_with_output().expect("ends")).expect(3);
    assert!(ran.stderr.contains("of the set `edge` of the load balancer another"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1"]);
    let backends = world.backends("http");
    let is_there = backends.iter().any(|one| one["ipAddress"] == old_address(&world).as_str());
    assert!(is_there, "the old one is not in {backends:#?}");
}

#[test]
fn a_load_balancer_that_is_not_active_is_refused() {
    let world = World::with(&["--no-verify"]);
    world.post("/sandbox/pace", &json!({"scale": 0.01}));
    another(&world, &world.state()["compartmentId"], &json!([]));
    let mut deployment = world.deployment();
    deployment["lb-filter"] = json!({"display-name": "another"});
    refused(&world, &deployment, "is CREATING, and not ACTIVE");
    let ran = world.run(&["validate", "deployment.json", "--online"]).expect(2);
    assert!(ran.stderr.contains("is CREATING, and not ACTIVE"), "{}", ran.stderr);
}

#[test]
fn work_of_somebody_else_is_waited_for_so_long_and_named() {
    let world = World::with(&["--no-verify"]);
    world.post("/sandbox/pace", &json!({"scale": 0.01}));
    let id = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
    let checker = json!({"protocol": "HTTP", "urlPath": "/"});
    let set = json!({"name": "theirs", "policy": "ROUND_ROBIN", "healthChecker": checker});
    world.post(&format!("/20170115/loadBalancers/{id}/backendSets"), &set);
    let mut deployment = world.deployment();
    deployment["work-timeout"] = json!("300ms");
    refused(&world, &deployment, "work request ocid1.loadbalancerworkrequest.");
    refused(&world, &deployment, "(CreateBackendSet) has not ended within 300ms (`work-timeout`)");
}

#[test]
fn work_of_somebody_else_in_the_middle_suspends_the_run() {
    // On the first of several pages, or on the last.
    for oldest_first in [false, true] {
        suspended_by_work_of_somebody_else(oldest_first);
    }
}

fn suspended_by_work_of_somebody_else(oldest_first: bool) {
    let world = World::with(&["--no-verify"]);
    world.post("/sandbox/habits", &json!({"oldest-work-first": oldest_first}));
    let mut deployment = world.deployment();
    deployment["work-timeout"] = json!("1s");
    deployment["drain-delay"] = json!("2s");
    let file = world.write_deployment(&deployment);
    let child = world.command(&["start", file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("starts");
    world.wait_until("the drain", || world.steps().iter().any(|(name, _)| name == "await-drain"));
    // Ten seconds of the cloud take five here.
    world.post("/sandbox/pace", &json!({"scale": 2.0}));
    let id = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
    let set = json!({"name": "theirs", "policy": "ROUND_ROBIN", "healthChecker": {"protocol": "HTTP"}});
    world.post(&format!("/20170115/loadBalancers/{id}/backendSets"), &set);
    let ran = Ran::of(&child.wait_with_output().expect("ends")).expect(75);
    assert!(ran.stderr.contains("(CreateBackendSet) has not ended within 1s"), "{}", ran.stderr);
    world.post("/sandbox/pace", &json!({"scale": 1000.0}));
    world.wait_until("their work is over", || no_work(&world));
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}

/// Makes an instance `six` with this in its environment.
fn make_six(world: &World, environment: &Value) {
    let state = world.state();
    let body = json!({
        "displayName": "six", "compartmentId": state["compartmentId"], "availabilityDomain": state["availabilityDomain"],
        "shape": "CI.Standard.E4.Flex", "shapeConfig": {"ocpus": 1, "memoryInGBs": 2},
        "vnics": [{"subnetId": state["subnetId"], "hostnameLabel": "six"}],
        "containers": [{"imageUrl": "docker.io/library/httpd:6", "environmentVariables": environment}],
    });
    world.post("/20210415/containerInstances", &body);
    world.wait_until("six runs", || {
        let state = world.state();
        let mut all = state["instances"].as_array().expect("instances").iter();
        all.any(|one| one["displayName"] == "six" && one["lifecycleState"] == "ACTIVE")
    });
}

#[test]
fn an_instance_known_by_ipv6_is_refused_before_anything_is_made() {
    let world = World::with(&["--no-verify"]);
    make_six(&world, &json!({"SANDBOX_IPV6_ALONE": "fd00::6"}));
    let mut deployment = world.deployment();
    deployment["ci-filter"] = json!({"display-name": "six"});
    refused(&world, &deployment, "has IPv6 addresses alone (fd00::6)");

    let world = World::with(&["--no-verify"]);
    make_six(&world, &json!({"SANDBOX_IPV6": "fd00:0:0:0::6"}));
    let id = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
    let path = format!("/20170115/loadBalancers/{id}/backendSets/http/backends");
    world.post(&path, &json!({"ipAddress": "FD00::6", "port": 80}));
    world.wait_until("it is a backend", || no_work(&world));
    refused(
        &world,
        &deployment,
        "it is known by an IPv6 address, as the backend FD00::6:80 of the set `http`",
    );
}

#[test]
fn a_hostname_label_that_is_taken_is_told_by_validate() {
    let world = World::with(&["--no-verify"]);
    make_six(&world, &json!({}));
    let mut deployment = world.deployment();
    deployment["ci-config"]["vnics"][0]["hostname-label"] = json!("Six");
    let file = world.write_deployment(&deployment);
    let ran = world.run(&["validate", file, "--online"]).expect(2);
    assert!(
        ran.stderr.contains("ci-config.vnics[0].hostname-label: Six is taken in the subnet by 127."),
        "{}",
        ran.stderr
    );
    deployment["ci-config"]["vnics"][0]["hostname-label"] = json!("seven");
    world.run(&["validate", world.write_deployment(&deployment), "--online"]).expect(0);
}
