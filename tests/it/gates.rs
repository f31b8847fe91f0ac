//! Gates, and what a person asks of a run from another process.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::file::execute;
use crate::harness::{Ran, Traffic, World, stop};

/// A deployment of version 2 that keeps the old version for so long.
fn baked(world: &World, bake: &str) -> &'static str {
    let mut deployment = world.deployment_of("2");
    deployment["strategy"] = json!({"bake": bake});
    world.write_deployment(&deployment)
}

/// A run that another process drives, and that waits at its gate.
fn waiting_at(world: &World, gate: &str, args: &[&str]) -> Child {
    let child = spawn(world, args);
    world.wait_until(&format!("it is at the gate {gate}"), || {
        world.steps().iter().any(|(name, status)| name == "gate" && status == "begun")
    });
    child
}

fn spawn(world: &World, args: &[&str]) -> Child {
    let mut command = world.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

fn ended(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().expect("it ends"))
}

fn events(world: &World, run: &str) -> Vec<Value> {
    let told = world.run(&["history", run, "--events", "--output", "json"]).expect(0).json();
    told["events"].as_array().expect("a list").clone()
}

/// Which backends are drained: first that of the old version, then that of the new one.
fn drained(world: &World) -> Vec<bool> {
    world.backends("http").iter().map(|one| one["drain"] == true).collect()
}

fn signals(world: &World) -> Vec<(String, Value)> {
    let told = events(world, "latest").into_iter().filter(|event| event["event"] == "signalled");
    told.map(|event| (event["signal"].as_str().expect("a word").to_owned(), event["refused"].clone()))
        .collect()
}

fn latest(world: &World) -> Value {
    world.run(&["history", "latest", "--output", "json"]).expect(0).json()
}

#[test]
fn a_version_is_deployed_without_traffic_and_promoted_by_another_command() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment_of("2"));
    let load = Traffic::start(world.front());
    let left = world.run(&["start", file, "--until", "registered"]).expect(0);
    for told in
        ["waits at the gate `registered`", "registered    http/", "deployctl promote ", "deployctl abort "]
    {
        assert!(left.stdout.contains(told), "{told}: {}", left.stdout);
    }
    assert_eq!(drained(&world), [false, true]);
    let run = latest(&world);
    assert_eq!(
        (&run["status"], &run["why"], &run["error"]),
        (&json!("suspended"), &json!("gate"), &Value::Null)
    );
    let other = world.run(&["start", file]).expect(6);
    assert!(other.stderr.contains(run["run_id"].as_str().expect("an id")), "{}", other.stderr);
    world.run(&["promote", "latest", "--reason", "looks well"]).expect(0);
    world.expect_serving("2");
    assert_eq!(world.backends("http").len(), 1);
    assert_eq!(signals(&world), [("promote".to_owned(), Value::Null)]);
    // The same version once more goes to its end.
    world.run(&["restart", file]).expect(0);
    world.expect_serving("2");
    load.expect_no_loss();
}

#[test]
fn a_gate_is_opened_without_going_on_and_resume_goes_on() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment_of("2"));
    world.run(&["start", file, "--until", "registered"]).expect(0);
    // A resume returns to the gate.
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(drained(&world), [false, true]);
    let opened = world.run(&["promote", "latest", "--no-resume"]).expect(0);
    assert!(opened.stdout.contains("deployctl resume "), "{}", opened.stdout);
    assert_eq!(drained(&world), [false, true]);
    world.run(&["resume", "latest"]).expect(0);
    world.expect_serving("2");
}

