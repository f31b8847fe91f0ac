//! What is rolled back and destroyed, and when the user is asked: by run, by deployment, on a terminal and in a script.

use serde_json::{Value, json};

use crate::harness::World;

fn world() -> (World, &'static str) {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    (world, file)
}

fn newest(world: &World) -> Value {
    world.run(&["history", "latest", "--output", "json"]).expect(0).json()
}

#[test]
fn a_deployment_is_rolled_back_by_its_file_by_its_name_and_by_its_target() {
    let (world, file) = world();
    let digest = |world: &World| {
        let id = newest(world)["new_instance_id"].clone();
        let state = world.state();
        let all = state["instances"].as_array().expect("instances");
        let made = all.iter().find(|instance| instance["id"] == id).expect("made");
        made["freeformTags"]["deployctl-deployment"].as_str().expect("a tag").to_owned()
    };
    for how in ["deployment.json", "./deployment.json", "webserver", "TAG"] {
        world.run(&["start", file]).expect(0);
        let tag = digest(&world);
        // A refused start does not belong to any deployment's runs.
        let mut bad = world.deployment();
        bad["ci-filter"] = json!({"display-name": "webserver", "freeform-tags": {"env": "prod"}});
        bad["lb-filter"] = json!({"display-name": "nowhere"});
        world.write("bad.json", &bad.to_string());
        world.run(&["start", "bad.json"]).expect(2);
        let how = if how == "TAG" { tag.as_str() } else { how };
        world.run(&["rollback", how]).expect(0);
        assert_eq!(world.versions(), ["1"], "{how}");
        let over = world.run(&["rollback", how]).expect(2);
        assert!(over.stderr.contains("is rolled-back"), "{how}: {}", over.stderr);
        assert_eq!(world.versions(), ["1"], "{how}");
    }
}

#[test]
fn a_file_means_the_deployment_where_it_goes_and_its_environment() {
    let (mut world, file) = world();
    world.expects_violations = true;
    world.write("second.json", &world.second_deployment("webserver").to_string());
    world.run(&["start", file]).expect(0);
    world.run(&["start", "second.json"]).expect(0);
    // The name is not enough, and both deployments are listed.
    let unclear = world.run(&["rollback", "webserver"]).expect(2);
    assert!(unclear.stderr.contains("is the name of 2 deployments"), "{}", unclear.stderr);
    assert_eq!(unclear.stderr.matches("webserver@").count(), 2, "{}", unclear.stderr);
    let other = world.run(&["rollback", file, "--env", "staging"]).expect(2);
    assert!(other.stderr.contains("has changed anything"), "{}", other.stderr);
    assert_eq!(world.versions(), ["2"]);
    world.run(&["rollback", file]).expect(0);
    assert_eq!(world.versions(), ["1"]);
    assert_eq!(world.backends("admin").len(), 1);
    // A renamed deployment is found by its target.
    world.run(&["rollback", "second.json", "--name", "renamed"]).expect(0);
    assert_eq!(world.backends("admin"), Vec::<Value>::new());
}

