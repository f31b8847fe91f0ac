//! What cannot be known from an answer: requests that were carried out twice, late or unseen, reads that lag, and other
//! clients who change the same things at the same time.

use serde_json::{Value, json};

use crate::harness::{CHANGES, Ran, Traffic, World};

/// A world in which a deployment is written, quick enough for its tests.
fn world() -> (World, &'static str) {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    let file = world.write_deployment(&deployment);
    (world, file)
}

/// Makes sure that only this version is there and serves, with a backend as it was in the beginning.
#[track_caller]
fn expect_serving(world: &World, version: &str) {
    assert_eq!(world.versions(), [version]);
    let ours: Vec<Value> =
        world.backends("http").into_iter().filter(|one| one["ipAddress"] != "127.0.0.250").collect();
    let [backend] = ours.as_slice() else { panic!("{ours:?}") };
    for flag in ["drain", "backup", "offline"] {
        assert_eq!(backend[flag], false, "{flag}");
    }
}

/// Kills a command at a crash point.
#[track_caller]
fn kill_at(world: &World, args: &[&str], point: &str) {
    let ran = world.run_with(args, &format!("{point}=return"));
    assert_eq!(ran.code, -1, "not killed at {point}: {}", ran.stderr);
}

#[test]
fn a_request_that_is_carried_out_twice_changes_nothing() {
    for (method, path) in CHANGES {
        let (world, file) = world();
        world.fault(&json!({"method": method, "path": path, "effect": "twice"}));
        world.run(&["start", file]).expect(0);
        expect_serving(&world, "2");
        world.run(&["rollback", "latest"]).expect(0);
        expect_serving(&world, "1");
    }
}

/// The steps whose request may be on its way when the process dies, by number and name.
const ON_ITS_WAY: [(&str, &str, &str); 6] = [
    ("create-instance", "POST", "/containerInstances"),
    ("register-backend", "POST", "/backends"),
    ("admit-backend", "PUT", "/backends/"),
    ("drain-backend", "PUT", "/backends/"),
    ("remove-backend", "DELETE", "/backends/"),
    ("retire-instance", "DELETE", "/containerInstances/"),
];

#[test]
fn a_request_that_arrives_after_its_sender_died_is_taken_into_account() {
    for verb in ["resume", "rollback"] {
        for (step, method, path) in ON_ITS_WAY {
            let (world, file) = world();
            let traffic = Traffic::start(world.front());
            // The second PUT is the drain.
            let skip = u32::from(step.contains("drain"));
            let late = json!({"method": method, "path": path, "skip": skip, "times": 1, "effect": "late", "delay_ms": 700});
            world.fault(&late);
            kill_at(&world, &["start", file], &format!("{step}/waiting to try again"));
            world.run(&[verb, "latest"]).expect(0);
            // The late request has been answered by then, whatever the answer was.
            world.wait_until("the late request arrives", || {
                let entries = world.audit()["entries"].as_array().expect("entries").clone();
                let is_it = |entry: &&Value| {
                    entry["method"] == method
                        && entry["target"].as_str().is_some_and(|target| target.contains(path))
                };
                entries.iter().filter(is_it).count() > usize::try_from(skip).expect("small")
            });
            world.wait_until("the load balancer is idle", || {
                world.state()["loadBalancers"][0]["openWorkRequests"] == 0
            });
            expect_serving(&world, if verb == "resume" { "2" } else { "1" });
            assert_eq!(traffic.stop().n_failed(), 0, "{verb} {step}");
        }
    }
}

#[test]
fn a_create_whose_token_is_forgotten_is_known_by_its_tags() {
    for (verb, version) in [("resume", "2"), ("rollback", "1")] {
        let (world, file) = world();
        kill_at(&world, &["start", file], "create-instance/CreateContainerInstance unread");
        world.delete("/sandbox/tokens");
        // A day later, when tokens no longer count.
        world.run_with(&[verb, "latest"], "clock=return(90000)").expect(0);
        expect_serving(&world, version);
    }
}

#[test]
fn work_that_fails_after_it_was_accepted_ends_in_a_clean_rollback() {
    for (n, (method, path)) in CHANGES.iter().filter(|(_, path)| path.contains("/backends")).enumerate() {
        let (world, file) = world();
        let traffic = Traffic::start(world.front());
        world.fault(&json!({"method": method, "path": path, "times": 1, "effect": "work-request-failed"}));
        let ran = world.run(&["start", file]).expect(3);
        assert!(ran.stderr.contains("INTERNAL_ERROR: a fault was asked for"), "{n}: {}", ran.stderr);
        expect_serving(&world, "1");
        assert_eq!(traffic.stop().n_failed(), 0, "{method} {path}");
    }
}

