//! Of several runs of a deployment, each in a journal of its own, one goes on; the others give way, and say to whom.
//!
//! Each test stops one run where it has looked for others and found none, lets another one go ahead, and continues the first.

use serde_json::{Value, json};

use crate::claims::version;
use crate::harness::{Machine, World, ended, go_on, paused_at};

/// Where a start has found nobody else, and has created nothing.
const FOUND: &str = "find-old-backends/completed";

/// A machine whose start of a version is killed there.
#[track_caller]
fn stopped<'w>(world: &'w World, name: &str, n: &str, point: &str) -> Machine<'w> {
    let machine = world.machine(name);
    machine.killed_at(&["start", machine.write_deployment(&version(world, n))], point);
    machine
}

/// Whether a step of the machine's newest run is completed.
fn is_done(machine: &Machine<'_>, step: &str) -> bool {
    let shown = machine.run(&["history", "latest", "--output", "json"]).stdout;
    let run: Value = serde_json::from_str(&shown).unwrap_or_default();
    let mut steps = run["steps"].as_array().into_iter().flatten();
    steps.any(|one| one["name"] == step && one["status"] == "completed")
}

/// The run gives way to another one, and has changed nothing in the end.
#[track_caller]
fn gives_way(machine: &Machine<'_>, to: &Machine<'_>, how: &str) {
    let ran = machine.run(&["resume", "latest"]).expect(6);
    let told = format!("looking for other runs of the deployment: run {} has made ocid1.", to.latest());
    for text in [&told, how, "everything that run ", "is not in this journal: `deployctl resume "] {
        assert!(ran.stderr.contains(text), "expected {text:?} in:\n{}", ran.stderr);
    }
    machine.run(&["watch", "latest", "--quiet"]).expect(6);
}

#[test]
fn the_run_whose_instance_is_older_goes_on() {
    for halts in [false, true] {
        let world = World::hurried();
        let younger = world.machine("younger");
        let mut deployment = version(&world, "2");
        if halts {
            // There is nothing to look into, so it undoes itself all the same.
            deployment["on-failure"] = json!("halt");
        }
        younger.killed_at(&["start", younger.write_deployment(&deployment)], FOUND);
        let older = stopped(&world, "older", "3", "await-backends/begun");
        gives_way(&younger, &older, ", which goes first");
        assert_eq!(world.versions(), ["1", "3"]);
        older.run(&["resume", "latest"]).expect(0);
        world.expect_serving("3");
    }
}

#[test]
fn a_run_gives_way_to_a_version_in_service() {
    for one_by_one in [false, true] {
        let world = World::hurried();
        if one_by_one {
            world.one_by_one();
        }
        let loser = stopped(&world, "loser", "2", FOUND);
        let winner = stopped(&world, "winner", "3", "await-drain/begun");
        gives_way(&loser, &winner, ", which serves already");
        winner.run(&["resume", "latest"]).expect(0);
        world.expect_serving("3");
    }
}

#[test]
fn a_run_looks_once_more_before_it_admits_its_version() {
    let world = World::hurried();
    let loser = stopped(&world, "loser", "2", FOUND);
    // Its instance is older, and not registered yet: the first look of the other one does not see it.
    let winner = stopped(&world, "winner", "3", "register-backend/not begun");
    let mut late = loser.command(&["resume", "latest"]);
    late.env("FAILPOINTS", "shift-set/begun=1*return(STOP)");
    let late = late.stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    paused_at(&world, &late);
    assert!(is_done(&loser, "await-backends"), "it has looked once");
    winner.run(&["resume", "latest"]).expect(0);
    let ended = ended(late).expect(6);
    assert!(ended.stderr.contains(", which serves already"), "{}", ended.stderr);
    world.expect_serving("3");
}

#[test]
fn of_two_runs_that_are_admitted_unchecked_one_goes_on() {
    let world = World::hurried();
    world.post("/sandbox/habits", &json!({"drained-backends": "unchecked"}));
    let active = |n: &str| {
        let mut deployment = version(&world, n);
        deployment["register"] = json!("active");
        deployment
    };
    let (younger, older) = (world.machine("younger"), world.machine("older"));
    younger.killed_at(&["start", younger.write_deployment(&active("2"))], FOUND);
    let registered = "await-work-request[register-backend]/completed";
    older.killed_at(&["start", older.write_deployment(&active("3"))], registered);
    // The younger one gives way, and has not taken anything back when the older one looks.
    let mut late = younger.command(&["resume", "latest"]);
    late.env("FAILPOINTS", "run/not failed=1*return(STOP)");
    let late = late.stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    paused_at(&world, &late);
    older.run(&["resume", "latest"]).expect(0);
    let ended = ended(late).expect(6);
    assert!(ended.stderr.contains(", which goes first"), "{}", ended.stderr);
    world.expect_serving("3");
    // The way back is the same.
    older.run(&["rollback", "latest"]).expect(0);
    world.expect_serving("1");
}

#[test]
fn a_rollback_goes_before_a_start() {
    for is_registered in [false, true] {
        let world = World::hurried();
        let back = world.machine("back");
        back.run(&["start", back.write_deployment(&version(&world, "2"))]).expect(0);
        // Its instance is older than the one that the rollback creates again.
        let start = stopped(&world, "start", "3", "await-backends/begun");
        if is_registered {
            back.killed_at(&["rollback", "latest"], "undo shift-set/begun");
            gives_way(&start, &back, ", which goes first");
            back.run(&["rollback", "latest"]).expect(0);
        } else {
            back.run(&["rollback", "latest"]).expect(0);
            gives_way(&start, &back, ", which serves already");
        }
        world.expect_serving("1");
    }
}

