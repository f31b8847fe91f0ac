//! The sandbox's habits: each does what it says, seen by a client that is not ours.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::harness::{Answer, World};

/// The web server's load balancer, called without any library.
struct Balancer {
    world: World,
    path: String,
}

impl Balancer {
    fn with(habits: &Value) -> Self {
        let mut world = World::lonely();
        // The tests in this file do these things on purpose.
        world.expects_violations = true;
        world.expects_leftovers = true;
        world.expects_strangers_touched = true;
        world.post("/sandbox/habits", habits);
        let id = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
        Self { world, path: format!("/20170115/loadBalancers/{id}") }
    }

    fn read(&self, part: &str) -> Answer {
        self.world.call("GET", &format!("{}{part}", self.path), &[], &Value::Null)
    }

    fn version(&self) -> String {
        self.read("").header("etag").to_owned()
    }

    fn send(&self, method: &str, part: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.world.call(method, &format!("{}{part}", self.path), headers, body)
    }

    /// Registers a backend in the set `admin`.
    fn register(&self, port: u16, headers: &[(&str, &str)]) -> Answer {
        let body = json!({"ipAddress": "127.0.0.250", "port": port, "offline": true});
        self.send("POST", "/backendSets/admin/backends", headers, &body)
    }

    /// How a change ended.
    fn ended(&self, accepted: &Answer) -> Value {
        assert_eq!(accepted.status, 204, "{accepted:?}");
        let path = format!("/20170115/loadBalancerWorkRequests/{}", accepted.header("opc-work-request-id"));
        let read = || self.world.call("GET", &path, &[], &Value::Null);
        self.world.wait_until("the change is done", || {
            let answer = read();
            answer.status == 200 && !answer.json()["timeFinished"].is_null()
        });
        read().json()
    }

