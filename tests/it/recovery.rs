//! Whatever dies, whenever: `resume` and `rollback` end with one version serving and nothing left behind.

use serde_json::{Value, json};

use crate::harness::{Ran, World};

fn slow_enough_to_be_killed(world: &World) -> &'static str {
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("1s");
    world.write_deployment(&deployment)
}

#[test]
fn a_second_start_is_refused_while_the_first_is_not_over() {
    let world = World::new();
    let file = slow_enough_to_be_killed(&world);
    world.kill_at(&["start", file], "await-drain", "begun");
    let refused = world.run(&["start", file]).expect(6);
    assert!(refused.stderr.contains("deployment:webserver is held by run"), "{}", refused.stderr);
    let mut other = world.deployment();
    other["name"] = json!("another name, the same set");
    other["ci-filter"] = json!({"display-name": "nobody"});
    other["first"] = json!(true);
    // It is another deployment, because it has one more set.
    other["backends"] = json!([{"port": 80, "backend-set": "http"}, {"port": 80, "backend-set": "admin"}]);
    world.write("other.json", &other.to_string());
    let refused = world.run(&["start", "other.json"]).expect(6);
    assert!(refused.stderr.contains("backend-set:"), "{}", refused.stderr);
    let runs = world.run(&["history", "--output", "json"]).expect(0).json();
    let first = runs["runs"].as_array().expect("runs").iter().find(|run| run["status"] == "running").cloned();
    world.run(&["resume", first.expect("the first run")["run_id"].as_str().expect("an id")]).expect(0);
    world.run(&["start", file]).expect(0);
}

#[test]
fn a_run_that_a_live_process_drives_is_not_taken() {
    let world = World::new();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("3s");
    let file = world.write_deployment(&deployment);
    let mut driving = world.command(&["start", file, "-q"]).spawn().expect("starts");
    world.wait_until("the drain", || world.steps().iter().any(|(name, _)| name == "await-drain"));
    for verb in ["resume", "rollback"] {
        let refused = world.run(&[verb, "latest"]).expect(6);
        assert!(refused.stderr.contains("is being advanced by ann@"), "{}", refused.stderr);
    }
    let watched = world.run(&["watch", "latest"]).expect(0);
    assert!(watched.stdout.contains("succeeded"), "{}", watched.stdout);
    assert!(driving.wait().expect("ends").success());
}