#[test]
fn a_file_without_backends_means_what_its_instance_serves() {
    let (world, _) = world();
    let mut deployment = world.deployment();
    deployment.as_object_mut().expect("a map").remove("backends");
    let file = world.write_deployment(&deployment);
    world.run(&["start", file]).expect(0);
    world.run(&["rollback", file]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn what_names_nothing_says_what_there_is() {
    let (world, file) = world();
    let none = world.run(&["rollback", "web"]).expect(2);
    assert!(none.stderr.contains("there is no journal"), "{}", none.stderr);
    world.run(&["start", file]).expect(0);
    let none = world.run(&["rollback", "web"]).expect(2);
    assert!(none.stderr.contains("hint: there are runs of webserver@"), "{}", none.stderr);
    let none = world.run(&["rollback", "nowhere.json"]).expect(2);
    assert!(none.stderr.contains("nowhere.json"), "{}", none.stderr);
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn a_name_that_looks_like_a_run_is_asked_about_only_where_it_is_one() {
    let (world, file) = world();
    world.run(&["start", file, "--name", "cafe"]).expect(0);
    let run = newest(&world)["run_id"].as_str().expect("an id").to_owned();
    if !run.starts_with("cafe") {
        world.run(&["rollback", "cafe"]).expect(0);
        assert_eq!(world.versions(), ["1"]);
    }
    // A deployment whose name is the beginning of a run's id.
    let first = newest(&world)["run_id"].as_str().expect("an id")[..8].to_owned();
    world.run(&["start", file, "--name", &first]).expect(0);
    let unclear = world.run(&["rollback", &first]).expect(2);
    assert!(
        unclear.stderr.contains("is the beginning of a run's id and the name of a deployment"),
        "{}",
        unclear.stderr
    );
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn a_rollback_of_a_success_asks_on_a_terminal_and_nowhere_else() {
    let (world, file) = world();
    world.run(&["start", file]).expect(0);
    for answer in ["n\n", "\n", "nonsense\n"] {
        let shown = world.on_a_terminal(&["rollback", "latest"], answer, &[]).expect(2).stdout;
        assert!(shown.contains("brings the old instance"), "{shown}");
        assert!(shown.contains("deletes the new instance"), "{shown}");
        assert!(shown.contains("roll it back? [y/N]"), "{shown}");
        assert!(shown.contains("nothing was changed"), "{shown}");
        assert_eq!(newest(&world)["status"], "succeeded");
    }
    world.on_a_terminal(&["rollback", "latest"], "y\n", &[]).expect(0);
    assert_eq!(world.versions(), ["1"]);

    world.run(&["start", file]).expect(0);
    let shown = world.on_a_terminal(&["rollback", "webserver", "--yes"], "", &[]).expect(0).stdout;
    assert!(!shown.contains("[y/N]"), "{shown}");
    // A run that did not succeed needs its rollback, so nobody is asked.
    world.run_with(&["start", file], "create-instance/begun=return");
    world.on_a_terminal(&["rollback", "latest"], "", &[]).expect(0);
}

#[test]
fn a_destruction_is_shown_first_and_says_that_nobody_else_serves() {
    let mut world = World::lonely();
    let file = world.write_deployment(&world.deployment());
    world.expects_violations = true;
    let id = world.state()["seed"]["webserverId"].as_str().expect("an id").to_owned();
    let planned = world.run(&["destroy", file, "--id", &id, "--dry-run"]).expect(0);
    assert!(planned.stdout.contains("DELETE /20210415/containerInstances/"), "{}", planned.stdout);
    assert!(planned.stdout.contains("nobody else serves `http`"), "{}", planned.stdout);
    assert!(planned.stdout.contains("Nothing was changed."), "{}", planned.stdout);
    let planned =
        world.run(&["destroy", file, "--id", &id, "--dry-run", "--output", "json"]).expect(0).json();
    assert_eq!(planned["name"], json!(id));
    assert!(planned["steps"].as_array().expect("steps").iter().any(|step| step["effect"] == "mutation"));
    assert!(world.changes().is_empty());

    let shown = world.on_a_terminal(&["destroy", file, "--id", &id], "n\n", &[]).expect(2).stdout;
    assert!(shown.contains("nobody else serves `http`"), "{shown}");
    assert!(shown.contains("destroy ocid1."), "{shown}");
    assert!(world.changes().is_empty());
    // A script is told, and not asked.
    let ran = world.run(&["destroy", file, "--id", &id]).expect(0);
    assert!(ran.stderr.contains("is the last backend in service of the set `http`"), "{}", ran.stderr);
    assert!(world.versions().is_empty());
    assert!(world.backends("http").is_empty());
}

#[test]
fn a_destruction_on_a_terminal_goes_on_when_it_is_told_to() {
    for (args, answer) in [(&["--yes"][..], ""), (&[], "yes\n")] {
        let (mut world, file) = world();
        world.expects_violations = true;
        let id = world.state()["seed"]["webserverId"].as_str().expect("an id").to_owned();
        let args: Vec<&str> = ["destroy", file, "--id", &id].iter().chain(args).copied().collect();
        world.on_a_terminal(&args, answer, &[]).expect(0);
        assert!(world.versions().is_empty());
    }
}
