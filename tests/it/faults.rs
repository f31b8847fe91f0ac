//! A cloud that fails: every run ends in success, in a clean rollback, or is suspended and then resumed.

use serde_json::{Value, json};

use crate::harness::World;

#[test]
fn transient_faults_are_retried_with_the_same_token() {
    for effect in ["429", "500", "502", "503", "reset-before", "reset-after", "truncate", "html", "conflict"]
    {
        let world = World::hurried();
        world.fault(&json!({"method": "POST", "path": "/containerInstances", "times": 1, "effect": effect}));
        world.fault(&json!({"method": "PUT", "path": "/backendSets/", "times": 1, "effect": effect}));
        world.fault(&json!({"method": "DELETE", "path": "/backends/", "times": 1, "effect": effect}));
        world.fault(&json!({"method": "GET", "path": "/workRequests", "times": 1, "effect": effect}));
        world.fault(
            &json!({"method": "DELETE", "path": "/containerInstances/", "times": 1, "effect": effect}),
        );
        let file = world.write_deployment(&world.deployment());
        world.run(&["start", file]).expect(0);
        assert_eq!(world.versions(), ["2"], "{effect}");
        assert_eq!(world.backends("http").len(), 1, "{effect}");
        let audit = world.audit();
        let creates: Vec<&Value> = audit["entries"]
            .as_array()
            .expect("entries")
            .iter()
            .filter(|entry| entry["method"] == "POST" && entry["target"] == "/20210415/containerInstances")
            .collect();
        // A request that was carried out is found by its tags and not sent again.
        let n_sent = if ["reset-after", "truncate"].contains(&effect) { 1 } else { 2 };
        assert_eq!(creates.len(), n_sent, "{effect}: how often the create was sent");
        assert!(creates.iter().all(|entry| entry["retry_token"] == creates[0]["retry_token"]), "{effect}");
        let is_new = |entry: &&Value| entry["request_id"] != creates[0]["request_id"];
        assert!(creates[1..].iter().all(is_new), "{effect}: an id was used twice: {creates:#?}");
        world.run(&["rollback", "latest"]).expect(0);
        assert_eq!(world.versions(), ["1"], "{effect}: a delete whose answer was lost was ours");
    }
}

#[test]
fn a_cloud_that_stays_away_suspends_the_run_and_nothing_is_rolled_back() {
    let world = World::new();
    let mut deployment = world.deployment();
    deployment["retry"]["max-elapsed"] = json!("300ms");
    world.fault(&json!({"method": "PUT", "path": "/backendSets/", "effect": "503"}));
    let ran = world.run(&["start", world.write_deployment(&deployment)]).expect(75);
    assert!(ran.stderr.contains("hint: nothing is lost; `deployctl resume"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1", "2"]);
    world.clear_faults();
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}

/// Otherwise, a process that is started anew each time would never give up.
#[test]
fn a_resume_goes_on_with_the_budget_of_the_process_before() {
    let (world, _) = World::with_deployment();
    let mut deployment = world.deployment();
    deployment["retry"]["max-elapsed"] = json!("1h");
    let file = world.write_deployment(&deployment);
    world.fault(&json!({"method": "PUT", "path": "/backendSets/", "times": 2, "effect": "503"}));
    world.killed_at(&["start", file], "shift-set/waiting to try again");
    // Two hours later, it fails once more.
    let ran = world.run_with(&["resume", "latest"], "clock=return(7200)").expect(75);
    assert!(ran.stderr.contains("hint: nothing is lost; `deployctl resume"), "{}", ran.stderr);
    // A suspended run that is resumed has a new budget.
    world.fault(&json!({"method": "PUT", "path": "/backendSets/", "times": 1, "effect": "503"}));
    world.run_with(&["resume", "latest"], "clock=return(14400)").expect(0);
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn no_capacity_is_not_retried() {
    let world = World::new();
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "capacity"}));
    let ran = world.run(&["start", world.write_deployment(&world.deployment())]).expect(3);
    assert!(ran.stderr.contains("Out of host capacity"), "{}", ran.stderr);
    let creates = world.changes().iter().filter(|change| change.contains("/containerInstances")).count();
    assert_eq!(creates, 1, "one attempt, and nothing to undo");
}

#[test]
fn work_that_fails_after_a_204_is_shown_and_rolled_back() {
    let world = World::new();
    world.fault(&json!({"method": "POST", "path": "/backends", "times": 1, "effect": "work-request-failed"}));
    let ran = world.run(&["start", world.write_deployment(&world.deployment())]).expect(3);
    assert!(ran.stderr.contains("failed: INTERNAL_ERROR: a fault was asked for"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1"]);
    assert_eq!(world.backends("http").len(), 1);
}

#[test]
fn a_compensation_that_cannot_work_is_stuck_until_a_person_says_so() {
    let world = World::with(&["--no-verify"]);
    let mut deployment = world.deployment();
    deployment["backend-timeout"] = json!("500ms");
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({"SANDBOX_HEALTH": "failing"});
    // An answer that is never retried.
    world.fault(&json!({"method": "DELETE", "path": "/backends/", "effect": "capacity"}));
    let file = world.write_deployment(&deployment);
    let ran = world.run(&["start", file]).expect(5);
    assert!(ran.stderr.contains("cannot be undone"), "{}", ran.stderr);
    // The message names the step as the history does, and the suggested command is not refused.
    let named = ran.stderr.split(" --as undone").next().and_then(|text| text.rsplit('\'').nth(1));
    let named = named.unwrap_or_else(|| panic!("{}", ran.stderr)).to_owned();
    assert!(named.starts_with("register-backend http/127."), "{named}");
    world.run(&["resume", "latest"]).expect(2);
    let held = world.run(&["start", file]).expect(6).stderr;
    assert!(held.contains("deployctl resolve") && !held.contains("deployctl resume"), "{held}");
    let missing = world.run(&["resolve", "latest", "nothing", "--as", "undone", "--reason", "x"]).expect(2);
    assert!(missing.stderr.contains("shows its steps"), "{}", missing.stderr);
    let stuck = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    assert_eq!(stuck["status"], "stuck");
    let id = stuck["run_id"].as_str().expect("an id");
    world.run(&["resolve", id, "create-instance", "--as", "undone", "--reason", "x"]).expect(2);
    // A person removes the backend by hand, with the official tools, and says so.
    world.clear_faults();
    let new =
        world.backends("http").into_iter().find(|backend| backend["drain"] == true).expect("the new backend");
    let balancer = world.state()["seed"]["loadBalancerId"].as_str().expect("an id").to_owned();
    let name = new["name"].as_str().expect("a name");
    world.delete(&format!("/20170115/loadBalancers/{balancer}/backendSets/http/backends/{name}"));
    world.wait_until("the backend is gone", || world.backends("http").len() == 1);
    let resolved =
        world.run(&["resolve", id, &named, "--as", "undone", "--reason", "by hand", "--output", "json"]);
    assert_eq!(resolved.expect(0).json()["status"], "stuck");
    let rolled = world.run(&["rollback", id, "--output", "json"]).expect(0).json();
    let register =
        rolled["steps"].as_array().expect("steps").iter().find(|step| step["name"] == "register-backend");
    assert_eq!(
        register.expect("the step")["compensation"]["attempts"],
        1,
        "what a person did is not done again"
    );
    assert_eq!(world.versions(), ["1"]);
    let events = world.run(&["history", id, "--events"]).expect(0).stdout;
    assert!(events.contains("undo register-backend") && events.contains("FAILED"), "{events}");
    assert!(events.contains("resolved by ann@") && events.contains("by hand"), "{events}");
}
