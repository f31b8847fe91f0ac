//! A start sees that another run of its deployment is open or was lost, in whatever journal that run is, and gives way to it.

use serde_json::{Value, json};

use crate::harness::{Machine, World};

/// The deployment of a version.
pub(crate) fn version(world: &World, version: &str) -> Value {
    let mut deployment = world.deployment_of(version);
    deployment["poll-interval"] = json!("10ms");
    deployment
}

/// Every command that looks is refused with these words, and changes nothing.
#[track_caller]
fn refused(world: &World, machine: &Machine<'_>, expected: &[&str]) {
    let file = machine.write_deployment(&version(world, "3"));
    let before = world.changes();
    for args in [
        &["start", file][..],
        &["start", file, "--first"],
        &["start", file, "--dry-run"],
        &["plan", file],
        &["validate", file, "--online"],
    ] {
        let ran = machine.run(args);
        assert_eq!(ran.code, 6, "{args:?}:\n{}", ran.stderr);
        for text in expected {
            assert!(ran.stderr.contains(text), "{args:?}: expected {text:?} in:\n{}", ran.stderr);
        }
    }
    assert_eq!(world.changes(), before);
}

/// The words about a run that another journal has, in this phase.
fn lost(run: &str, phase: &str) -> Vec<String> {
    let short = &run[..8];
    vec![
        format!("run {run} ({phase}, since 20"),
        "is open, or was lost".to_owned(),
        format!("; made by run {run}"),
        format!("run {short} is not in this journal: `deployctl resume {short}` goes on with it where its"),
        "`deployctl recover DEPLOYMENT` where that is lost".to_owned(),
    ]
}

/// Kills a start of version 2 on one machine, looks from another one, and lets the first go on to its end.
#[track_caller]
fn seen_when_killed_at(world: &World, point: &str, phase: &str, is_so: impl Fn() -> bool) {
    let (one, other) = (world.machine("one"), world.machine("other"));
    one.killed_at(&["start", one.write_deployment(&version(world, "2"))], point);
    world.wait_until("what it sent is done", is_so);
    let words = lost(&one.latest(), phase);
    refused(world, &other, &words.iter().map(String::as_str).collect::<Vec<_>>());
    one.run(&["resume", "latest"]).expect(0);
    world.expect_serving("2");
    other.run(&["start", "deployment.json"]).expect(0);
    world.expect_serving("3");
}

#[test]
fn a_run_that_is_creating_its_instance_is_seen() {
    let world = World::hurried();
    seen_when_killed_at(&world, "create-instance/completed", "creating", || world.running().len() == 2);
}

#[test]
fn a_run_that_has_registered_its_instance_is_seen() {
    let world = World::hurried();
    seen_when_killed_at(&world, "await-backends/begun", "registered", || world.backends("http").len() == 2);
}

#[test]
fn a_run_whose_versions_both_serve_is_seen() {
    let world = World::hurried();
    world.one_by_one();
    let both = || world.backends("http").iter().filter(|one| one["drain"] == false).count() == 2;
    seen_when_killed_at(&world, "drain-backend/begun", "both serving", both);
}

#[test]
fn a_run_that_drains_the_old_instance_is_seen() {
    let world = World::hurried();
    seen_when_killed_at(&world, "await-drain/begun", "draining", || world.backends("http").len() == 2);
}

#[test]
fn a_rollback_that_creates_the_old_instance_again_is_seen() {
    let world = World::hurried();
    let (one, other) = (world.machine("one"), world.machine("other"));
    one.run(&["start", one.write_deployment(&version(&world, "2"))]).expect(0);
    one.killed_at(&["rollback", "latest"], "undo retire-instance/CreateContainerInstance unread");
    world.wait_until("it runs", || world.running().len() == 2);
    let words = lost(&one.latest(), "creating");
    refused(&world, &other, &words.iter().map(String::as_str).collect::<Vec<_>>());
    one.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
    // What a rollback has created again is an old instance like any other.
    other.run(&["start", "deployment.json"]).expect(0);
    world.expect_serving("3");
}

