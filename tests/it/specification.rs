//! The instance's specification, all of it: every limit of the API is checked before any call, unknown fields are refused or
//! passed on unchanged, and editors can know the same.

mod everything;

use serde_json::{Value, json};

use crate::harness::World;

use everything::{everything, made_of};

#[test]
fn every_field_of_the_api_is_taken_and_sent_in_its_words() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    everything(&mut deployment);
    let file = world.write_deployment(&deployment);
    world.run(&["validate", file, "--online"]).expect(0);
    let plan = world.run(&["plan", file, "--output", "json"]).expect(0).json();
    let steps = plan["steps"].as_array().expect("steps");
    let create = steps.iter().find(|step| step["name"] == "create-instance").expect("it creates");
    let body = &create["request"]["body"];
    let container = &body["containers"][0];
    assert_eq!(container["resourceConfig"], json!({"vcpusLimit": 1.5, "memoryLimitInGBs": 1}));
    assert_eq!(container["healthChecks"][1], json!({"healthCheckType": "TCP", "port": 80}));
    assert_eq!(container["securityContext"]["capabilities"]["dropCapabilities"], json!(["ALL"]));
    assert_eq!(body["volumes"][2]["mountCommand"]["mountOptions"][0], json!({"option": "nosuid"}));
    assert_eq!(body["definedTags"], deployment["ci-config"]["defined-tags"]);
    assert_eq!(body["imagePullSecrets"][1]["secretId"], "ocid1.vaultsecret.oc1.iad.sandbox");
    world.run(&["start", file]).expect(0);
    assert_eq!(world.versions(), ["2"]);
    // Nothing of it is lost or altered when it is read back.
    let again = world.run(&["start", file, "--if-changed", "--output", "json"]).expect(0);
    assert_eq!(again.json()["status"], "unchanged", "{}", again.stderr);
}

#[test]
fn an_instance_that_a_rollback_makes_again_has_every_field_that_it_had() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    everything(&mut deployment);
    world.run(&["start", world.write_deployment(&deployment)]).expect(0);
    let before = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    let before = made_of(&world, before["new_instance_id"].as_str().expect("an id"));
    assert_eq!(before["containers"][0]["workingDirectory"], "/srv", "{before:#}");
    assert_eq!(before["vnics"][0]["nsgIds"][0], "ocid1.networksecuritygroup.oc1.iad.sandbox", "{before:#}");
    assert_eq!(before["imagePullSecrets"].as_array().map(Vec::len), Some(2), "{before:#}");
    deployment["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:3");
    world.run(&["start", world.write_deployment(&deployment)]).expect(0);
    world.run(&["rollback", "latest"]).expect(0);
    let after = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    let after = made_of(&world, after["restored_instance_id"].as_str().expect("an id"));
    assert_eq!(after, before);
}

