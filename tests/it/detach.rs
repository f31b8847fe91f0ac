//! A run in a process of its own, which outlives the terminal.

use serde_json::json;

use crate::harness::World;

#[test]
fn a_detached_run_goes_on_in_a_session_of_its_own() {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("2s");
    let file = world.write_deployment(&deployment);
    let ran = world.run(&["start", "--detach", file]).expect(0);
    let run = ran.stdout.trim().to_owned();
    assert!(ran.stderr.contains(&format!("`deployctl watch {}` follows it", &run[..8])), "{}", ran.stderr);
    // The output has ended, as `$(…)` expects, and the run has not.
    let watched = world.run(&["history", &run, "--output", "json"]).expect(0).json();
    assert_eq!(watched["status"], "running", "{watched}");
    let holder = format!("SELECT json_extract(holder, '$.pid') FROM runs WHERE id = '{run}'");
    let pid = world.asked(&holder);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is under way");
    // The fields after the name: state, parent, group, session (proc_pid_stat(5)).
    let session = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
    assert_eq!(session, Some(pid.to_string().as_str()), "{stat}");
    world.run(&["watch", &run]).expect(0);
    assert_eq!(world.versions(), ["2"]);
    world.run(&["rollback", &run]).expect(0);
}

#[test]
fn a_run_that_cannot_be_started_is_told_before_the_command_ends() {
    let (world, file) = World::with_deployment();
    let refused = world.run(&["start", "--detach", "nowhere.json"]).expect(2);
    assert!(refused.stderr.contains("nowhere.json"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    let refused = world.run(&["start", "--detach", "--output", "json", "nowhere.json"]).expect(2);
    assert_eq!(refused.json()["error"]["kind"], "configuration");
    world.run(&["start", "--detach", "--dry-run", file]).expect(2);
    // The same as JSON, and quietly.
    let ran = world.run(&["start", "--detach", "--quiet", "--output", "json", file]).expect(0);
    let run = ran.json()["run_id"].as_str().expect("an id").to_owned();
    assert_eq!(ran.stderr, "");
    world.run(&["watch", &run]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}
