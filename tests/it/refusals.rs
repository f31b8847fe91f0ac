//! What is refused before anything is changed in the cloud: exit 2, and a message that names the place.

use serde_json::{Value, json};

use crate::harness::World;

#[track_caller]
fn refused(world: &World, args: &[&str], expected: &str) {
    let ran = world.run(args).expect(2);
    assert!(ran.stderr.contains(expected), "expected {expected:?} in:\n{}", ran.stderr);
    assert_eq!(world.changes(), Vec::<String>::new(), "{expected}");
}

#[test]
fn a_deployment_that_cannot_be_read_names_file_line_and_column() {
    let world = World::new();
    for (name, text, expected) in [
        ("a.edn", "{:ci-config\n {:shape \"x\"\n", "a.edn:2:2: is not closed"),
        ("a.yaml", "backends: [\n", "a.yaml:"),
        ("a.json", "{\"backends\":\n oops}", "a.json:2:2: is not JSON"),
        ("a.toml", "", "a.toml: expected a file that ends in .edn, .yaml, .yml or .json"),
    ] {
        world.write(name, text);
        refused(&world, &["start", name], expected);
    }
    refused(&world, &["start", "nowhere.edn"], "nowhere.edn: cannot be read");
}

#[test]
fn every_wrong_value_is_named_by_its_path() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 18] = [
        (|d| d["ci-confg"] = json!({}), "unknown key `ci-confg`, did you mean `ci-config`?"),
        (
            |d| d["ci-config"]["containers"][0]["image-ulr"] = json!("x"),
            "ci-config.containers[0].image-ulr: unknown key `image-ulr`, did you mean `image-url`?",
        ),
        (
            |d| {
                d["ci-config"]["containers"][0].as_object_mut().expect("a map").remove("image-url");
            },
            "ci-config.containers[0].image-url: is missing",
        ),
        (
            |d| d["ci-config"]["shape-config"]["ocpus"] = json!("one"),
            "ci-config.shape-config.ocpus: expected a number",
        ),
        (|d| d["ci-config"]["vnics"] = json!([]), "ci-config.vnics: has 0 entries, expected exactly 1"),
        (
            |d| d["ci-config"]["vnics"][0]["private-ip"] = json!("10.0.0.3"),
            "ci-config.vnics[0].private-ip: a fixed address",
        ),
        (|d| d["backends"][0]["port"] = json!(70000), "backends[0].port: 70000 is not a port"),
        (|d| d["backends"][0]["port"] = json!("80"), "backends[0].port: `80` is a string"),
        (|d| d["lb-filter"] = json!({"tags": {}}), "lb-filter.tags: unknown key"),
        (
            |d| {
                d["ci-config"]["freeform-tags"] =
                    json!({"a": "", "b": "", "c": "", "d": "", "e": "", "f": "", "g": ""});
            },
            "ci-config.freeform-tags: has 7 tags, expected at most 6",
        ),
        (|d| d["ci-filter"] = json!({}), "ci-filter: is empty"),
        (|d| d["ci-filter"] = json!({"display-name": null}), "ci-filter.display-name: is nothing"),
        (
            |d| d["ci-filter"] = json!({"lifecycle-state": "ACTVE"}),
            "ci-filter.lifecycle-state: expected one of ACTIVE",
        ),
        (|d| d["drain-delay"] = json!("soon"), "drain-delay: expected a duration"),
        (|d| d["on-failure"] = json!("panic"), "on-failure: expected rollback or halt, found `panic`"),
        (|d| d["config-file"] = json!("none.edn"), "config-file: there is no file none.edn"),
        (
            |d| {
                d["ci-config"]["containers"][0]["health-checks"] =
                    json!([{"health-check-type": "COMMAND", "command": ["x"]}]);
            },
            "health-checks[0].health-check-type: COMMAND health checks were withdrawn",
        ),
        (
            |d| {
                d["ci-config"]["containers"][0]["volume-mounts"] =
                    json!([{"mount-path": "/c", "volume-name": "c"}]);
            },
            "volume-mounts[0].volume-name: there is no volume `c`",
        ),
    ];
    let world = World::new();
    for (change, expected) in cases {
        let mut deployment = world.deployment();
        change(&mut deployment);
        refused(&world, &["start", world.write_deployment(&deployment)], expected);
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let world = World::new();
    let mut deployment = world.deployment();
    deployment["backends"][0]["port"] = json!(0);
    deployment["register"] = json!("maybe");
    let ran = world.run(&["start", world.write_deployment(&deployment), "--output", "json"]).expect(2);
    let error = &ran.json()["error"];
    assert_eq!(error["kind"], "configuration");
    let message = error["message"].as_str().expect("a message");
    assert_eq!(message.lines().count(), 2, "{message}");
}