#[test]
fn a_version_without_traffic_is_taken_away_by_abort() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment_of("2"));
    world.run(&["start", file, "--until", "registered"]).expect(0);
    world.run(&["abort", "latest", "--reason", "looks bad"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
    assert_eq!(world.backends("http").len(), 1);
    assert_eq!(latest(&world)["outcome"], "undone");
    let again = world.run(&["abort", "latest"]).expect(2);
    assert!(again.stderr.contains("is over"), "{}", again.stderr);
}

#[test]
fn the_old_version_is_kept_while_the_new_one_bakes_and_promote_ends_that() {
    let world = World::hurried();
    let file = baked(&world, "1h");
    let load = Traffic::start(world.front());
    let driver = waiting_at(&world, "bake", &["start", file]);
    assert_eq!(world.versions(), ["1", "2"]);
    assert_eq!(drained(&world), [true, false]);
    let promoted = world.run(&["promote", "latest"]).expect(0);
    assert!(promoted.stdout.contains("the gate is open"), "{}", promoted.stdout);
    ended(driver).expect(0);
    assert_eq!(world.versions(), ["2"]);
    load.expect_no_loss();
}

#[test]
fn the_rest_of_a_bake_is_waited_for_by_whoever_resumes_and_its_time_ends_it() {
    let world = World::hurried();
    let file = baked(&world, "300ms");
    world.killed_at(&["start", file], "gate/begun");
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn a_run_that_bakes_is_aborted_from_another_terminal_and_its_driver_says_so() {
    let world = World::hurried();
    let file = baked(&world, "1h");
    let load = Traffic::start(world.front());
    let driver = waiting_at(&world, "bake", &["start", file]);
    let aborted = world.run(&["abort", "latest", "--reason", "errors rise"]).expect(0);
    assert!(aborted.stdout.contains("the run goes back"), "{}", aborted.stdout);
    let told = ended(driver).expect(3);
    assert!(
        told.stderr.contains("the run was aborted by ") && told.stderr.contains("errors rise"),
        "{}",
        told.stderr
    );
    world.expect_serving("1");
    assert_eq!(world.versions(), ["1"]);
    assert_eq!(latest(&world)["outcome"], "undone");
    assert_eq!(signals(&world), [("abort".to_owned(), Value::Null)]);
    load.expect_no_loss();
}

#[test]
fn a_driver_killed_after_it_was_told_to_go_back_leaves_that_to_the_next() {
    let world = World::hurried();
    let file = baked(&world, "1h");
    let mut driver = waiting_at(&world, "bake", &["start", file]);
    // It cannot answer any more.
    stop(&driver);
    let asking = spawn(&world, &["abort", "latest"]);
    world.wait_until("it is asked", || world.asked("SELECT count(*) FROM signals") == 1);
    driver.kill().expect("killed");
    driver.wait().expect("reaped");
    ended(asking).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn a_paused_run_holds_after_its_step_and_goes_on_when_it_is_unpaused() {
    let world = World::hurried();
    let file = baked(&world, "1h");
    let driver = waiting_at(&world, "bake", &["start", file, "--hold"]);
    world.run(&["pause", "latest", "--reason", "a look at the metrics"]).expect(0);
    world.run(&["pause", "latest"]).expect(2);
    // This ends the step, and what follows is not begun.
    world.run(&["promote", "latest"]).expect(0);
    let holds = || world.steps().iter().any(|step| *step == ("gate".to_owned(), "completed".to_owned()));
    world.wait_until("its step is done", holds);
    world.run(&["promote", "latest"]).expect(2);
    let before = world.steps();
    assert_eq!(world.versions(), ["1", "2"]);
    world.run(&["unpause", "latest"]).expect(0);
    ended(driver).expect(0);
    assert_eq!(before.last().expect("steps").0, "gate");
    world.expect_serving("2");
    let told: Vec<String> = signals(&world).into_iter().map(|(signal, _)| signal).collect();
    assert_eq!(told, ["pause", "pause", "promote", "promote", "unpause"]);
}

#[test]
fn without_a_terminal_a_paused_run_is_left_and_unpause_goes_on_with_it() {
    let world = World::hurried();
    let file = baked(&world, "1h");
    let driver = waiting_at(&world, "bake", &["start", file]);
    world.run(&["pause", "latest"]).expect(0);
    world.run(&["promote", "latest"]).expect(0);
    let left = ended(driver).expect(75);
    assert!(
        left.stdout.contains("is paused by ") && left.stdout.contains("deployctl unpause "),
        "{}",
        left.stdout
    );
    assert!(!left.stdout.contains("registered "), "it takes requests: {}", left.stdout);
    assert_eq!(latest(&world)["why"], "paused");
    let promoted = world.run(&["promote", "latest"]).expect(2);
    assert!(promoted.stderr.contains("deployctl unpause "), "{}", promoted.stderr);
    world.run(&["pause", "latest"]).expect(2);
    world.run(&["unpause", "latest"]).expect(0);
    world.expect_serving("2");
    world.run(&["unpause", "latest"]).expect(2);
}

#[test]
fn a_signal_that_somebody_else_wrote_into_the_journal_is_not_obeyed() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    let file = world.write_deployment(&world.deployment_of("2"));
    world.run(&["start", file, "--until", "registered"]).expect(0);
    execute(
        &world,
        "INSERT INTO signals SELECT id, 1, 'promote', 'eve@evil', 0, NULL, zeroblob(32) FROM runs",
    );
    let refused = world.run(&["resume", "latest"]).expect(1);
    assert!(refused.stderr.contains("signal 1 of run"), "{}", refused.stderr);
    assert_eq!(drained(&world), [false, true]);
}

#[test]
fn what_contradicts_itself_is_refused_before_anything_is_changed() {
    let world = World::hurried();
    let mut deployment = world.deployment_of("2");
    deployment["register"] = json!("active");
    let file = world.write_deployment(&deployment);
    let refused = world.run(&["start", file, "--until", "registered"]).expect(2);
    assert!(refused.stderr.contains("register: active"), "{}", refused.stderr);
    for (strategy, told) in [
        (json!("rolling"), "strategy: expected a map"),
        (json!({"bakes": "1m"}), "bake"),
        (json!({"bake": "soon"}), "strategy.bake"),
    ] {
        deployment["strategy"] = strategy;
        let file = world.write_deployment(&deployment);
        let refused = world.run(&["validate", file]).expect(2);
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
    assert_eq!(world.changes(), Vec::<String>::new());
}
