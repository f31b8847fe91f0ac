//! The old instance: a run puts nothing beside, and takes nothing away, that the deployment does not clearly mean.

use serde_json::{Value, json};

use crate::harness::World;

const INSTANCES: &str = "/20210415/containerInstances";

/// The deployment of a version, with another filter.
fn deployment(world: &World, version: &str, filter: Value) -> Value {
    let mut deployment = world.deployment_of(version);
    deployment["ci-filter"] = filter;
    deployment
}

fn webserver(world: &World) -> String {
    world.state()["seed"]["webserverId"].as_str().expect("it is seeded").to_owned()
}

fn backends_of(world: &World, set: &str) -> String {
    let balancer = world.state()["seed"]["loadBalancerId"].as_str().expect("it is seeded").to_owned();
    format!("/20170115/loadBalancers/{balancer}/backendSets/{set}/backends")
}

/// Every command that reads refuses, names what it found and what to do, and changes nothing.
#[track_caller]
fn refused(world: &World, deployment: &Value, expected: &[&str]) {
    let before = world.changes();
    let file = world.write_deployment(deployment);
    for args in [&["plan", file][..], &["validate", file, "--online"], &["start", file]] {
        let ran = world.run(args).expect(2);
        for text in expected.iter().chain(&["--replace OCID", "--first"]) {
            assert!(ran.stderr.contains(text), "{args:?}: expected {text:?} in:\n{}", ran.stderr);
        }
    }
    assert_eq!(world.changes(), before);
}