#[test]
fn a_run_of_this_journal_is_resumed_or_rolled_back() {
    let world = World::hurried();
    let machine = world.machine("one");
    machine.killed_at(&["start", machine.write_deployment(&version(&world, "2"))], "await-backends/begun");
    let run = machine.latest();
    let short = &run[..8];
    let ran = machine.run(&["plan", "deployment.json"]).expect(6);
    let hint = format!(
        "run {short} is running in this journal: `deployctl resume {short}` goes on with it, `deployctl rollback {short}`"
    );
    assert!(ran.stderr.contains(&hint), "{}", ran.stderr);
    let told = machine.run(&["plan", "deployment.json", "--output", "json"]).expect(6).json();
    assert_eq!(told["error"]["kind"], "held", "{told}");
    machine.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
}

#[test]
fn what_is_refused_for_another_run_is_held_in_the_object_and_in_the_history() {
    let world = World::hurried();
    let (one, other) = (world.machine("one"), world.machine("other"));
    one.killed_at(&["start", one.write_deployment(&version(&world, "2"))], "await-backends/begun");
    let file = other.write_deployment(&version(&world, "3"));
    let told = other.run(&["start", file, "--output", "json"]).expect(6).json();
    assert_eq!((&told["reason"], &told["outcome"]), (&json!("held"), &json!("refused")), "{told}");
    let events = other.run(&["history", "latest", "--events", "--output", "json"]).expect(0).stdout;
    assert!(events.contains("\"held-by\":") && events.contains(&one.latest()), "{events}");
    other.run(&["watch", "latest", "--quiet"]).expect(6);
    one.run(&["rollback", "latest"]).expect(0);
}

#[test]
fn what_an_ended_run_has_left_behind_is_told_and_set_aside() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    let (one, other) = (world.machine("one"), world.machine("other"));
    one.run(&["start", one.write_deployment(&version(&world, "2"))]).expect(0);
    // The run dies before it retires version 2, which is of a run before it.
    one.killed_at(&["start", one.write_deployment(&version(&world, "3"))], "retire-instance/begun");
    let ran = other.run(&["start", other.write_deployment(&version(&world, "4"))]).expect(0);
    let told = "serves nowhere; made by run ";
    assert!(ran.stderr.contains(told) && ran.stderr.contains("`deployctl prune`"), "{}", ran.stderr);
    assert_eq!(world.versions(), ["2", "4"]);
}

#[test]
fn a_second_version_is_not_put_beside_one_of_the_same_deployment() {
    let world = World::hurried();
    let (one, other) = (world.machine("one"), world.machine("other"));
    one.run(&["start", one.write_deployment(&version(&world, "2"))]).expect(0);
    let mut beside = version(&world, "3");
    beside["ci-filter"] = json!({"display-name": "nobody"});
    let ran = other.run(&["start", other.write_deployment(&beside), "--first"]).expect(6);
    assert!(ran.stderr.contains(&format!("run {} (serving, since ", one.latest())), "{}", ran.stderr);
    world.expect_serving("2");
}

#[test]
fn an_instance_that_a_run_has_kept_stands_in_nobodys_way() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    for (n, name) in ["2", "3", "4"].into_iter().zip(["one", "two", "three"]) {
        let machine = world.machine(name);
        let mut deployment = version(&world, n);
        deployment["old-instance"] = json!("keep");
        machine.run(&["start", machine.write_deployment(&deployment)]).expect(0);
    }
    assert_eq!(world.versions(), ["1", "2", "3", "4"]);
}

