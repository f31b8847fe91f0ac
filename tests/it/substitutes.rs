//! A person creates the old instance again by hand: its specification is shown, and the person names the new one.

use serde_json::{Value, json};

use crate::harness::{Ran, Traffic, World};

const SECRET: &str = "s3cr-et-of-the-old-one";
const INSTANCES: &str = "/20210415/containerInstances";

fn world() -> (World, Value) {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    (world, deployment)
}

/// A success whose rollback cannot create the old instance again.
fn stuck(world: &World, deployment: &Value) -> Ran {
    let file = world.write_deployment(deployment);
    world.run(&["start", file]).expect(0);
    world.fault(&json!({"method": "POST", "path": "containerInstances", "effect": "not-found"}));
    let ran = world.run(&["rollback", "latest"]).expect(5);
    world.clear_faults();
    ran
}

/// Creates an instance as a person would, and waits until it exists.
fn made_by_hand(world: &World, specification: &Value) -> String {
    let made = world.call("POST", INSTANCES, &[], specification);
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    wait_for(world, &id, "ACTIVE");
    id
}

fn wait_for(world: &World, id: &str, state: &str) {
    world.wait_until(state, || world.get(&format!("{INSTANCES}/{id}"))["lifecycleState"] == state);
}

fn address(world: &World, id: &str) -> Value {
    let state = world.state();
    let instances = state["instances"].as_array().expect("instances");
    instances.iter().find(|one| one["id"] == id).expect("it is there")["address"].clone()
}

/// Everything that is shown about the newest run.
fn everything(world: &World) -> (Value, String) {
    let json = world.run(&["history", "latest", "--events", "--output", "json"]).expect(0).json();
    (json, world.run(&["history", "latest"]).expect(0).stdout)
}

fn specification(world: &World) -> Value {
    world.run(&["show", "latest", "--old", "--output", "json"]).expect(0).json()
}

fn resolve<'a>(step: &'a str, word: &'a str, instance: &'a str) -> [&'a str; 9] {
    ["resolve", "latest", step, "--as", word, "--reason", "made by hand", "--instance", instance]
}

#[test]
fn a_rollback_goes_on_to_the_instance_that_a_person_made() {
    let (world, mut deployment) = world();
    let mut before = deployment.clone();
    let container = &mut before["ci-config"]["containers"][0];
    container["environment-variables"] = json!({"PASSWORD": SECRET});
    container["command"] = json!(["httpd", format!("--password={SECRET}")]);
    let file = world.write_deployment(&before);
    world.run(&["start", file]).expect(0);
    let image = deployment["ci-config"]["containers"][0]["image-url"].as_str().expect("an image");
    let image = image.to_owned();
    deployment["ci-config"]["containers"][0]["image-url"] = json!(image.replace(":2", ":3"));
    let ran = stuck(&world, &deployment);
    assert!(ran.stderr.contains("--instance OCID"), "{}", ran.stderr);
    assert!(ran.stderr.contains("show ") && ran.stderr.contains(" --old"), "{}", ran.stderr);

    let shown = world.run(&["show", "latest", "--old"]).expect(0);
    assert!(
        !shown.stdout.contains(SECRET) && !shown.stderr.contains(SECRET),
        "{}{}",
        shown.stdout,
        shown.stderr
    );
    for place in ["containers[0].environmentVariables.PASSWORD", "containers[0].command[1]"] {
        assert!(shown.stderr.contains(place), "{}", shown.stderr);
    }
    let mut specification = specification(&world);
    assert_eq!(specification, serde_json::from_str::<Value>(&shown.stdout).expect("JSON"));
    let container = &mut specification["containers"][0];
    assert_eq!(container["imageUrl"], image.as_str());
    assert_eq!(container["environmentVariables"], json!({"PASSWORD": "***"}));
    assert_eq!(container["command"], json!(["httpd", "--password=***"]));
    container["environmentVariables"]["PASSWORD"] = json!(SECRET);
    container["command"][1] = json!(format!("--password={SECRET}"));

    let traffic = Traffic::start(world.front());
    let id = made_by_hand(&world, &specification);
    // Its reason may be omitted, and that of no other step.
    world.run(&["resolve", "latest", "retire-instance", "--as", "undone"]).expect(2);
    let resolve = ["resolve", "latest", "retire-instance", "--as", "undone", "--instance", &id];
    let said = world.run(&resolve).expect(0);
    assert!(said.stdout.contains(&id), "{}", said.stdout);
    let events = world.run(&["history", "latest", "--events"]).expect(0).stdout;
    assert!(events.contains(&format!("made again by hand: {id}")), "{events}");
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(traffic.stop().n_failed(), 0);
    assert_eq!(everything(&world).0["status"], "rolled-back");
    assert_eq!(world.running(), ["2"]);
    let backends = world.backends("http");
    let serving: Vec<&Value> = backends.iter().filter(|one| one["drain"] == false).collect();
    let [serving] = serving.as_slice() else { panic!("{backends:?}") };
    assert_eq!(serving["ipAddress"], address(&world, &id));
    assert_eq!(world.held(), 0);
}

