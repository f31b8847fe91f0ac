//! Races: several machines, each with a journal of its own, start one deployment at the same time. Exactly one goes on, the
//! others give way and undo themselves, and nothing is leaked; whether the load balancer refuses or queues, whether reads lag,
//! and whether a machine dies on the way.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::harness::{Machine, Ran, Traffic, World, each, portion};

/// How far apart the looks are. Reads lag less than that.
const APART: &str = "400ms";

/// A cloud, and how many machines start in it.
struct Race {
    habits: Value,
    n_starts: usize,
    /// How new backends are registered.
    register: &'static str,
}

/// The races. `RACES=20` runs each of them so many times, and with up to eight machines.
fn races() -> Vec<Race> {
    let times =
        std::env::var_os("RACES").map_or(1, |times| times.to_string_lossy().parse().expect("a number"));
    let mut races = Vec::new();
    // Many machines are for a run of the proof that takes its time.
    let most = if times > 1 { 8 } else { 4 };
    // What is assumed of the cloud, broken by itself.
    let doubtful =
        [json!({"queue": "last-first"}), json!({"work-request-lag-ms": 1500}), json!({"list-lag-ms": 60})];
    for _ in 0..times {
        for habits in &doubtful {
            for n_starts in 2..=most {
                races.push(Race { habits: habits.clone(), n_starts, register: "drained" });
            }
        }
        for busy in ["queued", "refused"] {
            for read_lag_ms in [0, 60, 200] {
                for n_starts in 2..=most {
                    for register in ["drained", "active"] {
                        let is_checked = if register == "drained" { "checked" } else { "unchecked" };
                        let habits = json!({
                            "busy": busy, "read-lag-ms": read_lag_ms, "drained-backends": is_checked,
                        });
                        races.push(Race { habits, n_starts, register });
                    }
                }
            }
        }
    }
    races
}

/// The deployment of a version.
fn deployment(world: &World, version: usize, register: &str) -> Value {
    let mut deployment = world.deployment_of(version);
    deployment["register"] = json!(register);
    deployment["poll-interval"] = json!("20ms");
    deployment["min-ready"] = json!(APART);
    deployment
}

fn world(habits: &Value) -> World {
    let mut world = World::hurried();
    world.post("/sandbox/habits", habits);
    // That several clients' changes queue is what this is about.
    world.expects_violations = true;
    world
}

/// The machines, each with the deployment of a version of its own, from 2 on.
fn machines<'w>(world: &'w World, n: usize, register: &str) -> Vec<Machine<'w>> {
    let machine = |n: usize| {
        let machine = world.machine(&n.to_string());
        machine.write_deployment(&deployment(world, n, register));
        machine
    };
    (2..2 + n).map(machine).collect()
}

fn ended(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().expect("it ends"))
}

const START: [&str; 4] = ["start", "deployment.json", "--output", "json"];

/// Makes sure that no promise was broken but that changes queued.
#[track_caller]
fn expect_no_violation(world: &World) {
    let audit = world.audit();
    let violations = audit["violations"].as_array().expect("a list").iter();
    let broken: Vec<&Value> = violations
        .filter(|one| !one.as_str().is_some_and(|text| text.contains("while it was busy")))
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}

/// How often a whole set was replaced, which is how a version is admitted.
fn n_admissions(world: &World) -> usize {
    let is_one = |change: &&String| {
        change.starts_with("PUT") && change.contains("/backendSets/http ") && change.ends_with("204")
    };
    world.changes().iter().filter(is_one).count()
}

/// The version that serves in the end, alone, and with nothing left of the others.
#[track_caller]
fn expect_alone(world: &World, traffic: Traffic, told: &str) -> String {
    let running = world.running();
    let [version] = running.as_slice() else { panic!("{running:?} run\n{told}") };
    let backends = world.backends("http");
    assert!(backends.len() == 1 && backends[0]["drain"] == false, "{backends:?}\n{told}");
    assert_eq!(world.versions(), [version.as_str()], "{told}");
    expect_no_violation(world);
    traffic.expect_no_loss();
    version.clone()
}

/// How each command ended, and what became of each step.
fn told<'r>(ran: impl IntoIterator<Item = &'r Ran>) -> String {
    let mut told = String::new();
    for one in ran {
        let run: Value = serde_json::from_str(&one.stdout).unwrap_or_default();
        writeln!(told, "exit {} {} {} {}", one.code, run["status"], run["error"], one.stderr.trim_end())
            .expect("a text");
        for step in run["steps"].as_array().into_iter().flatten() {
            let undo = &step["compensation"];
            writeln!(
                told,
                "  {} {} x{} {}{} {} {}",
                step["name"],
                step["status"],
                step["attempts"],
                step["error"],
                step["warnings"],
                undo["status"],
                undo["error"]
            )
            .expect("a text");
        }
    }
    told
}

#[track_caller]
fn expect_none_failed(what: &str, names: &[String], results: &[Result<(), String>]) {
    let failed: Vec<String> = names
        .iter()
        .zip(results)
        .filter_map(|(name, result)| result.as_ref().err().map(|why| format!("{name}: {why}")))
        .collect();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), names.len(), failed.join("\n"));
    writeln!(std::io::stderr(), "{} {what}", names.len()).expect("stderr is open");
}

#[test]
fn of_any_number_of_starts_exactly_one_goes_on() {
    let races = portion(races(), 2);
    let names: Vec<String> = races
        .iter()
        .map(|race| format!("{} starts, {}, {}", race.n_starts, race.register, race.habits))
        .collect();
    let results = each(&races, run_race);
    expect_none_failed("races: exactly one start went on in each", &names, &results);
}