#[test]
fn an_instance_of_another_run_is_seen_in_the_compartment_where_it_is_made() {
    const APPS: &str = "ocid1.compartment.oc1..apps";
    let world = World::hurried();
    let (one, other) = (world.machine("one"), world.machine("other"));
    let signed_in = std::fs::read_to_string(world.path(".oci/config")).expect("it is signed in");
    let of_profile = |name: &str| {
        let mut lines = signed_in.lines().filter_map(|line| line.split_once('='));
        lines.find(|(it, _)| *it == name).map(|(_, value)| value.to_owned())
    };
    let elsewhere = |n: &str| {
        let mut deployment = version(&world, n);
        // The instances are looked for in the compartment of the credentials, and made in another one.
        deployment["config"] = json!({
            "user-ocid": of_profile("user"),
            "tenancy-ocid": of_profile("tenancy"),
            "key-fingerprint": of_profile("fingerprint"),
            "private-key-file": of_profile("key_file"),
            "region": of_profile("region"),
            "compartment-id": world.state()["compartmentId"],
        });
        deployment["ci-config"]["compartment-id"] = json!(APPS);
        deployment
    };
    one.killed_at(&["start", one.write_deployment(&elsewhere("2"))], "create-instance/completed");
    let ran = other.run(&["start", other.write_deployment(&elsewhere("3"))]).expect(6);
    assert!(ran.stderr.contains("(creating, since"), "{}", ran.stderr);
    one.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
}

#[test]
fn an_instance_that_has_failed_is_seen_and_one_that_is_being_deleted_stands_in_nobodys_way() {
    let world = World::hurried();
    let (one, other) = (world.machine("one"), world.machine("other"));
    let create =
        json!({"method": "POST", "path": "/containerInstances", "times": 1, "effect": "work-request-failed"});
    world.fault(&create);
    one.killed_at(&["start", one.write_deployment(&version(&world, "2"))], "create-instance/completed");
    let failed = || world.web_servers().iter().any(|one| one["lifecycleState"] == "FAILED");
    world.wait_until("it has failed", failed);
    let words = lost(&one.latest(), "creating");
    refused(&world, &other, &words.iter().map(String::as_str).collect::<Vec<_>>());
    // Slowly enough that the other one looks while it is being deleted.
    world.post("/sandbox/pace", &json!({"scale": 4}));
    one.killed_at(&["rollback", "latest"], "undo create-instance/DeleteContainerInstance unread");
    let states =
        || world.web_servers().iter().map(|one| one["lifecycleState"].clone()).collect::<Vec<Value>>();
    assert!(states().contains(&json!("DELETING")), "{:?}", states());
    other.run(&["plan", "deployment.json"]).expect(0);
    assert!(states().contains(&json!("DELETING")), "{:?}", states());
    world.post("/sandbox/pace", &json!({"scale": 1000}));
    one.run(&["rollback", "latest"]).expect(0);
    other.run(&["start", "deployment.json"]).expect(0);
    world.expect_serving("3");
}

#[test]
fn an_instance_that_the_lists_do_not_show_yet_is_seen_before_the_admission() {
    let world = World::hurried();
    let (older, younger) = (world.machine("older"), world.machine("younger"));
    older.killed_at(&["start", older.write_deployment(&version(&world, "2"))], "await-backends/begun");
    // No list has shown the older one when the younger one looks for others; later ones do.
    world.post("/sandbox/habits", &json!({"list-lag-ms": 600_000}));
    let file = younger.write_deployment(&version(&world, "3"));
    younger.killed_at(&["start", file, "--replace", &seeded(&world)], "create-instance/not begun");
    world.post("/sandbox/habits", &json!({"list-lag-ms": 0}));
    let ran = younger.run(&["resume", "latest"]).expect(6);
    assert!(ran.stderr.contains(", which goes first"), "{}", ran.stderr);
    older.run(&["resume", "latest"]).expect(0);
    world.expect_serving("2");
}

fn seeded(world: &World) -> String {
    world.state()["seed"]["webserverId"].as_str().expect("an id").to_owned()
}