#[test]
fn credentials_that_cannot_work_are_refused() {
    let world = World::signed();
    let file = world.write_deployment(&world.deployment());
    refused(&world, &["start", file, "--profile", "PROD"], "has no profile [PROD]; it has [DEFAULT]");
    refused(
        &world,
        &["start", file, "--region", "frankfurt", "--endpoint", ""],
        "`frankfurt` is not a region",
    );
    let config = std::fs::read_to_string(world.path(".oci/config")).expect("the sandbox wrote it");
    let with = |from: &str, to: &str| world.write(".oci/config", &config.replace(from, to));
    with("fingerprint=", "fingerprint=00:");
    refused(&world, &["start", file], "the private key does not belong to the fingerprint 00:");
    with("sandbox_key.pem", "nowhere.pem");
    refused(&world, &["start", file], "nowhere.pem");
    world.write(".oci/empty.pem", "nothing");
    with("sandbox_key.pem", "empty.pem");
    refused(&world, &["start", file], "there is no private key in it");
    with("user=", "user=x");
    refused(&world, &["start", file], "401 NotAuthenticated");
    world.write(".oci/config", &config);
    world.post("/sandbox/skew", &json!({"seconds": 3600}));
    refused(&world, &["start", file], "this machine's clock is off by 60 minutes");
}

#[test]
fn what_the_cloud_does_not_hold_is_refused_before_anything_is_created() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 4] = [
        (|d| d["lb-filter"] = json!({"display-name": "none"}), "none of the 1 load balancers"),
        (|d| d["ci-filter"] = json!({"shape": "CI.Standard.E4.Flex"}), "matches 2 instances: ocid1."),
        (
            |d| d["backends"] = json!([{"port": 80, "backend-set": "htpp"}]),
            "no backend set `htpp`; it has admin, http, other",
        ),
        (
            |d| d["backends"] = json!([{"port": 80, "backend-set": "admin"}]),
            "the set `http` would be left without a backend",
        ),
    ];
    let world = World::lonely();
    for (change, expected) in cases {
        let mut deployment = world.deployment();
        change(&mut deployment);
        refused(&world, &["start", world.write_deployment(&deployment)], expected);
        refused(&world, &["plan", "deployment.json"], expected);
    }
    // A refused run holds nothing.
    world.run(&["start", world.write_deployment(&world.deployment())]).expect(0);
}

#[test]
fn usage_errors_exit_2_and_help_exits_0() {
    let world = World::new();
    refused(&world, &["strat"], "unrecognized subcommand");
    refused(&world, &["start"], "no deployment is named");
    refused(&world, &["resume", "zz"], "expected a run id");
    refused(&world, &["history", "1234"], "no run matches `1234`");
    world.run(&["--help"]).expect(0);
    world.run(&["--version"]).expect(0);
    assert!(world.run(&["completions", "bash"]).expect(0).stdout.contains("deployctl"));
    assert!(world.run(&["man"]).expect(0).stdout.contains(".TH deployctl"));
}
