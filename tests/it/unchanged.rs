//! `start --if-changed` does nothing exactly if nothing differs.

use serde_json::{Value, json};

use crate::harness::{Ran, World};

const SECRET: &str = "hunter2";

fn n_runs(world: &World) -> usize {
    let listed = world.run(&["history", "--output", "json"]).expect(0).json();
    listed["runs"].as_array().expect("runs").len()
}

/// Starts the deployment if something has changed, and returns what was said.
#[track_caller]
fn start(world: &World, deployment: &Value) -> Ran {
    let file = world.write_deployment(deployment);
    world.run(&["start", file, "--if-changed", "--output", "json"]).expect(0)
}

#[test]
fn nothing_is_done_if_nothing_differs_and_each_difference_is_told() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    let container = |deployment: &mut Value, name: &str, value: Value| {
        deployment["ci-config"]["containers"][0][name] = value;
    };
    container(&mut deployment, "environment-variables", json!({"PASSWORD": format!("{SECRET}-1")}));
    let first = start(&world, &deployment);
    assert!(
        first
            .stderr
            .contains("containers[0].imageUrl: docker.io/library/httpd:1 → docker.io/library/httpd:2")
    );
    let run = first.json();
    let same = start(&world, &deployment).json();
    assert_eq!((&same["status"], &same["instance_id"]), (&json!("unchanged"), &run["new_instance_id"]));
    assert_eq!((&same["made_by_run_id"], &same["image"]), (&run["run_id"], &run["new_image"]));
    assert_eq!(n_runs(&world), 1);
    let text = world.run(&["start", "deployment.json", "--if-changed"]).expect(0).stdout;
    assert!(text.starts_with("webserver is unchanged: "), "{text}");
    // Another machine knows no run, and sees it as well.
    let other = world.machine("other");
    let file = other.write_deployment(&deployment);
    let there = other.run(&["start", file, "--if-changed", "--output", "json"]).expect(0).json();
    assert_eq!(there["status"], "unchanged");

    let place = "containers[0].environmentVariables.PASSWORD";
    container(&mut deployment, "environment-variables", json!({"PASSWORD": format!("{SECRET}-2")}));
    let ran = start(&world, &deployment);
    assert!(ran.stderr.contains(&format!("{place}: *** → ***")), "{}", ran.stderr);
    container(&mut deployment, "environment-variables", json!({}));
    let ran = start(&world, &deployment);
    assert!(ran.stderr.contains(&format!("{place}: *** is removed")), "{}", ran.stderr);
    assert!(!(ran.stdout + &ran.stderr).contains(SECRET));
    // Without `--if-changed`, a start always rolls out.
    world.run(&["start", "deployment.json"]).expect(0);
    assert_eq!(
        (n_runs(&world), start(&world, &deployment).json()["status"].as_str()),
        (4, Some("unchanged"))
    );

    deployment["backends"] =
        json!([{"port": 80, "backend-set": "http"}, {"port": 80, "backend-set": "admin"}]);
    let ran = start(&world, &deployment);
    assert!(ran.stderr.contains("does not serve port 80 in `admin`"), "{}", ran.stderr);
    assert_eq!(n_runs(&world), 5);
}

#[test]
fn the_credentials_of_pull_secrets_are_compared_with_the_run_that_made_what_serves() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    let mut with = |password: &str| {
        deployment["ci-config"]["image-pull-secrets"] = json!([{
            "secret-type": "BASIC", "registry-endpoint": "iad.ocir.io", "username": "dQ==", "password": password,
        }]);
        deployment.clone()
    };
    let before = with("cDE=");
    start(&world, &before);
    assert_eq!(start(&world, &before).json()["status"], "unchanged");
    let other = world.machine("other");
    let file = other.write_deployment(&before);
    let ran = other.run(&["start", file, "--if-changed", "--output", "json"]).expect(0);
    assert!(ran.stderr.contains("cannot be compared"), "{}", ran.stderr);
    assert_eq!(ran.json()["status"], "unchanged");
    let ran = start(&world, &with("cDI="));
    assert!(ran.stderr.contains("imagePullSecrets: they differ"), "{}", ran.stderr);
    assert_eq!(ran.json()["status"], "succeeded");
}

#[test]
fn what_a_start_refuses_is_refused() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["ci-filter"] = json!({"display-name": "nobody's"});
    let file = world.write_deployment(&deployment);
    let ran = world.run(&["start", file, "--if-changed"]).expect(2);
    assert!(ran.stderr.contains("nothing matches ci-filter"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1"]);
}