#[test]
fn a_second_version_is_not_put_beside_one_that_the_filter_misses() {
    let world = World::hurried();
    let id = webserver(&world);
    let behind = format!("{id} (webserver, ACTIVE, docker.io/library/httpd:1): serves in `http`");
    for (filter, difference) in [
        (json!({"freeform-tags": {"env": "prdo"}}), r#"freeform-tags.env: wanted "prdo", found "prod""#),
        (json!({"display-name": "webservr"}), r#"display-name: wanted "webservr", found "webserver""#),
        (
            json!({"display-name": "webserver", "freeform-tags": {"env": "prod", "team": "a"}}),
            r#"freeform-tags.team: wanted "a", found nothing"#,
        ),
        (json!({"display-name": "webserver", "freeform-tags": {}}), r#"env: wanted nothing, found "prod""#),
        (json!({"freeform-tags": {"deployctl-deployment": "webserver"}}), "deployctl-deployment: wanted"),
        (json!({"display-name": "webserver", "lifecycle-state": "FAILED"}), r#"found "ACTIVE""#),
        (
            json!({"display-name": "webserver", "shape": "CI.Standard.A1.Flex"}),
            r#"found "CI.Standard.E4.Flex""#,
        ),
    ] {
        refused(&world, &deployment(&world, "2", filter), &[&behind, difference]);
    }
    // In JSON, a message from the cloud is one problem, however many lines it has.
    let file = world.write_deployment(&deployment(&world, "2", json!({"display-name": "webservr"})));
    let told = world.run(&["validate", file, "--online", "--output", "json"]).expect(2).json();
    assert_eq!(told["problems"].as_array().map(Vec::len), Some(1), "{told}");
}

#[test]
fn a_tag_that_somebody_added_is_told_and_passed_over_by_a_subset() {
    let world = World::hurried();
    let id = webserver(&world);
    world.put(&format!("{INSTANCES}/{id}"), &json!({"freeformTags": {"env": "prod", "note": "by hand"}}));
    let mut second =
        deployment(&world, "2", json!({"display-name": "webserver", "freeform-tags": {"env": "prod"}}));
    refused(&world, &second, &[r#"freeform-tags.note: wanted nothing, found "by hand""#, "match: subset"]);
    second["match"] = json!("subset");
    world.run(&["start", world.write_deployment(&second)]).expect(0);
    assert_eq!(world.versions(), ["2"]);
    // `match` within a filter applies to that filter only.
    let mut third = deployment(&world, "3", json!({"freeform-tags": {"env": "prod"}, "match": "exact"}));
    third["match"] = json!("subset");
    third["lb-filter"] = json!({"freeform-tags": {"env": "prod"}});
    world.run(&["start", world.write_deployment(&third)]).expect(0);
    assert_eq!(world.versions(), ["3"]);
    third["match"] = json!("most");
    let ran = world.run(&["validate", world.write_deployment(&third)]).expect(2);
    assert!(ran.stderr.contains("match: expected exact or subset, found `most`"), "{}", ran.stderr);
}

#[test]
fn defined_tags_are_compared_without_those_that_the_cloud_adds() {
    let world = World::hurried();
    let mut first = world.deployment();
    first["ci-config"]["defined-tags"] = json!({"Ops": {"Cost": 42}});
    world.run(&["start", world.write_deployment(&first)]).expect(0);
    let second = deployment(&world, "3", json!({"defined-tags": {"Ops": {"Cost": 42}}}));
    world.run(&["start", world.write_deployment(&second)]).expect(0);
    let third = deployment(&world, "4", json!({"defined-tags": {"Ops": {"Cost": "43"}}}));
    // The third version had no defined tags.
    refused(&world, &third, &[r#"defined-tags.Ops.Cost: wanted "43", found nothing"#]);
}

#[test]
fn an_instance_that_does_not_run_is_told_and_replaced_by_its_ocid() {
    for by_flag in [true, false] {
        let mut world = World::hurried();
        // The instance did not serve before either.
        world.expects_violations = true;
        let id = webserver(&world);
        let address = world.backends("http")[0]["ipAddress"].as_str().expect("an address").to_owned();
        world.put(
            &format!("{}/{address}:80", backends_of(&world, "http")),
            &json!({"weight": 3, "backup": false, "drain": false, "offline": false}),
        );
        world.post(&format!("{INSTANCES}/{id}/actions/stop"), &json!({}));
        world.wait_until("it is stopped", || {
            world.get(&format!("{INSTANCES}/{id}"))["lifecycleState"] == "INACTIVE"
        });
        let filter = json!({"freeform-tags": {"env": "prod"}, "lifecycle-state": "ACTIVE"});
        let mut second = deployment(&world, "2", filter);
        refused(
            &world,
            &second,
            &[&format!("{id} (webserver, INACTIVE"), r#"lifecycle-state: wanted "ACTIVE", found "INACTIVE""#],
        );
        let mut args = vec!["start"];
        if by_flag {
            args.extend([world.write_deployment(&second), "--replace", &id]);
        } else {
            second["replace"] = json!(id);
            args.push(world.write_deployment(&second));
        }
        world.run(&args).expect(0);
        assert_eq!(world.versions(), ["2"]);
        let backends = world.backends("http");
        assert_eq!(backends.len(), 1, "the dead one is gone: {backends:?}");
        assert_eq!(backends[0]["weight"], 3, "its share is taken over");
        // Once the instance is gone, the way on is the filter again.
        let ran = world.run(&args);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(&id), "{}", ran.stderr);
    }
}

#[test]
fn the_first_one_is_put_beside_what_is_there_and_the_next_one_replaces_it() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    let mut second = deployment(&world, "2", json!({"freeform-tags": {"env": "prod", "track": "canary"}}));
    second["ci-config"]["freeform-tags"] = json!({"env": "prod", "track": "canary"});
    let file = world.write_deployment(&second);
    refused(&world, &second, &["serves in `http`"]);
    world.run(&["start", file, "--first"]).expect(0);
    assert_eq!(world.versions(), ["1", "2"]);
    assert_eq!(world.backends("http").len(), 2);
    second["first"] = json!(true);
    second["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:3");
    let ran = world.run(&["start", world.write_deployment(&second)]).expect(0);
    assert!(ran.stderr.contains("which is replaced: `first` is for when it matches none"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1", "3"]);
    second["replace"] = json!("ocid1.computecontainerinstance.oc1..x");
    let ran = world.run(&["validate", world.write_deployment(&second)]).expect(2);
    assert!(
        ran.stderr.contains("replace: says that there is an old instance, and `first`"),
        "{}",
        ran.stderr
    );
    let ran = world.run(&["start", file, "--first", "--replace", "ocid1.x"]).expect(2);
    assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
    let ran = world.run(&["start", file, "--replace", "webserver"]).expect(2);
    assert!(ran.stderr.contains("--replace: expected the OCID of an instance"), "{}", ran.stderr);
}

#[test]
fn what_else_is_in_a_set_speaks_for_an_old_instance_or_not() {
    // An address without an instance.
    const FOREIGN: &str = "10.9.9.9";
    let backend = |backup: bool, drain: bool| json!({"ipAddress": FOREIGN, "port": 80, "weight": 1, "backup": backup, "drain": drain, "offline": false});
    for (body, speaks) in
        [(backend(false, false), true), (backend(true, false), false), (backend(false, true), false)]
    {
        let mut world = World::hurried();
        world.expects_leftovers = true;
        world.expects_violations = true;
        world.post(&backends_of(&world, "admin"), &body);
        world.wait_until("it is there", || world.backends("admin").len() == 1);
        let mut first = deployment(&world, "2", json!({"display-name": "nobody"}));
        first["backends"] = json!([{"port": 9090, "backend-set": "admin"}]);
        if speaks {
            let told = format!("`admin` has {FOREIGN}:80, which takes requests, and is of no instance");
            refused(&world, &first, &[&told]);
        } else {
            world.run(&["plan", world.write_deployment(&first)]).expect(0);
        }
    }
}

#[test]
fn an_instance_of_the_deployment_speaks_wherever_it_stands() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    // The test removes its backend by hand.
    world.expects_violations = true;
    // Only its tag identifies the first run's instance.
    let mut first = deployment(&world, "2", json!({"display-name": "versioned-2"}));
    first["name"] = json!("versioned");
    first["ci-config"]["display-name"] = json!("versioned-2");
    first["backends"] = json!([{"port": 9090, "backend-set": "admin"}]);
    world.run(&["start", world.write_deployment(&first)]).expect(0);
    let mut next = first.clone();
    next["ci-filter"] = json!({"display-name": "versioned-3"});
    next["ci-config"]["display-name"] = json!("versioned-3");
    refused(&world, &next, &["(versioned-2, ACTIVE", "serves in `admin`", "made by run "]);
    let address = world.backends("admin")[0]["ipAddress"].as_str().expect("an address").to_owned();
    world.delete(&format!("{}/{address}:9090", backends_of(&world, "admin")));
    world.wait_until("it is out", || world.backends("admin").is_empty());
    // What serves nowhere may be of a run that is open or was lost.
    let ran = world.run(&["plan", world.write_deployment(&next)]).expect(6);
    for text in
        ["(creating, since ", "(versioned-2, ACTIVE): serves nowhere; made by run ", "`--replace OCID`"]
    {
        assert!(ran.stderr.contains(text), "expected {text:?} in:\n{}", ran.stderr);
    }
    // If the tag shows another target with the same name, the instance does not count.
    next["backends"] = json!([{"port": 9090, "backend-set": "fresh", "create":
        {"policy": "ROUND_ROBIN", "health-checker": {"protocol": "HTTP", "url-path": "/"}}}]);
    world.run(&["plan", world.write_deployment(&next)]).expect(0);
    // Without sets of its own, a deployment uses those of its old instance, so only the name can match.
    let mut nowhere = deployment(&world, "2", json!({"freeform-tags": {"env": "prdo"}}));
    nowhere["backends"] = json!([]);
    refused(&world, &nowhere, &["(webserver, ACTIVE", r#"wanted "prdo", found "prod""#]);
}

#[test]
fn instances_may_be_in_another_compartment_than_the_load_balancer() {
    const APPS: &str = "ocid1.compartment.oc1..apps";
    let mut world = World::hurried();
    world.expects_violations = true;
    let network = world.state()["compartmentId"].clone();
    let mut first = deployment(&world, "2", json!({"display-name": "app"}));
    first["ci-config"]["compartment-id"] = json!(APPS);
    first["ci-config"]["display-name"] = json!("app");
    first["backends"] = json!([{"port": 9090, "backend-set": "admin"}]);
    let ran = world.run(&["plan", world.write_deployment(&first)]).expect(2);
    assert!(ran.stderr.contains("none of the 0 load balancers in compartment"), "{}", ran.stderr);
    assert!(ran.stderr.contains("lb-compartment"), "{}", ran.stderr);
    first["lb-compartment"] = network;
    world.run(&["start", world.write_deployment(&first)]).expect(0);
    first["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:3");
    let second = world.run(&["start", world.write_deployment(&first), "--output", "json"]).expect(0).json();
    assert!(second["old_instance_id"].is_string(), "{second}");
    assert_eq!(world.backends("admin").len(), 1);
    let id = second["new_instance_id"].as_str().expect("an id");
    world.run(&["destroy", "deployment.json", "--id", id]).expect(0);
    assert_eq!(world.backends("admin").len(), 0);
    first["lb-compartment"] = json!(7);
    let ran = world.run(&["validate", world.write_deployment(&first)]).expect(2);
    assert!(ran.stderr.contains("lb-compartment: expected the OCID of a compartment"), "{}", ran.stderr);
}
