//! A deployment is its target, not its name: its tags, the targets that it holds, which run supersedes which, and what
//! `latest` means.

use serde_json::{Value, json};

use crate::harness::World;

/// A deployment with the seeded one's name, but of another service: other instances, another set.
fn staging(world: &World) -> Value {
    let mut deployment = world.deployment();
    deployment["name"] = json!("webserver");
    deployment["ci-config"]["display-name"] = json!("staging");
    deployment["ci-config"]["freeform-tags"] = json!({"env": "staging"});
    deployment["ci-filter"] = json!({"display-name": "staging", "freeform-tags": {"env": "staging"}});
    deployment["backends"] = json!([{"port": 80, "backend-set": "admin"}]);
    deployment
}

fn world() -> (World, &'static str) {
    let mut world = World::hurried();
    // The staging instance does not replace the seeded one.
    world.expects_leftovers = true;
    world.write("staging.json", &staging(&world).to_string());
    let file = world.write_deployment(&world.deployment());
    (world, file)
}

fn start(world: &World, args: &[&str]) -> String {
    let args: Vec<&str> = ["start"].iter().chain(args).chain(&["--output", "json"]).copied().collect();
    let run = world.run(&args).expect(0).json();
    run["run_id"].as_str().expect("an id").to_owned()
}

/// The deployment tag of the instance that the newest run created.
fn tag(world: &World) -> String {
    let id = world.run(&["history", "latest", "--output", "json"]).json()["new_instance_id"].clone();
    let state = world.state();
    let mut instances = state["instances"].as_array().expect("instances").iter();
    let found = instances.rfind(|instance| instance["id"] == id);
    let tag = found.map(|instance| instance["freeformTags"]["deployctl-deployment"].clone());
    tag.as_ref().and_then(Value::as_str).expect("a tag").to_owned()
}

#[test]
fn two_services_of_one_name_neither_supersede_nor_block_each_other() {
    let (mut world, file) = world();
    // The staging service had no earlier version, and is taken back completely.
    world.expects_violations = true;
    let prod = start(&world, &[file]);
    let of_staging = start(&world, &["staging.json"]);
    world.run(&["rollback", &prod]).expect(0);
    assert_eq!(world.versions(), ["1"]);
    world.run(&["rollback", &of_staging]).expect(0);
    assert_eq!(world.backends("admin"), Vec::<Value>::new());

    for point in ["find-load-balancer/begun", "register-backend/begun"] {
        let killed = world.run_with(&["start", "staging.json"], &format!("{point}=return"));
        assert_eq!(killed.code, -1, "{}", killed.stderr);
        let interrupted = world.run(&["history", "latest", "--output", "json"]).json();
        start(&world, &[file]);
        let interrupted = interrupted["run_id"].as_str().expect("an id");
        world.run(&["rollback", interrupted]).expect(0);
    }
}

#[test]
fn an_instance_is_tagged_with_the_digest_of_its_target_on_every_machine() {
    let (world, file) = world();
    start(&world, &[file]);
    let first = tag(&world);
    let (name, digest) = first.rsplit_once('@').expect("a digest");
    assert_eq!(name, "webserver");
    assert!(digest.len() == 8 && digest.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{first}");
    // Another checkout, journal and machine do not change the target. Neither does another name.
    std::fs::create_dir(world.path("checkout")).expect("made");
    std::fs::copy(world.path(file), world.path("checkout/same.json")).expect("copied");
    start(&world, &["checkout/same.json", "--journal", "./other.db", "--name", "renamed"]);
    let again = world.run(&["history", "latest", "--journal", "./other.db", "--output", "json"]).json();
    let instances = world.state()["instances"].clone();
    let made =
        instances.as_array().expect("instances").iter().find(|one| one["id"] == again["new_instance_id"]);
    let tag_of = |one: Option<&Value>| one.expect("made")["freeformTags"]["deployctl-deployment"].clone();
    assert_eq!(tag_of(made), format!("renamed@{digest}"));
    // Another environment and another set do.
    start(&world, &[file, "--env", "prod"]);
    assert_ne!(tag(&world).rsplit_once('@').expect("a digest").1, digest);
    start(&world, &["staging.json"]);
    assert_ne!(tag(&world).rsplit_once('@').expect("a digest").1, digest);
}

#[test]
fn a_name_that_fills_a_tag_is_cut() {
    let (world, file) = world();
    start(&world, &[file, "--name", &"n".repeat(300)]);
    let tag = tag(&world);
    assert_eq!(tag.len(), 256);
    assert!(
        tag.starts_with("nnnn") && tag.rsplit_once('@').is_some_and(|(_, digest)| digest.len() == 8),
        "{tag}"
    );
}

#[test]
fn of_two_starts_of_one_deployment_only_one_advances_before_any_set_is_known() {
    let (world, file) = world();
    let killed = world.run_with(&["start", file], "find-load-balancer/begun=return");
    assert_eq!(killed.code, -1);
    let refused = world.run(&["start", file]).expect(6);
    assert!(refused.stderr.contains("deployment:webserver is held by run"), "{}", refused.stderr);
    world.run(&["resume", "latest"]).expect(0);
    world.run(&["start", file]).expect(0);
}

#[test]
fn latest_is_the_newest_run_that_changed_anything_and_must_be_of_one_deployment() {
    let (world, file) = world();
    let none = world.run(&["rollback", "latest"]).expect(2);
    assert!(none.stderr.contains("there is no journal"), "{}", none.stderr);
    start(&world, &[file]);
    let mut bad = world.deployment();
    bad["lb-filter"] = json!({"display-name": "nowhere"});
    world.write("bad.json", &bad.to_string());
    world.run(&["start", "bad.json"]).expect(2);
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
    // The run is not rolled back twice, and no earlier run is rolled back.
    let over = world.run(&["rollback", "latest"]).expect(2);
    assert!(over.stderr.contains("is rolled-back"), "{}", over.stderr);

    start(&world, &[file]);
    start(&world, &["staging.json"]);
    for verb in ["rollback", "resume"] {
        let unclear = world.run(&[verb, "latest"]).expect(2);
        assert!(unclear.stderr.contains("`latest` may be a run of 2 deployments"), "{}", unclear.stderr);
        assert_eq!(unclear.stderr.matches("webserver@").count(), 2, "{}", unclear.stderr);
    }
    let newest = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    assert_eq!(newest["status"], "succeeded");
}
