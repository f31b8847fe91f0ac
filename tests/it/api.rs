//! The sandbox's API is as strict as the real one: it keeps what it is told, answers what it is asked for, and refuses what
//! it does not know.

use serde_json::{Value, json};

use crate::harness::{Answer, World};

const INSTANCES: &str = "/20210415/containerInstances";

fn specification(world: &World) -> Value {
    let state = world.state();
    json!({
        "displayName": "one", "compartmentId": state["compartmentId"], "availabilityDomain": state["availabilityDomain"],
        "shape": "CI.Standard.E4.Flex", "shapeConfig": {"ocpus": 1, "memoryInGBs": 2},
        "vnics": [{"subnetId": state["subnetId"]}], "containers": [{"imageUrl": "httpd:1"}],
    })
}

/// Creates an instance and waits until it is ACTIVE.
fn instance(world: &World, specification: &Value) -> String {
    let made = world.call("POST", INSTANCES, &[], specification);
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    world.wait_until("it is ACTIVE", || shown(world, &id)["lifecycleState"] == "ACTIVE");
    id
}

fn shown(world: &World, id: &str) -> Value {
    world.call("GET", &format!("{INSTANCES}/{id}"), &[], &Value::Null).json()
}

/// Sends a change of the load balancer and waits until its work has ended. Returns how it ended.
fn changed(world: &World, method: &str, path: &str, body: &Value) -> String {
    let sent = world.call(method, &format!("{}{path}", world.balancer()), &[], body);
    assert_eq!(sent.status, 204, "{method} {path}: {sent:?}");
    let work = format!("/20170115/loadBalancerWorkRequests/{}", sent.header("opc-work-request-id"));
    let state = || world.get(&work)["lifecycleState"].as_str().unwrap_or_default().to_owned();
    world.wait_until("its work is over", || matches!(state().as_str(), "SUCCEEDED" | "FAILED"));
    state()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{answer:?}");
    assert!(answer.json()["message"].is_string(), "{answer:?}");
}

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().or_else(|| page.as_array()).expect("a list").iter();
    items.map(|item| item["displayName"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_backend_set_is_made_with_its_backends_and_an_update_replaces_them() {
    let world = World::hurried();
    let checker = json!({"protocol": "HTTP", "urlPath": "/"});
    let one =
        |port: u16, drain: bool| json!({"ipAddress": "10.0.0.1", "port": port, "drain": drain, "weight": 3});
    let set = json!({"name": "own", "policy": "ROUND_ROBIN", "healthChecker": checker, "backends": [one(1, false), one(2, true)]});
    assert_eq!(changed(&world, "POST", "/backendSets", &set), "SUCCEEDED");
    let path = format!("{}/backendSets/own", world.balancer());
    let backends = || -> Vec<(String, Value)> {
        let set = world.get(&path);
        let backends = set["backends"].as_array().expect("backends").iter();
        backends.map(|one| (one["name"].as_str().expect("a name").to_owned(), one["drain"].clone())).collect()
    };
    assert_eq!(backends(), [("10.0.0.1:1".to_owned(), json!(false)), ("10.0.0.1:2".to_owned(), json!(true))]);
    let mut update =
        json!({"policy": "IP_HASH", "healthChecker": checker, "backends": [one(2, false), one(3, true)]});
    assert_eq!(changed(&world, "PUT", "/backendSets/own", &update), "SUCCEEDED");
    assert_eq!(backends(), [("10.0.0.1:2".to_owned(), json!(false)), ("10.0.0.1:3".to_owned(), json!(true))]);
    assert_eq!(world.get(&path)["policy"], "IP_HASH");
    // A PUT replaces everything, so it must give every field.
    let put = |body: &Value| world.call("PUT", &path, &[], body);
    update["backends"] = json!([one(2, false), one(2, true)]);
    refused(&put(&update), 400, "InvalidParameter");
    update["backends"] = json!([{"ipAddress": "10.0.0.1", "port": 4, "backup": true}]);
    refused(&put(&update), 400, "InvalidParameter");
    update.as_object_mut().expect("an object").remove("backends");
    refused(&put(&update), 400, "MissingParameter");
    // A change that leaves a set without service is noticed, whichever way it is made.
    let violations = || world.audit()["violations"].as_array().map_or(0, Vec::len);
    assert_eq!(violations(), 0);
    let mut world = world;
    world.expects_violations = true;
    world.expects_strangers_touched = true;
    let nobody = json!({"policy": "ROUND_ROBIN", "healthChecker": checker, "backends": []});
    assert_eq!(changed(&world, "PUT", "/backendSets/http", &nobody), "SUCCEEDED");
    assert_eq!(world.audit()["violations"].as_array().map(Vec::len), Some(1));
}

#[test]
fn listeners_load_balancers_and_their_groups_can_be_updated() {
    let mut world = World::hurried();
    world.expects_strangers_touched = true;
    let listener =
        |set: &str, port: u16| json!({"defaultBackendSetName": set, "port": port, "protocol": "HTTP"});
    assert_eq!(changed(&world, "PUT", "/listeners/admin", &listener("other", 9000)), "SUCCEEDED");
    let group = "ocid1.networksecuritygroup.oc1.iad.sandbox";
    assert_eq!(
        changed(&world, "PUT", "/networkSecurityGroups", &json!({"networkSecurityGroupIds": [group]})),
        "SUCCEEDED"
    );
    let tags = json!({"displayName": "renamed", "freeformTags": {"a": "b"}});
    assert_eq!(changed(&world, "PUT", "", &tags), "SUCCEEDED");
    let shape = json!({"shapeName": "100Mbps"});
    assert_eq!(changed(&world, "PUT", "/updateShape", &shape), "SUCCEEDED");
    let other = "ocid1.compartment.oc1..other";
    assert_eq!(changed(&world, "POST", "/changeCompartment", &json!({"compartmentId": other})), "SUCCEEDED");
    let body = world.get(&world.balancer());
    assert_eq!(body["listeners"]["admin"]["defaultBackendSetName"], "other");
    assert_eq!(body["networkSecurityGroupIds"], json!([group]));
    assert_eq!((&body["displayName"], &body["freeformTags"]), (&json!("renamed"), &json!({"a": "b"})));
    assert_eq!((&body["shapeName"], &body["compartmentId"]), (&json!("100Mbps"), &json!(other)));
    assert_eq!(names(&world.get(&format!("/20170115/loadBalancers?compartmentId={other}"))), ["renamed"]);
    // What exists cannot be created, what does not exist cannot be changed, and nothing can refer to what does not exist.
    let mut taken = listener("http", 9001);
    taken["name"] = json!("admin");
    assert_eq!(changed(&world, "POST", "/listeners", &taken), "FAILED");
    assert_eq!(changed(&world, "PUT", "/listeners/admin", &listener("none", 9000)), "FAILED");
    assert_eq!(changed(&world, "PUT", "/listeners/admin", &listener("admin", 80)), "FAILED");
    let path = format!("{}/listeners/none", world.balancer());
    refused(&world.call("PUT", &path, &[], &listener("http", 9001)), 404, "NotAuthorizedOrNotFound");
    refused(&world.call("DELETE", &path, &[], &Value::Null), 404, "NotAuthorizedOrNotFound");
}

#[test]
fn what_is_not_known_is_refused() {
    type Change = fn(&mut Value);
    let world = World::hurried();
    let instances: [(Change, u16, &str); 14] = [
        (|one| one["availabilityDomain"] = json!("none:NONE-AD-1"), 400, "InvalidParameter"),
        (|one| one["faultDomain"] = json!("FAULT-DOMAIN-4"), 400, "InvalidParameter"),
        (|one| one["shape"] = json!("CI.Standard.E99.Flex"), 400, "InvalidParameter"),
        (|one| one["shapeConfig"]["ocpus"] = json!(65), 400, "InvalidParameter"),
        (|one| one["containerRestartPolicy"] = json!("SOMETIMES"), 400, "InvalidParameter"),
        (|one| one["compartmentId"] = json!("none"), 404, "NotAuthorizedOrNotFound"),
        (
            |one| one["vnics"][0]["subnetId"] = json!("ocid1.subnet.oc1.iad.none"),
            404,
            "NotAuthorizedOrNotFound",
        ),
        (|one| one["vnics"][0]["nsgIds"] = json!(["none"]), 404, "NotAuthorizedOrNotFound"),
        (
            |one| one["freeformTags"] = (0..11).map(|n| (n.to_string(), json!("x"))).collect(),
            400,
            "InvalidParameter",
        ),
        (|one| one["freeformTags"] = json!({"k": "v".repeat(257)}), 400, "InvalidParameter"),
        (|one| one["freeformTags"] = json!({"k".repeat(101): "v"}), 400, "InvalidParameter"),
        (|one| one["freeformTags"] = json!({"k": 1}), 400, "InvalidParameter"),
        (|one| one["definedTags"] = json!({"n": {"k": "v".repeat(257)}}), 400, "InvalidParameter"),
        (|one| one["displayName"] = json!("n".repeat(256)), 400, "InvalidParameter"),
    ];
    for (change, status, code) in instances {
        let mut one = specification(&world);
        change(&mut one);
        refused(&world.call("POST", INSTANCES, &[], &one), status, code);
    }
    let checker = json!({"protocol": "HTTP"});
    let set = json!({"name": "s", "policy": "ROUND_ROBIN", "healthChecker": checker});
    let listener = json!({"name": "l", "defaultBackendSetName": "http", "port": 9000, "protocol": "HTTP"});
    let parts: [(&str, &Value, Change, &str); 11] = [
        ("/backendSets", &set, |one| one["policy"] = json!("RANDOM"), "InvalidParameter"),
        ("/backendSets", &set, |one| one["policy"] = Value::Null, "MissingParameter"),
        ("/backendSets", &set, |one| one["healthChecker"] = Value::Null, "MissingParameter"),
        ("/backendSets", &set, |one| one["healthChecker"]["protocol"] = json!("FTP"), "InvalidParameter"),
        ("/backendSets", &set, |one| one["healthChecker"]["intervalInMillis"] = json!(1), "InvalidParameter"),
        (
            "/backendSets",
            &set,
            |one| one["backends"] = json!([{"ipAddress": "x", "port": 1}]),
            "InvalidParameter",
        ),
        ("/backendSets", &set, |one| one["name"] = json!("two words"), "InvalidParameter"),
        ("/backendSets", &set, |one| one["backendMaxConnections"] = json!(7), "InvalidParameter"),
        ("/listeners", &listener, |one| one["protocol"] = json!("GOPHER"), "InvalidParameter"),
        ("/listeners", &listener, |one| one["port"] = json!(70_000), "InvalidParameter"),
        ("/listeners", &listener, |one| one["defaultBackendSetName"] = Value::Null, "MissingParameter"),
    ];
    for (path, whole, change, code) in parts {
        let mut one = whole.clone();
        change(&mut one);
        refused(&world.call("POST", &format!("{}{path}", world.balancer()), &[], &one), 400, code);
    }
    let state = world.state();
    let whole = json!({"compartmentId": state["compartmentId"], "displayName": "lb-3", "shapeName": "flexible",
        "subnetIds": [state["subnetId"]]});
    let balancers: [(Change, u16, &str); 4] = [
        (|one| one["shapeName"] = json!("round"), 400, "InvalidParameter"),
        (|one| one["subnetIds"] = json!(["ocid1.subnet.oc1.iad.none"]), 404, "NotAuthorizedOrNotFound"),
        (|one| one["freeformTags"] = json!({"k": "v".repeat(257)}), 400, "InvalidParameter"),
        (|one| one["displayName"] = Value::Null, 400, "MissingParameter"),
    ];
    for (change, status, code) in balancers {
        let mut one = whole.clone();
        change(&mut one);
        refused(&world.call("POST", "/20170115/loadBalancers", &[], &one), status, code);
    }
    // Whether the real service checks the network first is unknown. The work may fail instead.
    world.post("/sandbox/habits", &json!({"references": "fail"}));
    let mut one = specification(&world);
    one["vnics"][0]["subnetId"] = json!("ocid1.subnet.oc1.iad.none");
    let made = world.call("POST", INSTANCES, &[], &one);
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    world.wait_until("it has FAILED", || shown(&world, &id)["lifecycleState"] == "FAILED");
}

#[test]
fn lists_are_filtered_and_sorted_as_they_are_asked_for() {
    let world = World::hurried();
    let compartment = world.state()["compartmentId"].as_str().expect("an id").to_owned();
    for name in ["b", "a", "c"] {
        let mut one = specification(&world);
        one["displayName"] = json!(name);
        instance(&world, &one);
    }
    let list = |more: &str| world.get(&format!("{INSTANCES}?compartmentId={compartment}&limit=50{more}"));
    assert_eq!(names(&list(""))[..3], ["c", "a", "b"], "newest first");
    let by_name = names(&list("&sortBy=displayName"));
    assert!(by_name.is_sorted() && by_name.len() > 3, "{by_name:?}");
    let backwards: Vec<String> =
        names(&list("&sortBy=displayName&sortOrder=DESC")).into_iter().rev().collect();
    assert_eq!(backwards, by_name);
    assert_eq!(names(&list("&displayName=a&lifecycleState=ACTIVE")), ["a"]);
    assert_eq!(names(&list("&lifecycleState=FAILED")), [""; 0]);
    assert_eq!(names(&list("&availabilityDomain=none:NONE-AD-1")), [""; 0]);
    assert_eq!(names(&list("&availabilityDomain=sbox:SANDBOX-AD-1")).len(), by_name.len());
    for wrong in ["sortBy=size", "sortOrder=UP", "lifecycleState=HAPPY", "limit=0", "limit=x"] {
        let path = format!("{INSTANCES}?compartmentId={compartment}&{wrong}");
        refused(&world.call("GET", &path, &[], &Value::Null), 400, "InvalidParameter");
    }
    let a = list("&displayName=a")["items"][0]["id"].as_str().expect("an id").to_owned();
    let containers = format!("/20210415/containers?compartmentId={compartment}&containerInstanceId={a}");
    assert_eq!(world.get(&containers)["items"].as_array().map(Vec::len), Some(1));
    let work = format!("/20210415/workRequests?compartmentId={compartment}&resourceId={a}");
    assert_eq!(world.get(&format!("{work}&status=SUCCEEDED"))["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.get(&format!("{work}&status=FAILED"))["items"].as_array().map(Vec::len), Some(0));
    let balancers =
        |more: &str| names(&world.get(&format!("/20170115/loadBalancers?compartmentId={compartment}{more}")));
    assert_eq!(balancers("&sortBy=DISPLAYNAME&sortOrder=DESC"), ["lb-2", "lb"]);
    assert_eq!(balancers("&lifecycleState=FAILED"), [""; 0]);
    // The token of a page is opaque. Not every client encodes it.
    let first =
        world.call("GET", &format!("{INSTANCES}?compartmentId={compartment}&limit=2"), &[], &Value::Null);
    let token = first.header("opc-next-page").to_owned();
    assert!(token.contains(['+', '/', '=']), "{token}");
    let encoded = token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for token in [token, encoded] {
        let page = world.get(&format!("{INSTANCES}?compartmentId={compartment}&limit=2&page={token}"));
        assert_eq!(names(&page), names(&list(""))[2..4]);
    }
    let path = format!("{INSTANCES}?compartmentId={compartment}&page=2");
    refused(&world.call("GET", &path, &[], &Value::Null), 400, "PaginationTokenFormat");
}

#[test]
fn instances_and_containers_are_changed_and_say_when() {
    let world = World::hurried();
    let id = instance(&world, &specification(&world));
    let path = format!("{INSTANCES}/{id}");
    let before = shown(&world, &id);
    assert_eq!(before["gracefulShutdownTimeoutInSeconds"], 0);
    let updated = |one: &Value| one["timeUpdated"].as_str().expect("a time").to_owned();
    // A request for the present state has no effect.
    let start = || world.call("POST", &format!("{path}/actions/start"), &[], &Value::Null);
    assert_eq!(start().status, 202);
    let after = shown(&world, &id);
    assert_eq!((&after["lifecycleState"], updated(&after)), (&json!("ACTIVE"), updated(&before)));
    world.post("/sandbox/habits", &json!({"idle-turns": "conflict"}));
    refused(&start(), 409, "IncorrectState");
    world.post("/sandbox/habits", &json!({"idle-turns": "no-effect"}));
    assert_eq!(world.call("PUT", &path, &[], &json!({"freeformTags": {"a": "b"}})).status, 202);
    let later = updated(&shown(&world, &id));
    assert!(later > updated(&before), "{later} is not after {}", updated(&before));
    refused(&world.call("PUT", &path, &[], &json!({"shape": "x"})), 400, "InvalidParameter");
    refused(&world.call("PUT", &path, &[], &json!({"freeformTags": {"a": 1}})), 400, "InvalidParameter");
    let container =
        format!("/20210415/containers/{}", before["containers"][0]["containerId"].as_str().expect("an id"));
    let details = json!({"displayName": "renamed", "freeformTags": {"c": "d"}});
    assert_eq!(world.call("PUT", &container, &[], &details).status, 202);
    let after = world.get(&container);
    assert_eq!((&after["displayName"], &after["freeformTags"]), (&json!("renamed"), &json!({"c": "d"})));
    assert_eq!(shown(&world, &id)["containers"][0]["displayName"], "renamed");
    let other = json!({"compartmentId": "ocid1.compartment.oc1..other"});
    assert_eq!(world.call("POST", &format!("{path}/actions/changeCompartment"), &[], &other).status, 202);
    let there = world.get(&format!("{INSTANCES}?compartmentId=ocid1.compartment.oc1..other"));
    assert_eq!(names(&there), ["one"]);
    world.delete(&path);
    world.wait_until("it is gone", || shown(&world, &id)["lifecycleState"] == "DELETED");
    refused(&world.call("PUT", &path, &[], &json!({})), 404, "NotAuthorizedOrNotFound");
}

#[test]
fn the_restart_policy_says_what_becomes_of_a_container_that_exits() {
    let world = World::hurried();
    for (policy, code, restarts, state) in [
        (Value::Null, 1, 1, "ACTIVE"),
        (json!("ALWAYS"), 0, 1, "ACTIVE"),
        (json!("ON_FAILURE"), 1, 1, "ACTIVE"),
        (json!("ON_FAILURE"), 0, 0, "INACTIVE"),
        (json!("NEVER"), 1, 0, "INACTIVE"),
    ] {
        let mut one = specification(&world);
        one["containerRestartPolicy"] = policy.clone();
        let id = instance(&world, &one);
        world.post("/sandbox/crash", &json!({"instance": id, "exit-code": code, "log": "bye"}));
        let after = shown(&world, &id);
        assert_eq!(after["lifecycleState"], state, "{policy} {code}");
        let container = after["containers"][0]["containerId"].as_str().expect("an id");
        let container = world.get(&format!("/20210415/containers/{container}"));
        assert_eq!(container["lifecycleState"], state, "{policy} {code}");
        assert_eq!(
            (&container["exitCode"], &container["containerRestartAttemptCount"]),
            (&json!(code), &json!(restarts))
        );
    }
    // A version whose containers exit is not put into service.
    let mut deployment = world.deployment();
    deployment["ci-config"]["container-restart-policy"] = json!("NEVER");
    deployment["ci-config"]["containers"][0]["environment-variables"]["SANDBOX_CRASH"] = json!("1");
    let ran = world.run(&["start", world.write_deployment(&deployment)]).expect(3);
    assert!(ran.stderr.contains("INACTIVE"), "{}", ran.stderr);
    world.expect_serving("1");
}