/// On one machine, the kernel's lock decides: the process that holds it may be in the middle of a request.
#[test]
fn a_live_process_is_not_taken_over_however_late_it_is_with_its_lease() {
    let world = World::new();
    let mut driving = world.begin_a_create_that_hangs();
    // The request that hangs goes on hanging. Another one would be answered.
    world.clear_faults();
    for verb in ["resume", "rollback"] {
        // To a process whose clock is ahead, the lease has expired.
        let refused = world.run_with(&[verb, "latest"], "clock=return(40)").expect(6);
        assert!(refused.stderr.contains("is being advanced by ann@"), "{}", refused.stderr);
    }
    driving.kill().expect("killed");
    driving.wait().expect("reaped");
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn only_the_newest_success_is_rolled_back() {
    let world = World::new();
    let file = world.write_deployment(&world.deployment());
    let first = world.run(&["start", file, "--output", "json"]).expect(0).json();
    world.run(&["start", file]).expect(0);
    let refused = world.run(&["rollback", first["run_id"].as_str().expect("an id")]).expect(6);
    assert!(refused.stderr.contains("is superseded by run"), "{}", refused.stderr);
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}

fn with_environment(world: &World, name: &str, value: &str) -> Value {
    let mut deployment = world.deployment();
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({name: value});
    deployment
}

#[test]
fn a_version_that_does_not_work_is_rolled_back_at_once() {
    for (knob, value, expected) in [
        ("SANDBOX_HEALTH", "failing", "INVALID_STATUS_CODE"),
        ("SANDBOX_PULL", "denied", "is not accessible or does not exist"),
        ("SANDBOX_CRASH", "1", "missing required environment variable"),
    ] {
        let world = World::new();
        let mut deployment = with_environment(&world, knob, value);
        deployment["backend-timeout"] = json!("1s");
        let ran = world.run(&["start", world.write_deployment(&deployment)]);
        let ran = ran.expect(3);
        assert!(ran.stderr.contains(expected), "{knob}:\n{}", ran.stderr);
        assert_eq!(world.versions(), ["1"], "{knob}");
        assert_eq!(world.backends("http").len(), 1, "{knob}");
    }
}

#[test]
fn a_run_that_is_told_to_halt_leaves_everything_and_can_be_rolled_back() {
    let world = World::new();
    let mut deployment = with_environment(&world, "SANDBOX_HEALTH", "failing");
    deployment["backend-timeout"] = json!("500ms");
    deployment["on-failure"] = json!("halt");
    let file = world.write_deployment(&deployment);
    world.run(&["start", file]).expect(4);
    assert_eq!(world.versions(), ["1", "2"]);
    world.run(&["start", file]).expect(6);
    world.run(&["resume", "latest"]).expect(2);
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn a_step_that_failed_under_halt_is_tried_again_once_the_cause_is_mended() {
    let world = World::new();
    let mut deployment = world.deployment();
    deployment["on-failure"] = json!("halt");
    let file = world.write_deployment(&deployment);
    world.fault(&json!({"method": "PUT", "path": "/backendSets/", "effect": "capacity"}));
    let halted = world.run(&["start", file]).expect(4);
    assert!(halted.stderr.contains("`deployctl retry "), "{}", halted.stderr);
    let again = world.run(&["retry", "latest"]).expect(4);
    assert!(again.stderr.contains("shift-set"), "{}", again.stderr);
    world.clear_faults();
    let resumed = world.run(&["resume", "latest"]).expect(2);
    assert!(resumed.stderr.contains("`deployctl retry "), "{}", resumed.stderr);
    // A run that is killed in the middle of a retry is a run like any other.
    let killed = world.run_with(&["retry", "latest"], "shift-set/begun=return");
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
    let nothing = world.run(&["retry", "latest"]).expect(2);
    assert!(nothing.stderr.contains("is succeeded"), "{}", nothing.stderr);
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn an_interrupt_checkpoints_and_says_how_to_go_on() {
    let world = World::new();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("30s");
    let file = world.write_deployment(&deployment);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let verb: &[&str] = if signal == "INT" { &["start", file] } else { &["resume", "latest"] };
        let child = world.command(verb).stderr(std::process::Stdio::piped()).spawn().expect("starts");
        let pid = child.id();
        world.wait_until("the drain is being waited for", || {
            let ran = world.run(&["history", "latest", "--events"]).stdout;
            let is_ours = signal == "INT" || ran.contains(&format!("pid {pid}"));
            is_ours && ran.lines().last().is_some_and(|line| line.contains("await-drain"))
        });
        let killed =
            std::process::Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
        assert!(killed.expect("kill runs").success());
        let output = child.wait_with_output().expect("ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{signal}: {stderr}");
        assert!(stderr.contains("hint: nothing is lost; `deployctl resume"), "{signal}: {stderr}");
    }
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn a_backend_that_somebody_adds_in_the_middle_survives() {
    let world = World::with(&["--no-verify"]);
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("2s");
    let file = world.write_deployment(&deployment);
    let driving = world.command(&["start", file, "-q"]).spawn().expect("starts");
    world.wait_until("the drain", || world.steps().iter().any(|(name, _)| name == "await-drain"));
    let state = world.state();
    let balancer = state["seed"]["loadBalancerId"].as_str().expect("an id");
    let stranger = state["instances"]
        .as_array()
        .expect("instances")
        .iter()
        .find(|one| one["displayName"] == "bystander");
    let address = stranger.expect("the bystander")["address"].clone();
    let path = format!("/20170115/loadBalancers/{balancer}/backendSets/http/backends");
    world.post(&path, &json!({"ipAddress": address, "port": 80, "weight": 5}));
    let output = driving.wait_with_output().expect("ends");
    Ran::of(&output).expect(0);
    world.run(&["rollback", "latest"]).expect(0);
    let backends = world.backends("http");
    let theirs = backends.iter().find(|backend| backend["ipAddress"] == address).expect("it survived");
    assert_eq!((&theirs["weight"], &theirs["drain"]), (&json!(5), &json!(false)));
    assert_eq!(backends.len(), 2);
}