    fn names(&self) -> Vec<String> {
        let shown = self.read("").json();
        let backends = shown["backendSets"]["admin"]["backends"].as_array().expect("backends").clone();
        backends.iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Slows the sandbox down, so that two changes are under way at once.
    fn slowly(&self) {
        self.world.post("/sandbox/pace", &json!({"scale": 20}));
    }
}

#[test]
fn changes_that_queue_are_applied_as_they_were_accepted_or_the_last_one_first() {
    for (queue, order) in [("first-first", ["1", "2", "3"]), ("last-first", ["1", "3", "2"])] {
        let balancer = Balancer::with(&json!({"queue": queue}));
        balancer.slowly();
        let accepted = [1, 2, 3].map(|port| (port.to_string(), balancer.register(port, &[])));
        let mut ended: Vec<(Value, &str)> = accepted
            .iter()
            .map(|(port, accepted)| (balancer.ended(accepted)["timeFinished"].clone(), port.as_str()))
            .collect();
        ended.sort_by_key(|(at, _)| at.as_str().map(ToOwned::to_owned));
        assert_eq!(ended.iter().map(|(_, port)| *port).collect::<Vec<&str>>(), order, "{queue}");
    }
}

#[test]
fn where_changes_queue_two_with_one_version_are_both_accepted() {
    let balancer = Balancer::with(&json!({}));
    balancer.slowly();
    let version = balancer.version();
    let first = balancer.register(1, &[("if-match", &version)]);
    assert_eq!(balancer.version(), version, "it moves when the change is applied");
    let second = balancer.register(2, &[("if-match", &version)]);
    for accepted in [&first, &second] {
        assert_eq!(balancer.ended(accepted)["lifecycleState"], "SUCCEEDED");
    }
    assert_eq!(balancer.names().len(), 2);
    assert_eq!(balancer.register(3, &[("if-match", &version)]).status, 412);
}

#[test]
fn a_version_that_is_compared_when_a_change_is_applied_fails_its_work() {
    let balancer = Balancer::with(&json!({"if-match": "applied"}));
    balancer.slowly();
    let version = balancer.version();
    let first = balancer.register(1, &[("if-match", &version)]);
    let second = balancer.register(2, &[("if-match", &version)]);
    assert_eq!(balancer.ended(&first)["lifecycleState"], "SUCCEEDED");
    let failed = balancer.ended(&second);
    assert_eq!(failed["lifecycleState"], "FAILED", "{failed}");
    assert!(failed["errorDetails"].to_string().contains("is passed a tag of"), "{failed}");
    assert_eq!(balancer.names(), ["127.0.0.250:1"]);
}

#[test]
fn a_busy_load_balancer_may_refuse() {
    let balancer = Balancer::with(&json!({"busy": "refused"}));
    balancer.slowly();
    let first = balancer.register(1, &[]);
    let second = balancer.register(2, &[]);
    assert_eq!((second.status, &second.json()["code"]), (409, &json!("IncorrectState")));
    balancer.ended(&first);
    assert_eq!(balancer.register(2, &[]).status, 204);
}

#[test]
fn reads_may_lag_behind_and_work_requests_by_themselves() {
    let balancer = Balancer::with(&json!({"read-lag-ms": 3_600_000}));
    let before = balancer.version();
    let accepted = balancer.register(1, &[]);
    assert_eq!(balancer.ended(&accepted)["lifecycleState"], "SUCCEEDED");
    assert_eq!((balancer.version(), balancer.names().len()), (before.clone(), 0), "as it was an hour ago");
    assert_eq!(balancer.read("/backendSets/admin/backends").json(), json!([]));
    let list = balancer.world.get("/20170115/loadBalancers?compartmentId=ocid1.compartment.oc1..sandbox");
    assert_eq!(list[0]["backendSets"]["admin"]["backends"], json!([]));
    assert_eq!(balancer.register(2, &[("if-match", &before)]).status, 412, "but it is not so any more");
    balancer.world.post("/sandbox/habits", &json!({"read-lag-ms": 0}));
    assert_ne!(balancer.version(), before);
    assert_eq!(balancer.names(), ["127.0.0.250:1"]);

    balancer.world.post("/sandbox/habits", &json!({"work-request-lag-ms": 3_600_000}));
    let accepted = balancer.register(3, &[]);
    balancer.world.wait_until("it is there", || balancer.names().len() == 2);
    let path = format!("/20170115/loadBalancerWorkRequests/{}", accepted.header("opc-work-request-id"));
    assert_eq!(balancer.world.call("GET", &path, &[], &Value::Null).status, 404);
    assert_eq!(balancer.read("/workRequests").json(), json!([]));
}

#[test]
fn what_would_change_nothing_is_accepted_refused_or_keeps_the_version() {
    let flags = |drain: bool| json!({"weight": 1, "backup": false, "drain": drain, "offline": true});
    for (habits, status, is_new) in [
        (json!({}), 204, true),
        (json!({"no-change": "refused"}), 400, false),
        (json!({"no-change": "keeps-version"}), 204, false),
        (json!({"no-op": "refused"}), 400, false),
    ] {
        let balancer = Balancer::with(&habits);
        balancer.ended(&balancer.register(1, &[]));
        let update = |flags| balancer.send("PUT", "/backendSets/admin/backends/127.0.0.250:1", &[], &flags);
        assert_eq!(balancer.ended(&update(flags(true)))["lifecycleState"], "SUCCEEDED", "{habits}");
        let before = balancer.version();
        let again = update(flags(true));
        assert_eq!(again.status, status, "{habits}: {again:?}");
        if status == 204 {
            balancer.ended(&again);
        }
        assert_eq!(balancer.version() != before, is_new, "{habits}");
    }
    // To create what exists already is not an update.
    for (habits, status) in [(json!({"no-change": "refused"}), 204), (json!({"no-op": "refused"}), 400)] {
        let balancer = Balancer::with(&habits);
        balancer.ended(&balancer.register(1, &[]));
        assert_eq!(balancer.register(1, &[]).status, status, "{habits}");
    }
}

#[test]
fn a_token_that_comes_again_with_another_version_gives_the_first_answer_or_none() {
    for (replay, with_old, with_new) in
        [("original", 412, 204), ("before-version", 204, 204), ("refused", 204, 409)]
    {
        let balancer = Balancer::with(&json!({"token-replay": replay}));
        let old = balancer.version();
        let first = balancer.register(1, &[("if-match", &old), ("opc-retry-token", "T")]);
        balancer.ended(&first);
        let again = |version: &str| balancer.register(1, &[("if-match", version), ("opc-retry-token", "T")]);
        for (version, status) in [(old.clone(), with_old), (balancer.version(), with_new)] {
            let answer = again(&version);
            assert_eq!(answer.status, status, "{replay}: {answer:?}");
            let work = if status == 204 { first.header("opc-work-request-id") } else { "" };
            assert_eq!(answer.header("opc-work-request-id"), work, "{replay}");
        }
        let other = balancer.register(2, &[("opc-retry-token", "T")]);
        let code = if replay == "refused" { "InvalidatedRetryToken" } else { "InvalidParameter" };
        assert_eq!(other.json()["code"], code, "{replay}: another request");
    }
}

#[test]
fn a_set_that_is_full_takes_no_more() {
    let balancer = Balancer::with(&json!({"backends-most": 3}));
    // The web server and the bystander are backends of other sets of this load balancer.
    balancer.ended(&balancer.register(1, &[]));
    let full = balancer.register(2, &[]);
    assert_eq!((full.status, &full.json()["code"]), (400, &json!("LimitExceeded")));
}

#[test]
fn health_is_told_in_the_way_of_the_cloud() {
    let balancer = Balancer::with(&json!({}));
    let name = balancer.world.backends("http")[0]["name"].as_str().expect("a name").to_owned();
    let status =
        || balancer.read(&format!("/backendSets/http/backends/{name}/health")).json()["status"].clone();
    let wait_for = |wanted: &str| balancer.world.wait_until(wanted, || status() == wanted);
    wait_for("OK");
    balancer.world.post("/sandbox/habits", &json!({"health": "warning"}));
    assert_eq!(status(), "WARNING");
    assert_eq!(balancer.read("/backendSets/http/health").json()["warningStateBackendNames"], json!([name]));
    balancer.world.post("/sandbox/habits", &json!({"health": "ok", "drained-backends": "unchecked"}));
    let flags = json!({"weight": 1, "backup": false, "drain": true, "offline": false});
    balancer.ended(&balancer.send("PUT", &format!("/backendSets/http/backends/{name}"), &[], &flags));
    assert_eq!(status(), "UNKNOWN");
    balancer.world.post("/sandbox/habits", &json!({"drained-backends": "checked"}));
    wait_for("OK");
}

/// The addresses of the existing instances, in the order of their creation.
fn addresses(world: &World) -> Vec<String> {
    let state = world.state();
    let instances = state["instances"].as_array().expect("instances").iter();
    let there = instances.filter(|one| one["lifecycleState"] != "DELETED");
    there.map(|one| one["address"].as_str().expect("an address").to_owned()).collect()
}

#[test]
fn an_address_is_not_given_out_while_it_is_in_use() {
    let balancer = Balancer::with(&json!({}));
    let world = &balancer.world;
    let specification = &world.deployment()["ci-config"];
    let body = json!({
        "compartmentId": specification["compartment-id"], "availabilityDomain": specification["availability-domain"],
        "shape": "CI.Standard.E4.Flex", "shapeConfig": {"ocpus": 1},
        "vnics": [{"subnetId": specification["vnics"][0]["subnet-id"]}], "containers": [{"imageUrl": "httpd:1"}],
    });
    let create = || {
        let made = world.call("POST", "/20210415/containerInstances", &[], &body);
        assert_eq!(made.status, 200, "{made:?}");
        made.json()["id"].as_str().expect("an id").to_owned()
    };
    // An instance that is gone, whose backend was left behind.
    let left = create();
    let address = addresses(world).pop().expect("an address");
    let backend = json!({"ipAddress": address, "port": 80});
    balancer.ended(&balancer.send("POST", "/backendSets/admin/backends", &[], &backend));
    world.delete(&format!("/20210415/containerInstances/{left}"));
    world.wait_until("it is gone", || !addresses(world).contains(&address));
    // All addresses, with those that were there, except the one that a backend has.
    while addresses(world).len() < 249 {
        create();
    }
    let given = addresses(world);
    assert_eq!(given.iter().collect::<HashSet<_>>().len(), given.len(), "each has its own");
    assert!(!given.contains(&address), "it is a backend's");
    let refused = world.call("POST", "/20210415/containerInstances", &[], &body);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("LimitExceeded")));
    let message = refused.json()["message"].clone();
    assert_eq!(message, "all 250 addresses of this sandbox are in use");
    // The habit makes the one of the backend free.
    world.post("/sandbox/habits", &json!({"reuse-addresses": true}));
    create();
    assert!(addresses(world).contains(&address), "{address} is not in {:?}", addresses(world));
}