#[test]
fn a_compensation_whose_work_fails_is_tried_again() {
    let (world, file) = world();
    world.run(&["start", file]).expect(0);
    for (method, path) in CHANGES {
        if path.contains("/backends") {
            world
                .fault(&json!({"method": method, "path": path, "times": 2, "effect": "work-request-failed"}));
        }
    }
    world.run(&["rollback", "latest"]).expect(0);
    expect_serving(&world, "1");
}

#[test]
fn reads_that_lag_behind_writes_mislead_neither_a_run_nor_its_rollback() {
    for seed in 0..8 {
        let (world, file) = world();
        let traffic = Traffic::start(world.front());
        world.fault(&json!({
            "method": "GET", "path": "/20170115/loadBalancers/", "probability": 0.5, "seed": seed, "effect": "stale-read",
        }));
        world.run(&["start", file]).expect(0);
        world.run(&["rollback", "latest"]).expect(0);
        world.clear_faults();
        expect_serving(&world, "1");
        assert_eq!(traffic.stop().n_failed(), 0, "seed {seed}");
    }
}

#[test]
fn a_kill_among_reads_that_lag_is_recovered_from() {
    for (n, (step, ..)) in ON_ITS_WAY.iter().enumerate() {
        for verb in ["resume", "rollback"] {
            let (world, file) = world();
            let traffic = Traffic::start(world.front());
            kill_at(&world, &["start", file], &format!("{step}/done, not completed"));
            world.fault(&json!({
                "method": "GET", "path": "/20170115/loadBalancers/", "probability": 0.6, "seed": n, "effect": "stale-read",
            }));
            world.run(&[verb, "latest"]).expect(0);
            world.clear_faults();
            expect_serving(&world, if verb == "resume" { "2" } else { "1" });
            assert_eq!(traffic.stop().n_failed(), 0, "{verb} {step}");
        }
    }
}

#[test]
fn an_instance_that_is_not_visible_right_after_its_creation_is_neither_lost_nor_leaked() {
    for (verb, version) in [("resume", "2"), ("rollback", "1")] {
        let (world, file) = world();
        kill_at(&world, &["start", file], "create-instance/completed");
        world.fault(
            &json!({"method": "GET", "path": "/containerInstances/", "times": 6, "effect": "not-found"}),
        );
        world.run(&[verb, "latest"]).expect(0);
        expect_serving(&world, version);
    }
}

#[test]
fn an_instance_that_may_not_be_deleted_is_said_to_be_there_still() {
    let (mut world, file) = world();
    world.expects_leftovers = true;
    world.run(&["start", file]).expect(0);
    let mut deployment = world.deployment();
    deployment["retry"]["max-elapsed"] = json!("500ms");
    let file = world.write_deployment(&deployment);
    // What a policy that does not allow it answers (OCI.md 1.8).
    world.fault(&json!({"method": "DELETE", "path": "/containerInstances/", "effect": "not-found"}));
    let ran = world.run(&["start", file]).expect(75);
    assert!(ran.stderr.contains("deleting the container instance: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("NotAuthorizedOrNotFound"), "{}", ran.stderr);
}

#[test]
fn a_change_of_another_client_in_between_is_seen_and_survives() {
    for (n, (method, path)) in CHANGES.iter().filter(|(_, path)| path.contains("/backends")).enumerate() {
        let (world, file) = world();
        world.fault(&json!({"method": method, "path": path, "times": 1, "effect": "other-client"}));
        world.run(&["start", file]).expect(0);
        let refused = world.changes().iter().filter(|change| change.ends_with(" 412")).count();
        assert_eq!(refused, 1, "{n}: what was read before the change is not written over it");
        world.run(&["rollback", "latest"]).expect(0);
        expect_serving(&world, "1");
        let theirs = world.backends("http").into_iter().find(|backend| backend["ipAddress"] == "127.0.0.250");
        let theirs = theirs.expect("their backend survived");
        assert_eq!((&theirs["weight"], &theirs["offline"]), (&json!(9), &json!(true)));
    }
}

/// Runs `start`, does something by hand when it has come to its drain, and returns how it ended.
fn by_hand_in_the_drain(world: &World, file: &str, act: impl FnOnce(&Value)) -> Ran {
    kill_at(world, &["start", file], "await-drain/begun");
    act(&world.state());
    world.run(&["resume", "latest"])
}

fn instance<'s>(state: &'s Value, version: &str) -> &'s str {
    let instances = state["instances"].as_array().expect("instances");
    let is_it = |one: &&Value| one["version"] == version && one["lifecycleState"] == "ACTIVE";
    instances.iter().find(is_it).expect("it is there")["id"].as_str().expect("an id")
}