#[test]
fn an_instance_that_cannot_take_the_place_is_refused_and_nothing_is_written() {
    let (world, deployment) = world();
    stuck(&world, &deployment);
    let mut specification = specification(&world);
    let stopped = made_by_hand(&world, &specification);
    world.call("POST", &format!("{INSTANCES}/{stopped}/actions/stop"), &[], &json!({}));
    wait_for(&world, &stopped, "INACTIVE");
    let own = specification["compartmentId"].as_str().expect("a compartment").to_owned();
    specification["compartmentId"] = json!("ocid1.compartment.oc1..another");
    let elsewhere = made_by_hand(&world, &specification);
    let before = everything(&world);
    let new = before.0["new_instance_id"].as_str().expect("the new one");
    let old = before.0["old_instance_id"].as_str().expect("the old one");
    let changes = world.changes();
    for (step, word, instance, why) in [
        ("retire-instance", "undone", stopped.as_str(), "is INACTIVE: it must be ACTIVE"),
        ("retire-instance", "undone", &elsewhere, own.as_str()),
        ("retire-instance", "undone", new, "is the new version"),
        ("retire-instance", "undone", old, "DELETED"),
        ("retire-instance", "undone", "ocid1.computecontainerinstance.oc1..none", "404"),
        ("retire-instance", "done", new, "--as undone"),
        ("shift-set", "undone", &elsewhere, "is not stuck"),
        ("nothing", "undone", &elsewhere, "has no step nothing"),
    ] {
        let ran = world.run(&resolve(step, word, instance)).expect(2);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        assert_eq!(everything(&world), before, "{why}");
    }
    assert_eq!(world.changes(), changes);
    // Without the key, the specification is not shown, and the run stays unchanged.
    let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut command = world.command(&["show", "latest", "--old"]);
    let ran = command.env("DEPLOYCTL_JOURNAL_KEY", other).output().expect("it runs");
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(1), &b""[..]));
    world.run(&["rollback", "latest"]).expect(0);
}

#[test]
fn only_the_step_that_retires_has_an_instance_in_its_place() {
    let (world, deployment) = world();
    let file = world.write_deployment(&deployment);
    world.run(&["start", file]).expect(0);
    world.fault(&json!({"method": "DELETE", "path": "/backends/", "effect": "capacity"}));
    let ran = world.run(&["rollback", "latest"]).expect(5);
    world.clear_faults();
    assert!(!ran.stderr.contains("--instance"), "{}", ran.stderr);
    let before = everything(&world);
    let old = before.0["old_instance_id"].as_str().expect("the old one");
    let ran = world.run(&resolve("register-backend", "undone", old)).expect(2);
    assert!(ran.stderr.contains("only retire-instance"), "{}", ran.stderr);
    assert_eq!(everything(&world), before);
    world.run(&["rollback", "latest"]).expect(0);
}

#[test]
fn a_run_without_an_old_instance_has_none_to_show() {
    let (world, mut deployment) = world();
    let file = world.write_deployment(&deployment);
    let killed = world.run_with(&["start", file], "find-old-instance/begun=return");
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let run = everything(&world).0["run_id"].as_str().expect("an id").to_owned();
    let ran = world.run(&["show", &run, "--old"]).expect(2);
    assert!(ran.stderr.contains("has not come so far"), "{}", ran.stderr);
    world.run(&["rollback", &run]).expect(0);
    deployment["ci-filter"] = json!({"display-name": "nobody"});
    deployment["first"] = json!(true);
    let file = world.write_deployment(&deployment);
    world.run(&["start", file]).expect(0);
    let ran = world.run(&["show", "latest", "--old"]).expect(2);
    assert!(ran.stderr.contains("has no old instance"), "{}", ran.stderr);
    for args in [&["show", "--old"][..], &["show", file, "--old"], &["show", "latest", "--old", "--first"]] {
        assert_eq!(world.run(args).expect(2).stdout, "");
    }
    let help = world.run(&["show", "--help"]).expect(0).stdout;
    assert!(help.contains("DEPLOYMENT|RUN") && help.contains("with --old a run"), "{help}");
}
