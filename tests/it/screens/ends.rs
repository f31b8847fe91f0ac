//! Runs that do not simply succeed: the message about each, and what to do next.

use serde_json::json;

use crate::harness::{Screens, World};

#[test]
fn a_run_that_is_refused_or_fails() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    let mut deployment = world.deployment();
    deployment["lb-filter"] = json!({"display-name": "nobody's"});
    world.write_deployment(&deployment);
    screens.take(&["start", file, "--quiet"]).expect(2);
    screens.take(&["start", file, "--output", "json"]).expect(2);

    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    world.write_deployment(&deployment);
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "times": 1, "effect": "capacity"}));
    screens.take(&["start", file]).expect(3);
    screens.take(&["history", "latest"]).expect(0);

    deployment["on-failure"] = json!("halt");
    world.write_deployment(&deployment);
    world.fault(&json!({"method": "POST", "path": "/backends", "times": 1, "effect": "work-request-failed"}));
    screens.take(&["start", file, "--quiet"]).expect(4);
    screens.take(&["history", "latest"]).expect(0);
    screens.take(&["start", file, "--quiet"]).expect(6);
    screens.take(&["rollback", "latest", "--quiet"]).expect(0);
    screens.take(&["history"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_run_that_waits_for_somebody() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    // The first attempt already uses up this budget.
    deployment["retry"]["max-elapsed"] = json!("0s");
    world.write_deployment(&deployment);
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "500"}));
    screens.take(&["start", file]).expect(75);
    world.clear_faults();
    screens.take(&["history", "latest"]).expect(0);
    screens.take(&["history"]).expect(0);
    screens.take(&["watch", "latest", "--quiet"]).expect(75);
    screens.take(&["start", file, "--quiet", "--output", "json"]).expect(6);
    screens.take(&["resume", "latest"]).expect(0);
    screens.take(&["rollback", "latest", "--quiet"]).expect(0);

    screens.take_with(&["start", file], "await-drain/waiting=1*return(INT)").expect(130);
    screens.take(&["history", "latest"]).expect(0);
    screens
        .take_with(&["resume", "latest", "--quiet"], "remove-backend/begun=1*return(TERM TERM)")
        .expect(143);
    screens.take_with(&["resume", "latest", "--quiet"], "await-retirement/begun=return").expect(-1);
    screens.take(&["history", "latest"]).expect(0);
    screens.take(&["resume", "latest", "--quiet"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_run_of_another_machine_that_has_the_deployment() {
    let (world, file) = World::with_deployment();
    let other = world.machine("other");
    let mut deployment = world.deployment();
    deployment["ci-config"]["containers"][0]["image-url"] = json!("docker.io/library/httpd:3");
    other.write_deployment(&deployment);
    // Both have looked and found nobody. The other one's instance is older.
    world.killed_at(&["start", file], "find-old-backends/completed");
    other.killed_at(&["start", file], "await-backends/begun");
    let mut screens = Screens::of(&world);
    screens.know(other.latest());
    screens.take(&["plan", file]).expect(6);
    screens.take(&["resume", "latest"]).expect(6);
    screens.take(&["start", file, "--quiet"]).expect(6);
    screens.take(&["start", file, "--quiet", "--wait=1ms"]).expect(6);
    screens.of_command(&["plan", file], other.command(&["plan", file])).expect(6);
    other.run(&["resume", "latest"]).expect(0);
    screens.take(&["history"]).expect(0);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_run_that_is_stuck() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    world.run(&["start", file]).expect(0);
    world.fault(&json!({"method": "DELETE", "path": "/backends/", "effect": "capacity"}));
    screens.take(&["rollback", "latest", "--quiet"]).expect(5);
    screens.take(&["history", "latest"]).expect(0);
    screens.take(&["resume", "latest", "--quiet"]).expect(2);
    screens.take(&["abandon", "latest", "--keep", "new", "--quiet"]).expect(2);
    screens.take(&["resolve", "latest", "create-instance", "--as", "done", "--reason", "so"]).expect(2);
    screens.take(&["resolve", "latest", "99", "--as", "done", "--reason", "so"]).expect(2);
    world.clear_faults();
    screens
        .take(&["abandon", "latest", "--keep", "old", "--reason", "version 1 is fine", "--quiet"])
        .expect(0);
    screens.take(&["history", "latest", "--events"]).expect(0);
    screens.take(&["rollback", "latest", "--quiet"]).expect(2);
    insta::assert_snapshot!(screens.text());
}

#[test]
fn a_stuck_step_that_a_person_has_mended() {
    let (world, file) = World::with_deployment();
    let mut screens = Screens::of(&world);
    world.run(&["start", file]).expect(0);
    world.fault(&json!({"method": "DELETE", "path": "/backends/", "effect": "capacity"}));
    world.run(&["rollback", "latest"]).expect(5);
    world.clear_faults();
    let new = world.backends("http").into_iter().find(|one| one["drain"] == true).expect("the drained one");
    let name = new["name"].as_str().expect("a name").to_owned();
    world.delete(&format!("{}/backendSets/http/backends/{}", world.balancer(), name.replace(':', "%3A")));
    world.wait_until("it is gone", || world.backends("http").iter().all(|one| one["name"] != *name));
    let resolve = ["resolve", "latest", "register-backend", "--as", "undone", "--reason", "removed by hand"];
    screens.take(&resolve).expect(0);
    screens.take(&["rollback", "latest", "--quiet"]).expect(0);
    screens.take(&["history"]).expect(0);
    insta::assert_snapshot!(screens.text());
}