fn run_race(race: &Race) {
    let world = world(&race.habits);
    let machines = machines(&world, race.n_starts, race.register);
    let traffic = Traffic::start(world.front());
    let started: Vec<Child> = machines.iter().map(|machine| machine.spawn(&START)).collect();
    let ran: Vec<Ran> = started.into_iter().map(ended).collect();
    let told = told(&ran);
    let is_winner = |one: &&Ran| one.code == 0;
    let winners: Vec<Value> = ran.iter().filter(is_winner).map(Ran::json).collect();
    // On a busy machine, one may start only when another has ended. Then it replaces what that one has made.
    let replaced: Vec<&Value> = winners.iter().map(|run| &run["old_instance_id"]).collect();
    let last = winners.iter().filter(|run| !replaced.contains(&&run["new_instance_id"])).count();
    assert_eq!(last, 1, "not one after the other\n{told}");
    if race.register == "drained" {
        assert_eq!(n_admissions(&world), winners.len(), "another one was admitted\n{told}");
    }
    for other in ran.iter().filter(|one| one.code != 0) {
        assert_eq!(other.code, 6, "{told}");
        let run = other.json();
        assert_eq!((&run["reason"], &run["status"]), (&json!("held"), &json!("rolled-back")), "{told}");
        let mut steps = run["steps"].as_array().into_iter().flatten();
        let is_admission = |step: &Value| step["name"] == "admit-backend" && step["status"] == "completed";
        assert!(!steps.any(is_admission), "it was admitted\n{told}");
        let steps = run["steps"].as_array().into_iter().flatten();
        let is_left = |step: &&Value| {
            let is_change = CHANGES.iter().any(|name| step["name"] == *name);
            is_change && step["status"] == "completed" && step["compensation"]["status"] != "completed"
        };
        assert_eq!(steps.filter(is_left).count(), 0, "a compensation is lost\n{told}");
    }
    expect_alone(&world, traffic, &told);
}

/// What a start that gives way may have done.
const CHANGES: [&str; 3] = ["create-instance", "register-backend", "admit-backend"];

/// Where a machine dies.
const DEATHS: [&str; 9] = [
    "find-old-backends/completed",
    "create-instance/CreateContainerInstance unread",
    "create-instance/completed",
    "register-backend/CreateBackend unsent",
    "register-backend/CreateBackend unread",
    "await-backends/begun",
    "shift-set/UpdateBackendSet unsent",
    "shift-set/UpdateBackendSet unread",
    "await-drain/begun",
];

#[test]
fn a_machine_that_dies_on_the_way_keeps_the_others_from_doing_harm() {
    let cases: Vec<(&str, &str)> =
        ["queued", "refused"].into_iter().flat_map(|busy| DEATHS.map(|point| (busy, point))).collect();
    let cases = portion(cases, 2);
    let names: Vec<String> = cases.iter().map(|(busy, point)| format!("{busy}, killed at {point}")).collect();
    let results = each(&cases, |(busy, point)| dies(busy, point));
    expect_none_failed("machines died in a race: one version served in the end", &names, &results);
}

fn dies(busy: &str, point: &str) {
    let world = world(&json!({"busy": busy, "read-lag-ms": 40}));
    let machines = machines(&world, 3, "drained");
    let traffic = Traffic::start(world.front());
    let mut dying = machines[0].command(&START);
    dying.env("FAILPOINTS", format!("{point}=return"));
    let mut dying = dying.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let others: Vec<Child> = machines[1..].iter().map(|machine| machine.spawn(&START)).collect();
    let mut ran: Vec<Ran> = others.into_iter().map(ended).collect();
    dying.wait().expect("it ends");
    // Its journal is still there, so it goes on, and sees what has become of the place.
    let resumed = machines[0].run(&["resume", "latest", "--output", "json"]);
    ran.push(resumed);
    let told = told(&ran);
    let codes: Vec<i32> = ran.iter().map(|one| one.code).collect();
    assert!(codes.iter().all(|code| [0, 2, 6].contains(code)), "{codes:?}\n{told}");
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}\n{told}");
    expect_alone(&world, traffic, &told);
}

#[test]
fn of_a_rollback_and_a_start_one_goes_on() {
    let cases: Vec<(&str, usize)> =
        ["queued", "refused"].into_iter().flat_map(|busy| (0..4).map(move |n| (busy, n))).collect();
    let cases = portion(cases, 2);
    let names: Vec<String> = cases.iter().map(|(busy, n)| format!("{busy}, {n}")).collect();
    let results = each(&cases, |(busy, n)| rolls_back(busy, *n));
    expect_none_failed("rollbacks raced a start: one version served in the end", &names, &results);
}

/// A rollback on one machine, and a start on another at the same time. The one that is `n` steps behind begins a little later.
fn rolls_back(busy: &str, n: usize) {
    let world = world(&json!({"busy": busy, "read-lag-ms": 40}));
    let machines = machines(&world, 2, "drained");
    machines[0].run(&START).expect(0);
    let traffic = Traffic::start(world.front());
    let back = ["rollback", "latest", "--output", "json"];
    let (first, second) = if n.is_multiple_of(2) {
        let first = machines[0].spawn(&back);
        (first, machines[1].spawn(&START))
    } else {
        let second = machines[1].spawn(&START);
        (machines[0].spawn(&back), second)
    };
    let (rolled, started) = (ended(first), ended(second));
    let told = told([&rolled, &started]);
    match (rolled.code, started.code) {
        // One after the other, or the start has given way.
        (0, 0 | 3 | 6) => {}
        // The start has won, and the rollback waits for somebody to decide.
        (75, 0) => {}
        codes => panic!("{codes:?}\n{told}"),
    }
    expect_alone(&world, traffic, &told);
}