#[test]
fn an_instance_may_vanish_and_may_have_its_card_later() {
    let balancer = Balancer::with(&json!({"deleted-instances": "vanish", "vnic": "after-active"}));
    let world = &balancer.world;
    let file = world.write_deployment(&world.deployment());
    world.run(&["start", file]).expect(0);
    let old = world.state()["seed"]["webserverId"].as_str().expect("an id").to_owned();
    let read = world.call("GET", &format!("/20210415/containerInstances/{old}"), &[], &Value::Null);
    assert_eq!(read.status, 404);
    let list = world.get("/20210415/containerInstances?compartmentId=ocid1.compartment.oc1..sandbox");
    assert!(!list.to_string().contains(&old), "{list}");
}

#[test]
fn what_is_not_known_is_refused_with_what_is() {
    let balancer = Balancer::with(&json!({}));
    let world = &balancer.world;
    let before = world.get("/sandbox/habits");
    for (habits, expected) in [
        (json!({"bussy": "refused"}), "`busy`"),
        (json!({"busy": "refuse"}), "`refused`"),
        (json!({"busy": "refused", "vnic": 3}), "vnic"),
        (json!([]), "drained-backends"),
        (Value::Null, "drained-backends"),
    ] {
        let answer = world.call("POST", "/sandbox/habits", &[], &habits);
        assert_eq!(answer.status, 400, "{habits}");
        assert!(answer.body.contains(expected), "{habits}: {}", answer.body);
    }
    assert_eq!(world.get("/sandbox/habits"), before, "nothing was changed");
    let ran = world.run(&["sandbox", "--habit", "bussy=refused"]).expect(2);
    assert!(ran.stderr.contains("`busy`"), "{}", ran.stderr);
    world.run(&["sandbox", "--habit", "busy"]).expect(2);
}