#[test]
fn a_rollback_gives_way_to_a_version_in_service_and_can_be_resumed() {
    let world = World::hurried();
    let (back, start) = (world.machine("back"), world.machine("start"));
    back.run(&["start", back.write_deployment(&version(&world, "2"))]).expect(0);
    start.run(&["start", start.write_deployment(&version(&world, "3"))]).expect(0);
    for verb in ["rollback", "resume"] {
        let ran = back.run(&[verb, "latest"]).expect(75);
        let told = format!("run {} has made ocid1.", start.latest());
        assert!(ran.stderr.contains(&told) && ran.stderr.contains("serves already"), "{}", ran.stderr);
        world.expect_serving("3");
    }
}

#[test]
fn a_set_that_the_loser_has_made_is_the_winners() {
    let world = World::hurried();
    let with_a_set = |n: &str| {
        let mut deployment = version(&world, n);
        let checker = json!({"protocol": "HTTP", "url-path": "/", "return-code": 200});
        deployment["backends"] = json!([
            {"port": 80, "backend-set": "http"},
            {"port": 70, "backend-set": "fresh", "create": {"policy": "ROUND_ROBIN", "health-checker": checker}},
        ]);
        deployment
    };
    let (loser, winner) = (world.machine("loser"), world.machine("winner"));
    loser.killed_at(&["start", loser.write_deployment(&with_a_set("2"))], "create-instance/not begun");
    // The winner is registered in the first set, and not in the one that the loser has made.
    let second = "register-backend/not begun=1*off->return";
    let start = ["start", winner.write_deployment(&with_a_set("3"))];
    let killed = winner.command(&start).env("FAILPOINTS", second).output().expect("it starts");
    assert_eq!(killed.status.code(), None);
    gives_way(&loser, &winner, ", which goes first");
    assert!(!world.state()["loadBalancers"][0]["backendSets"]["fresh"].is_null());
    winner.run(&["resume", "latest"]).expect(0);
    world.expect_serving("3");
    assert_eq!(world.backends("fresh").len(), 1);
}

#[test]
fn where_nothing_is_registered_the_lists_decide() {
    let mut world = World::hurried();
    world.expects_leftovers = true;
    let job = |n: &str| {
        let mut deployment = version(&world, n);
        deployment["ci-config"]["display-name"] = json!("job");
        deployment["ci-filter"] = json!({"display-name": "job"});
        deployment["backends"] = json!([]);
        deployment
    };
    let (younger, older) = (world.machine("younger"), world.machine("older"));
    younger.killed_at(&["start", younger.write_deployment(&job("2"))], FOUND);
    older.killed_at(&["start", older.write_deployment(&job("3"))], "await-instance/begun");
    gives_way(&younger, &older, ", which goes first");
    older.run(&["resume", "latest"]).expect(0);
    let state = world.state();
    let jobs: Vec<&Value> = state["instances"].as_array().expect("instances").iter().collect();
    let alive = jobs.iter().filter(|one| one["displayName"] == "job" && one["lifecycleState"] == "ACTIVE");
    assert_eq!(alive.map(|one| one["version"].clone()).collect::<Vec<Value>>(), ["3"]);
}

#[test]
fn a_start_that_waits_plans_anew_when_the_other_run_is_over() {
    let world = World::hurried();
    let first = stopped(&world, "first", "2", "await-backends/begun");
    let waiting = world.machine("waiting");
    let file = waiting.write_deployment(&version(&world, "3"));
    let ran = waiting.run(&["start", file, "--wait=50ms"]).expect(6);
    assert!(ran.stderr.contains("waiting until that is over: looking for other runs"), "{}", ran.stderr);
    let child = waiting.spawn(&["start", file, "--wait", "--output", "json"]);
    first.run(&["resume", "latest"]).expect(0);
    let ended = child.wait_with_output().expect("it ends");
    let run: Value = serde_json::from_slice(&ended.stdout).expect("one object");
    assert_eq!(run["status"], "succeeded", "{run}");
    world.expect_serving("3");
}

#[test]
fn a_start_that_has_lost_waits_and_plans_anew() {
    let world = World::hurried();
    let loser = world.machine("loser");
    let file = loser.write_deployment(&version(&world, "2"));
    // It has found nobody, and is held up until the other one serves.
    let mut late = loser.command(&["start", file, "--wait", "--output", "json"]);
    late.env("FAILPOINTS", "create-instance/begun=1*return(STOP)");
    let late = late.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    paused_at(&world, &late);
    assert!(is_done(&loser, "find-old-backends"), "it has looked");
    let winner = stopped(&world, "winner", "3", "await-drain/begun");
    go_on(&late);
    world.wait_until("it has given way", || {
        let ran = loser.run(&["history", "--output", "json"]);
        ran.stdout.contains("failed-and-undone")
    });
    winner.run(&["resume", "latest"]).expect(0);
    let ended = late.wait_with_output().expect("it ends");
    let run: Value = serde_json::from_slice(&ended.stdout).expect("one object");
    assert_eq!(run["status"], "succeeded", "{run}");
    world.expect_serving("2");
}

#[test]
fn on_a_runner_of_a_pipeline_a_start_says_what_a_lost_disk_means() {
    let mut world = World::hurried();
    let file = world.write_deployment(&version(&world, "2"));
    let ran = world.run(&["start", file]).expect(0);
    assert!(!ran.stderr.contains("recover"), "{}", ran.stderr);
    world.set_environment([("CI", "true".to_owned())]);
    let ran = world.run(&["start", file]).expect(0);
    assert_eq!(ran.stderr.matches("`deployctl recover DEPLOYMENT` takes it up").count(), 1, "{}", ran.stderr);
}