#[test]
fn an_old_instance_that_somebody_deletes_in_the_middle_is_not_missed_going_forward_and_not_made_up_going_back()
 {
    let (mut world, file) = world();
    // Whoever deletes an instance that is a backend has dropped requests: not us.
    world.expects_violations = true;
    let deleted = |state: &Value| {
        world.delete(&format!("/20210415/containerInstances/{}", instance(state, "1")));
        world.wait_until("it is gone", || world.versions() == ["2"]);
    };
    by_hand_in_the_drain(&world, file, deleted).expect(0);
    expect_serving(&world, "2");
    // There is nothing to go back to: the new version stays in service, and a person is told.
    let ran = world.run(&["rollback", "latest"]).expect(5);
    assert!(ran.stderr.contains("cannot be undone"), "{}", ran.stderr);
    assert_eq!(world.running(), ["2"]);
    let serving = world.backends("http").into_iter().filter(|one| one["drain"] == false).count();
    assert!(serving >= 1, "{:?}", world.backends("http"));
}

#[test]
fn a_new_instance_that_somebody_deletes_in_the_middle_leaves_the_old_one_serving() {
    // Strangers who serve in the set would do for it.
    let mut world = World::lonely();
    let file = "deployment.json";
    world.expects_violations = true;
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    deployment["backend-timeout"] = json!("1s");
    world.write_deployment(&deployment);
    let deleted = |state: &Value| {
        world.delete(&format!("/20210415/containerInstances/{}", instance(state, "2")));
        world.wait_until("it is gone", || world.versions() == ["1"]);
    };
    let ran = by_hand_in_the_drain(&world, file, deleted).expect(3);
    assert!(ran.stderr.contains("it is the last healthy backend of the set `http`"), "{}", ran.stderr);
    expect_serving(&world, "1");
}

#[test]
fn a_load_balancer_that_somebody_deletes_in_the_middle_leaves_no_instance_behind() {
    let (mut world, file) = world();
    // Nobody serves without it, and the bystander's backend is gone with it: not by us.
    world.expects_violations = true;
    world.expects_leftovers = true;
    world.expects_strangers_touched = true;
    let deleted = |state: &Value| {
        let id = state["seed"]["loadBalancerId"].as_str().expect("an id");
        world.delete(&format!("/20170115/loadBalancers/{id}"));
        world.wait_until("it is gone", || world.state()["loadBalancers"][0]["lifecycleState"] == "DELETED");
    };
    let ran = by_hand_in_the_drain(&world, file, deleted).expect(3);
    assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    assert_eq!(world.versions(), ["1"], "the new instance is deleted, the old one stays");
}

#[test]
fn a_key_that_is_revoked_in_the_middle_suspends_the_run_and_is_no_answer_about_a_request() {
    let (world, file) = world();
    let traffic = Traffic::start(world.front());
    world.fault(&json!({"method": "PUT", "path": "/backends/", "effect": "401"}));
    let ran = world.run(&["start", file]).expect(75);
    assert!(ran.stderr.contains("401"), "{}", ran.stderr);
    world.run(&["resume", "latest"]).expect(75);
    world.clear_faults();
    world.run(&["resume", "latest"]).expect(0);
    world.fault(&json!({"method": "DELETE", "path": "/containerInstances/", "effect": "401"}));
    world.run(&["rollback", "latest"]).expect(75);
    world.clear_faults();
    world.run(&["resume", "latest"]).expect(0);
    expect_serving(&world, "1");
    // Whether the create arrived is not known: a 401 does not say that it did not.
    kill_at(&world, &["start", file], "create-instance/CreateContainerInstance unsent");
    world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "401"}));
    world.run(&["rollback", "latest"]).expect(75);
    world.clear_faults();
    world.run(&["rollback", "latest"]).expect(0);
    expect_serving(&world, "1");
    assert_eq!(traffic.stop().n_failed(), 0);
    // Before anything is changed it is the configuration that is wrong.
    world.fault(&json!({"path": "/20", "effect": "401"}));
    world.run(&["start", file]).expect(2);
}
