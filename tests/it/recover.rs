//! A run whose process and disk are gone is taken up by another machine, which knows the deployment and the cloud alone.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{World, continued, paused_at};

/// A world in which a start has died at this point, and its disk with it.
fn lost_at(point: &str) -> World {
    let (world, file) = World::with_deployment();
    world.killed_at(&["start", file], point);
    world.lose_the_disk();
    world
}

/// The names of the steps in a recovery's JSON, each with how sure it is.
fn certainties(recovered: &Value) -> Vec<(String, String)> {
    let steps = recovered["recovered"]["steps"].as_array().expect("steps").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    steps.map(|step| (text(&step["name"]), text(&step["certainty"]))).collect()
}

#[test]
fn each_line_says_how_sure_it_is() {
    let world = lost_at("retire-instance/not begun");
    let machine = world.another_machine();
    let n_before = world.changes().len();
    let recovered =
        machine.run(&["recover", "deployment.json", "--now", "--output", "json"]).expect(0).json();
    let sent = &world.changes()[n_before..];
    // The mark, and new versions of the old instance and of the load balancer.
    assert_eq!(
        sent.iter().filter(|change| change.starts_with("PUT /20210415/containerInstances/")).count(),
        2
    );
    assert_eq!(sent.iter().filter(|change| change.contains("/backendSets/http/backends/")).count(), 1);
    assert!(sent.len() == 3 && sent.iter().all(|change| change.starts_with("PUT")), "{sent:?}");
    assert_eq!(recovered["status"], "suspended");
    assert_eq!(recovered["recovered"]["phase"], "draining");
    assert_eq!(recovered["recovered"]["same_specification"], true);
    let expected = [
        ("find-load-balancer", "as-now"),
        ("find-old-instance", "as-now"),
        ("find-old-backends", "assumed"),
        ("create-instance", "seen"),
        ("await-address", "follows"),
        ("register-backend", "seen"),
        ("await-instance", "follows"),
        ("await-backends", "follows"),
        ("shift-set", "seen"),
        ("note-service", "as-now"),
        ("await-drain", "follows"),
        ("remove-backend", "seen"),
        ("retire-instance", "in-doubt"),
    ];
    let expected = expected.map(|(step, certainty)| (step.to_owned(), certainty.to_owned()));
    assert_eq!(certainties(&recovered), expected);
    let assumed = recovered["recovered"]["steps"][2]["assumed"][0].as_str().expect("a text");
    assert!(assumed.contains("neither drained nor offline"), "{assumed}");
    machine.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
}

#[test]
fn the_two_commands_that_go_on_are_printed() {
    let world = lost_at("await-drain/begun");
    let machine = world.another_machine();
    let recovered = machine.run(&["recover", "deployment.json", "--now"]).expect(0);
    let id = &machine.latest()[..8];
    for told in [
        format!("run {id} of webserver is recovered, and suspended: remove-backend"),
        format!("deployctl resume {id}"),
        format!("deployctl rollback {id}"),
    ] {
        assert!(recovered.stdout.contains(&told), "{told}: {}", recovered.stdout);
    }
    // The wait begins anew, so it is not among the steps.
    assert!(!recovered.stdout.contains("await-drain"), "{}", recovered.stdout);
    machine.run(&["resume", id]).expect(0);
    world.expect_serving("2");
}

#[test]
fn where_nothing_is_unfinished_a_start_works() {
    for point in ["create-instance/CreateContainerInstance unsent", "retire-instance/completed"] {
        let world = lost_at(point);
        let machine = world.another_machine();
        let refused = machine.run(&["recover", "deployment.json", "--now"]).expect(2);
        assert!(refused.stderr.contains("nothing of this deployment is unfinished"), "{}", refused.stderr);
        machine.run(&["start", "deployment.json"]).expect(0);
        world.expect_serving("2");
    }
}