#[test]
fn every_limit_is_checked_before_any_call() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 47] = [
        (|c| c["display-name"] = json!(""), "display-name: is empty"),
        (|c| c["display-name"] = json!("x".repeat(256)), "display-name: is longer than 255 characters"),
        (|c| c["compartment-id"] = Value::Null, "compartment-id: is missing"),
        (|c| c["shape-config"]["ocpus"] = json!(0), "shape-config.ocpus: expected a number above zero"),
        (|c| c["shape-config"]["ocpus"] = json!(65), "shape-config.ocpus: 65 is more than the 64"),
        (
            |c| c["shape-config"]["memory-in-gbs"] = json!(4),
            "memory-in-gbs: is the same key as `memory-in-g-bs`",
        ),
        (|c| c["shape-config"]["memory-in-g-bs"] = json!(65), "memory-in-gbs: 65 is out of bounds"),
        (|c| c["shape-config"]["memory-in-g-bs"] = json!(0.5), "memory-in-gbs: 0.5 is out of bounds"),
        (|c| c["containers"] = json!([]), "containers: has 0 entries, expected 1 to 60"),
        (|c| c["containers"] = json!(vec![c["containers"][0].clone(); 61]), "containers: has 61 entries"),
        (|c| c["containers"][0]["image-url"] = json!(""), "containers[0].image-url: is empty"),
        (|c| c["vnics"] = json!([c["vnics"][0], c["vnics"][0]]), "vnics: has 2 entries, expected exactly 1"),
        (
            |c| {
                c["volumes"] =
                    (0..33).map(|n| json!({"name": n.to_string(), "volume-type": "EMPTYDIR"})).collect();
            },
            "volumes: has 33 entries, expected at most 32",
        ),
        (
            |c| {
                c["volumes"]
                    .as_array_mut()
                    .expect("a list")
                    .push(json!({"name": "scratch", "volume-type": "EMPTYDIR"}));
            },
            "volumes[3].name: `scratch` is there twice",
        ),
        (
            |c| c["volumes"][0]["volume-type"] = json!("NFS"),
            "volumes[0].volume-type: expected EMPTYDIR or CONFIGFILE",
        ),
        (
            |c| c["volumes"][0]["backing-store"] = json!("DISK"),
            "backing-store: expected EPHEMERAL_STORAGE or MEMORY",
        ),
        (|c| c["volumes"][1]["configs"][0]["data"] = json!("not base64!"), "configs[0].data: is not base64"),
        (
            |c| c["volumes"][1]["configs"][0]["path"] = json!("/etc"),
            "configs[0].path: expected a path within",
        ),
        (
            |c| {
                c["volumes"][1]["configs"] =
                    json!([c["volumes"][1]["configs"][0], c["volumes"][1]["configs"][0]]);
            },
            "configs[1].file-name: `a.conf` is there twice",
        ),
        (|c| c["volumes"][2]["export"] = Value::Null, "volumes[2].export: is missing"),
        (
            |c| c["dns-config"]["nameservers"] = json!(vec!["1.1.1.1"; 4]),
            "dns-config.nameservers: has 4 entries, expected at most 3",
        ),
        (
            |c| c["dns-config"]["nameservers"] = json!(["dns.example"]),
            "nameservers[0]: expected an IP address",
        ),
        (
            |c| c["dns-config"]["searches"] = json!(vec!["a"; 7]),
            "searches: has 7 entries, expected at most 6",
        ),
        (
            |c| c["dns-config"]["options"] = json!(vec!["a"; 17]),
            "options: has 17 entries, expected at most 16",
        ),
        (
            |c| c["graceful-shutdown-timeout-in-seconds"] = json!(-1),
            "expected a whole number that is not negative, found -1",
        ),
        (
            |c| c["container-restart-policy"] = json!("SOMETIMES"),
            "expected ALWAYS or NEVER or ON_FAILURE, found `SOMETIMES`",
        ),
        (|c| c["freeform-tags"] = json!({"k".repeat(101): "v"}), "expected a name of 1 to 100 characters"),
        (
            |c| c["freeform-tags"] = json!({"k": "v".repeat(257)}),
            "freeform-tags.k: is longer than 256 characters",
        ),
        (
            |c| c["defined-tags"] = json!({"Ops": "x"}),
            "defined-tags.Ops: expected a map of tags, found a string",
        ),
        (
            |c| c["defined-tags"] = json!({"Ops": {"k": [1]}}),
            "defined-tags.Ops.k: expected a string, a whole number",
        ),
        (
            |c| {
                c["defined-tags"] = json!({"Ops": (0..65).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>()});
            },
            "defined-tags: has 65 entries, expected at most 64",
        ),
        (
            |c| c["containers"][0]["arguments"] = json!(["x".repeat(65_537)]),
            "arguments: has 65537 bytes in all, expected at most 65536",
        ),
        (
            |c| c["containers"][0]["environment-variables"] = json!({"A": "x".repeat(65_536)}),
            "environment-variables: has 65537 bytes in all",
        ),
        (
            |c| c["containers"][0]["environment-variables"] = json!({"A=B": ""}),
            "is not the name of a variable",
        ),
        (
            |c| c["containers"][0]["environment-variables"] = json!({"A": 1}),
            "environment-variables.A: expected a string, found a number",
        ),
        (
            |c| c["containers"][0]["volume-mounts"][0]["volume-name"] = json!("scrach"),
            "there is no volume `scrach`",
        ),
        (
            |c| c["containers"][0]["volume-mounts"][2]["partition"] = json!(0),
            "partition: expected a whole number above zero",
        ),
        (
            |c| c["containers"][0]["resource-config"]["vcpus-limit"] = json!(2.5),
            "vcpus-limit: 2.5 is more than the 2 of the instance",
        ),
        (
            |c| c["containers"][0]["health-checks"][0]["port"] = json!(0),
            "health-checks[0].port: 0 is not a port",
        ),
        (
            |c| c["containers"][0]["health-checks"][0]["path"] = Value::Null,
            "health-checks[0].path: is missing",
        ),
        (
            |c| c["containers"][0]["health-checks"][0]["interval-in-seconds"] = json!(0),
            "interval-in-seconds: expected a whole number above zero",
        ),
        (
            |c| c["containers"][0]["health-checks"][0]["failure-action"] = json!("RESTART"),
            "failure-action: expected KILL or NONE",
        ),
        (
            |c| c["containers"][0]["health-checks"][1]["path"] = json!("/"),
            "health-checks[1].path: unknown key `path`",
        ),
        (
            |c| c["containers"][0]["security-context"]["run-as-user"] = json!(65_536),
            "run-as-user: expected a whole number from 0 to 65535",
        ),
        (
            |c| c["containers"][0]["security-context"]["run-as-user"] = Value::Null,
            "security-context.run-as-group: needs `run-as-user` beside it",
        ),
        (
            |c| {
                c["containers"][0]["security-context"]["capabilities"]["add-capabilities"] =
                    json!(["CAP_CHWON"]);
            },
            "add-capabilities[0]: expected CAP_CHOWN, found `CAP_CHWON`",
        ),
        (
            |c| c["image-pull-secrets"][0]["password"] = json!("clear text"),
            "image-pull-secrets[0].password: is not base64",
        ),
    ];
    let world = World::hurried();
    let mut whole = world.deployment();
    everything(&mut whole);
    world.run(&["validate", world.write_deployment(&whole)]).expect(0);
    for (change, expected) in cases {
        let mut deployment = whole.clone();
        change(&mut deployment["ci-config"]);
        let ran = world.run(&["validate", world.write_deployment(&deployment)]);
        assert!(ran.code == 2 && ran.stderr.contains(expected), "expected {expected:?} in:\n{}", ran.stderr);
        // One mistake causes one problem.
        let problems = ran.stderr.lines().filter(|line| line.contains("deployment.json")).count();
        assert_eq!(problems, 1, "{}", ran.stderr);
        let ran = world.run(&["start", "deployment.json"]).expect(2);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert_eq!(world.audit()["entries"].as_array().map(Vec::len), Some(0), "nothing was called");
}

