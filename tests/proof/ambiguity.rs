//! Outcomes that no answer reveals: requests that were carried out twice, late or unseen, stale reads, and other clients who
//! change the same things at the same time.

use std::fmt::Debug;

use serde_json::{Value, json};

use crate::harness::{CHANGES, Traffic, World, each, portion};

/// Runs each case, or `few` of them if the proof is not run whole.
#[track_caller]
fn try_each<C: Clone + Debug + Sync>(
    cases: impl IntoIterator<Item = C>,
    few: usize,
    work: impl Fn(C) + Sync,
) {
    let cases = portion(cases, few);
    let outcomes = each(&cases, |case| work(case.clone()));
    let failed: Vec<String> = cases
        .iter()
        .zip(outcomes)
        .filter_map(|(case, outcome)| outcome.err().map(|why| format!("{case:?}: {why}")))
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn a_request_that_is_carried_out_twice_changes_nothing() {
    try_each(CHANGES, 1, |(method, path)| {
        let (world, file) = World::with_deployment_for((method, path));
        world.fault(&json!({"method": method, "path": path, "effect": "twice"}));
        world.run(&["start", file]).expect(0);
        world.expect_serving("2");
        world.run(&["rollback", "latest"]).expect(0);
        world.expect_serving("1");
    });
}

/// The steps whose request may be on its way when the process dies, each with its method and a part of its path.
const ON_ITS_WAY: [(&str, &str, &str); 7] = [
    ("create-instance", "POST", "/containerInstances"),
    ("register-backend", "POST", "/backends"),
    ("shift-set", "PUT", "/backendSets/http"),
    ("admit-backend", "PUT", "/backends/"),
    ("drain-backend", "PUT", "/backends/"),
    ("remove-backend", "DELETE", "/backends/"),
    ("retire-instance", "DELETE", "/containerInstances/"),
];

#[test]
fn a_request_that_arrives_after_its_sender_died_is_taken_into_account() {
    let cases =
        ON_ITS_WAY.into_iter().flat_map(|on_its_way| ["resume", "rollback"].map(|verb| (verb, on_its_way)));
    try_each(cases, 2, |(verb, (step, method, path))| {
        let (world, file) = World::with_deployment_for((method, path));
        let traffic = Traffic::start(world.front());
        // The second PUT is the drain.
        let skip = u32::from(step.contains("drain"));
        let late = json!({"method": method, "path": path, "skip": skip, "times": 1, "effect": "late", "delay_ms": 700});
        world.fault(&late);
        world.killed_at(&["start", file], &format!("{step}/waiting to try again"));
        world.run(&[verb, "latest"]).expect(0);
        // By then the late request has been answered, whatever the answer.
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
        world.expect_serving(if verb == "resume" { "2" } else { "1" });
        traffic.expect_no_loss();
    });
}

/// If an update that changes nothing gives no new version, nothing can outrun a delete, so the run must wait for it.
#[test]
fn a_late_delete_of_the_old_instance_is_waited_for_where_nothing_outruns_it() {
    let (world, file) = World::with_deployment();
    world.post("/sandbox/habits", &json!({"no-change": "keeps-version"}));
    let traffic = Traffic::start(world.front());
    let late = json!({"method": "DELETE", "path": "/containerInstances/", "times": 1, "effect": "late", "delay_ms": 2000});
    world.fault(&late);
    world.killed_at(&["start", file], "retire-instance/waiting to try again");
    world.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
    let run = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    assert_ne!(run["restored_instance_id"], Value::Null, "the delete had arrived before it was undone");
    traffic.expect_no_loss();
}

#[test]
fn a_create_whose_token_is_forgotten_is_known_by_its_tags() {
    try_each([("resume", "2"), ("rollback", "1")], 1, |(verb, version)| {
        let (world, file) = World::with_deployment();
        world.killed_at(&["start", file], "create-instance/CreateContainerInstance unread");
        world.delete("/sandbox/tokens");
        // A day later, when tokens are no longer valid.
        world.run_with(&[verb, "latest"], "clock=return(90000)").expect(0);
        world.expect_serving(version);
    });
}

#[test]
fn work_that_fails_after_it_was_accepted_ends_in_a_clean_rollback() {
    let of_the_balancer = CHANGES.into_iter().filter(|(_, path)| path.starts_with("/backend"));
    try_each(of_the_balancer, 1, |(method, path)| {
        let (world, file) = World::with_deployment_for((method, path));
        let traffic = Traffic::start(world.front());
        world.fault(&json!({"method": method, "path": path, "times": 1, "effect": "work-request-failed"}));
        let ran = world.run(&["start", file]).expect(3);
        assert!(ran.stderr.contains("INTERNAL_ERROR: a fault was asked for"), "{}", ran.stderr);
        world.expect_serving("1");
        traffic.expect_no_loss();
    });
}

#[test]
fn reads_that_lag_behind_writes_mislead_neither_a_run_nor_its_rollback() {
    try_each(0..8, 1, |seed| {
        let (world, file) = World::with_deployment();
        let traffic = Traffic::start(world.front());
        world.fault(&json!({
            "method": "GET", "path": "/20170115/loadBalancers/", "probability": 0.5, "seed": seed, "effect": "stale-read",
        }));
        world.run(&["start", file]).expect(0);
        world.run(&["rollback", "latest"]).expect(0);
        world.clear_faults();
        world.expect_serving("1");
        traffic.expect_no_loss();
    });
}

#[test]
fn a_kill_among_reads_that_lag_is_recovered_from() {
    let cases =
        ON_ITS_WAY.into_iter().enumerate().flat_map(|one| ["resume", "rollback"].map(|verb| (verb, one)));
    try_each(cases, 2, |(verb, (n, (step, method, path)))| {
        let (world, file) = World::with_deployment_for((method, path));
        let traffic = Traffic::start(world.front());
        world.killed_at(&["start", file], &format!("{step}/done, not completed"));
        world.fault(&json!({
                "method": "GET", "path": "/20170115/loadBalancers/", "probability": 0.6, "seed": n, "effect": "stale-read",
            }));
        world.run(&[verb, "latest"]).expect(0);
        world.clear_faults();
        world.expect_serving(if verb == "resume" { "2" } else { "1" });
        traffic.expect_no_loss();
    });
}

#[test]
fn an_instance_that_is_not_visible_right_after_its_creation_is_neither_lost_nor_leaked() {
    try_each([("resume", "2"), ("rollback", "1")], 1, |(verb, version)| {
        let (world, file) = World::with_deployment();
        world.killed_at(&["start", file], "create-instance/completed");
        world.fault(
            &json!({"method": "GET", "path": "/containerInstances/", "times": 6, "effect": "not-found"}),
        );
        world.run(&[verb, "latest"]).expect(0);
        world.expect_serving(version);
    });
}

#[test]
fn a_change_of_another_client_in_between_is_seen_and_survives() {
    let of_the_balancer = CHANGES.into_iter().filter(|(_, path)| path.starts_with("/backend"));
    try_each(of_the_balancer, 1, |(method, path)| {
        let (world, file) = World::with_deployment_for((method, path));
        world.fault(&json!({"method": method, "path": path, "times": 1, "effect": "other-client"}));
        world.run(&["start", file]).expect(0);
        let refused = world.changes().iter().filter(|change| change.ends_with(" 412")).count();
        assert_eq!(refused, 1, "what was read before the change is not written over it");
        world.run(&["rollback", "latest"]).expect(0);
        world.expect_serving("1");
        let theirs = world.backends("http").into_iter().find(|backend| backend["ipAddress"] == "127.0.0.250");
        let theirs = theirs.expect("their backend survived");
        assert_eq!((&theirs["weight"], &theirs["offline"]), (&json!(9), &json!(true)));
    });
}