/// A start in a pipeline ends the run that was lost, and goes on.
#[test]
fn a_start_ends_what_was_lost_before_it() {
    for (point, outcome) in [("register-backend/completed", "undone"), ("await-drain/begun", "succeeded")] {
        let world = lost_at(point);
        let machine = world.another_machine();
        let mut deployment = world.deployment();
        deployment["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:3");
        machine.write_deployment(&deployment);
        let start = ["start", "deployment.json", "--recover", "--now", "--output", "json"];
        let started = machine.run(&start).expect(0).json();
        assert_eq!(started["status"], "succeeded", "{started:#}");
        let runs = machine.run(&["history", "--output", "json"]).expect(0).json()["runs"].clone();
        assert_eq!(runs.as_array().map(Vec::len), Some(2), "{runs:#}");
        let lost = if outcome == "undone" { "undone" } else { "superseded" };
        assert_eq!(runs[1]["outcome"], lost, "{runs:#}");
        world.expect_serving("3");
        // There is nothing to recover any more.
        machine.run(&start).expect(0);
    }
}

/// A process that is alive changes something within a minute, and is left alone then.
#[test]
fn a_run_is_not_taken_from_a_process_that_changes_something() {
    let world = lost_at("await-drain/begun");
    let machine = world.another_machine();
    let mut waiting = machine.spawn(&["recover", "deployment.json"]);
    let mut told = BufReader::new(waiting.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    assert!(told.any(|line| line.contains("s more, in case the process of run")), "it does not wait");
    let backend = world.backends("http")[0].clone();
    let path = format!(
        "{}/backendSets/http/backends/{}",
        world.balancer(),
        backend["name"].as_str().expect("a name")
    );
    let flags = json!({"weight": 2, "drain": backend["drain"], "backup": false, "offline": false});
    world.put(&path, &flags);
    let stderr = told.collect::<Vec<String>>().join("\n");
    assert_eq!(waiting.wait().expect("ends").code(), Some(6), "{stderr}");
    assert!(stderr.contains("may be alive"), "{stderr}");
    machine.run(&["recover", "deployment.json", "--now"]).expect(0);
    machine.run(&["rollback", "latest"]).expect(0);
}

/// A process that was taken for dead stops before its next change, with the code of a run that somebody else drives.
#[test]
fn a_process_that_was_taken_for_dead_stops() {
    let (world, file) = World::with_deployment();
    let mut command = world.command(&["start", file]);
    command.env("FAILPOINTS", "await-drain/waiting=1*return(STOP)");
    let paused = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    paused_at(&world, &paused);
    let machine = world.another_machine();
    machine.run(&["recover", "deployment.json", "--now"]).expect(0);
    let n_before = world.changes().len();
    let stderr = continued(paused, 6);
    assert!(stderr.contains("another machine has recovered run"), "{stderr}");
    assert_eq!(world.changes().len(), n_before, "it sends nothing more");
    // Nor does a resume with its journal.
    let refused = world.run(&["resume", "latest"]).expect(6);
    assert!(refused.stderr.contains("another machine has recovered run"), "{}", refused.stderr);
    machine.run(&["resume", "latest"]).expect(0);
    world.expect_serving("2");
}

#[test]
fn a_run_that_cannot_be_recorded_is_not_taken_over() {
    let (world, file) = World::with_deployment();
    let machine = world.another_machine();
    // It has sent nothing, and holds the deployment in this machine's journal.
    machine.killed_at(&["start", file], "run/started");
    world.killed_at(&["start", file], "await-backends/begun");
    world.lose_the_disk();
    let before = world.changes();
    let refused = machine.run(&["recover", file, "--now"]).expect(6);
    assert!(refused.stderr.contains(&machine.latest()[..8]), "{}", refused.stderr);
    assert_eq!(world.changes(), before, "nothing is marked");
    machine.run(&["rollback", "latest"]).expect(0);
    machine.run(&["recover", file, "--now"]).expect(0);
    machine.run(&["resume", "latest"]).expect(0);
    world.expect_serving("2");
}

#[test]
fn a_run_of_this_journal_is_not_lost() {
    let (world, file) = World::with_deployment();
    world.killed_at(&["start", file], "shift-set/completed");
    let refused = world.run(&["recover", file]).expect(2);
    assert!(refused.stderr.contains("is in this journal, and is interrupted"), "{}", refused.stderr);
    assert!(refused.stderr.contains("deployctl resume"), "{}", refused.stderr);
    world.run(&["rollback", "latest"]).expect(0);
}

#[test]
fn another_version_is_not_taken_for_the_one_that_was_lost() {
    let world = lost_at("shift-set/completed");
    let machine = world.another_machine();
    let mut deployment = world.deployment();
    deployment["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:3");
    machine.write_deployment(&deployment);
    let recovered = machine.run(&["recover", "deployment.json", "--now"]).expect(0);
    assert!(recovered.stderr.contains("describes another version"), "{}", recovered.stderr);
    assert!(!recovered.stdout.contains("deployctl resume"), "{}", recovered.stdout);
    // What would be resumed is not what the file says, so a resume goes back as well.
    machine.run(&["resume", "latest"]).expect(0);
    world.expect_serving("1");
}

#[test]
fn of_several_runs_one_must_be_named() {
    let (world, file) = World::with_deployment();
    let machine = world.another_machine();
    let old = world.state()["seed"]["webserverId"].as_str().expect("an id").to_owned();
    // Both have looked for other runs before either has created anything.
    let (third, path) = (world.machine("third"), world.path(file));
    let start = ["start", path.to_str().expect("text"), "--replace", &old];
    third.killed_at(&start, "find-old-backends/completed");
    world.killed_at(&["start", file], "create-instance/completed");
    world.lose_the_disk();
    third.killed_at(&["resume", "latest"], "register-backend/completed");
    let recover = ["recover", "deployment.json", "--now", "--replace", &old];
    let refused = machine.run(&recover).expect(2);
    let lines: Vec<&str> =
        refused.stderr.lines().filter(|line| line.contains("the new instance is")).collect();
    let [second, first] = lines.as_slice() else { panic!("{}", refused.stderr) };
    assert!(second.contains("registered, and takes no requests"), "the newest is the first: {second}");
    for line in [first, second] {
        let run = line.split_whitespace().next().expect("an id");
        machine.run(&[&recover[..], &["--run", run]].concat()).expect(0);
        machine.run(&["rollback", run]).expect(0);
    }
    world.expect_serving("1");
}

#[test]
fn a_run_is_not_recovered_beside_another_one() {
    let (world, file) = World::with_deployment();
    let machine = world.another_machine();
    let old = world.state()["seed"]["webserverId"].as_str().expect("an id").to_owned();
    // Both have looked for other runs before either has created anything.
    machine.killed_at(&["start", "deployment.json", "--replace", &old], "find-old-backends/completed");
    world.killed_at(&["start", file], "create-instance/completed");
    world.lose_the_disk();
    machine.killed_at(&["resume", "latest"], "register-backend/completed");
    let lines = machine.run(&["recover", "deployment.json", "--now", "--replace", &old]).expect(2).stderr;
    let first = lines.lines().rfind(|line| line.contains("the new instance is")).expect("the older one");
    let run = first.split_whitespace().next().expect("an id").to_owned();
    let recover = ["recover", "deployment.json", "--now", "--replace", &old, "--run", &run];
    let n_before = world.changes().len();
    let refused = machine.run(&recover).expect(6);
    assert!(refused.stderr.contains("is held by run"), "{}", refused.stderr);
    assert_eq!(world.changes().len(), n_before, "what cannot be recorded is not taken from anybody");
    machine.run(&["rollback", "latest"]).expect(0);
    machine.run(&recover).expect(0);
    machine.run(&["rollback", &run]).expect(0);
    world.expect_serving("1");
}

#[test]
fn a_user_who_may_not_update_the_instance_is_told_which_statement_is_missing() {
    let world = World::hurried();
    let lost = world.machine("lost");
    let mut deployment = world.deployment_of("2");
    deployment["poll-interval"] = json!("10ms");
    lost.killed_at(&["start", lost.write_deployment(&deployment)], "await-drain/begun");
    let other = world.machine("other");
    let file = other.write_deployment(&deployment);
    world.fault(&json!({"method": "PUT", "path": "/containerInstances/", "effect": "not-found"}));
    let ran = other.run(&["recover", file, "--now"]);
    assert!(ran.code != 0 && ran.stderr.contains("`manage compute-container-family`"), "{}", ran.stderr);
    world.clear_faults();
    lost.run(&["resume", "latest"]).expect(0);
    world.expect_serving("2");
}