#[test]
fn fields_of_next_year_are_refused_or_passed_on_unchanged() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    let config = &mut deployment["ci-config"];
    config["acceleratorType"] = json!({"gpu-kind": ["A10"], "is_shared": false});
    config["containers"][0]["health-checks"] =
        json!([{"health-check-type": "GRPC", "port": 80, "serviceName": "x"}]);
    let file = world.write_deployment(&deployment);
    let ran = world.run(&["start", file]).expect(2);
    for expected in
        ["ci-config.acceleratorType: unknown key", "health-check-type: expected HTTP or TCP, found `GRPC`"]
    {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    let ran = world.run(&["plan", file, "--allow-unknown-fields", "--output", "json"]).expect(0);
    for expected in [
        "ci-config.acceleratorType: is not known, and passed on as it is written",
        "health-checks[0].health-check-type: `GRPC` is not known, and passed on",
        "health-checks[0].serviceName: is not known",
    ] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    let plan = ran.json();
    let steps = plan["steps"].as_array().expect("steps");
    let create = steps.iter().find(|step| step["name"] == "create-instance").expect("it creates");
    let body = &create["request"]["body"];
    assert_eq!(body["acceleratorType"], json!({"gpu-kind": ["A10"], "is_shared": false}));
    assert_eq!(
        body["containers"][0]["healthChecks"],
        json!([{"healthCheckType": "GRPC", "port": 80, "serviceName": "x"}])
    );
    // A rollback that creates the resulting instance again would lose these fields. There is a warning.
    let mut known = deployment.clone();
    known["ci-config"].as_object_mut().expect("a map").remove("acceleratorType");
    known["ci-config"]["containers"][0]["health-checks"] = json!([]);
    deployment["ci-config"]["containers"][0]["health-checks"] = json!([]);
    world.run(&["start", world.write_deployment(&deployment), "--allow-unknown-fields"]).expect(0);
    let ran = world.run(&["start", world.write_deployment(&known)]).expect(0);
    assert!(ran.stderr.contains("what this version does not know (acceleratorType)"), "{}", ran.stderr);
    // Our own keys are never taken for future fields of the API.
    deployment["drian-delay"] = json!("1s");
    let ran = world.run(&["start", world.write_deployment(&deployment), "--allow-unknown-fields"]).expect(2);
    assert!(ran.stderr.contains("unknown key `drian-delay`, did you mean `drain-delay`?"), "{}", ran.stderr);
}

#[test]
fn validate_needs_no_cloud_and_online_finds_everything_that_is_not_there() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    everything(&mut deployment);
    let file = world.write_deployment(&deployment);
    let ran = world.command(&["validate", file]).env("DEPLOYCTL_ENDPOINT", "http://127.0.0.1:1").output();
    assert_eq!(ran.expect("starts").status.code(), Some(0));
    assert_eq!(world.audit()["entries"], json!([]), "nothing was called");

    let config = &mut deployment["ci-config"];
    config["availability-domain"] = json!("sbox:SANDBOX-AD-9");
    config["vnics"][0]["subnet-id"] = json!("ocid1.subnet.oc1.iad.none");
    config["vnics"][0]["nsg-ids"] = json!(["ocid1.networksecuritygroup.oc1.iad.none"]);
    config["image-pull-secrets"][1]["secret-id"] = json!("ocid1.vaultsecret.oc1.iad.none");
    config["volumes"][2]["mount-target"]["id"] = json!("ocid1.mounttarget.oc1.iad.none");
    config["volumes"][2]["export"]["id"] = json!("ocid1.export.oc1.iad.none");
    config["shape"] = json!("CI.Standard.E9.Flex");
    deployment["lb-filter"] = json!({"display-name": "none"});
    let ran = world.run(&["validate", world.write_deployment(&deployment), "--online"]).expect(2);
    for expected in [
        "ci-config.availability-domain: there is no sbox:SANDBOX-AD-9; there are sbox:SANDBOX-AD-1",
        "ci-config.shape: there is no CI.Standard.E9.Flex; there are CI.Standard.",
        "ci-config.vnics[0].subnet-id: ocid1.subnet.oc1.iad.none does not exist",
        "ci-config.vnics[0].nsg-ids[0]: ocid1.networksecuritygroup.oc1.iad.none does not exist",
        "ci-config.volumes[2].mount-target.id: ocid1.mounttarget.oc1.iad.none does not exist",
        "ci-config.volumes[2].export.id: ocid1.export.oc1.iad.none does not exist",
        "ci-config.image-pull-secrets[1].secret-id: ocid1.vaultsecret.oc1.iad.none does not exist",
        "none of the 2 load balancers",
    ] {
        assert!(ran.stderr.contains(expected), "expected {expected:?} in:\n{}", ran.stderr);
    }
    let ran = world.run(&["validate", "deployment.json", "--online", "--output", "json"]).expect(2);
    let told = ran.json();
    assert_eq!(told["valid"], false, "{told}");
    assert_eq!(told["problems"].as_array().map(Vec::len), Some(8), "{told}");

    world.fault(&json!({"path": "/20", "effect": "401"}));
    let ran = world.run(&["validate", "deployment.json", "--online"]).expect(2);
    assert_eq!(ran.stderr.matches("401 NotAuthenticated").count(), 1, "{}", ran.stderr);
    world.clear_faults();

    deployment["backends"][0]["port"] = json!(0);
    let ran = world.run(&["validate", world.write_deployment(&deployment), "--output", "json"]).expect(2);
    let told = ran.json();
    assert_eq!(told["problems"][0]["path"], "backends[0].port", "{told}");
    assert_eq!(world.changes(), Vec::<String>::new());
}
