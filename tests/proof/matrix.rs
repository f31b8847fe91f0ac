//! The crash matrix: a redeploy and its rollback, killed with SIGKILL at every instant of every step, and recovered in four
//! ways, under load. Whatever died, one version serves in the end, and nothing was dropped, leaked or touched.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{PACES, Ran, Traffic, World, each, portion, rotation};

/// A command that is killed, and the situation before it.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// Prepares the special features of the scene.
    prepare: fn(&World, &mut Value),
    pub(crate) makes_a_set: bool,
    pub(crate) keeps_the_old_one: bool,
    /// Whether a redeploy has succeeded before.
    pub(crate) is_after_success: bool,
    pub(crate) verb: [&'static str; 2],
    /// Whether a crash point belongs to this scene and not to another one.
    pub(crate) keeps: fn(&str) -> bool,
    /// The version that serves after the command has ended.
    pub(crate) ends_with: &'static str,
}

/// A start that succeeds.
const PLAIN: Scene = Scene {
    name: "start",
    prepare: |_, _| {},
    makes_a_set: false,
    keeps_the_old_one: false,
    is_after_success: false,
    verb: ["start", "deployment.json"],
    keeps: |_| true,
    ends_with: "2",
};

/// A rollback of that.
const BACK: Scene = Scene {
    name: "rollback of a success",
    is_after_success: true,
    verb: ["rollback", "latest"],
    ends_with: "1",
    ..PLAIN
};

pub(crate) const SCENES: [Scene; 10] = [
    PLAIN,
    BACK,
    Scene {
        name: "start that creates a backend set",
        prepare: create_a_set,
        makes_a_set: true,
        keeps: |point| point.contains("create-backend-set"),
        ..PLAIN
    },
    Scene {
        name: "rollback of a success that created a backend set",
        prepare: create_a_set,
        makes_a_set: true,
        keeps: |point| point.contains("undo create-backend-set"),
        ..BACK
    },
    Scene {
        name: "start where a set cannot be changed as a whole",
        prepare: |world, _| world.one_by_one(),
        keeps: is_of_a_shift,
        ..PLAIN
    },
    Scene {
        name: "rollback of a success where a set cannot be changed as a whole",
        prepare: |world, _| world.one_by_one(),
        keeps: is_of_a_shift,
        ..BACK
    },
    Scene {
        name: "start that stops the old instance",
        prepare: stop_the_old_one,
        keeps_the_old_one: true,
        keeps: |point| point.contains("retire"),
        ..PLAIN
    },
    Scene {
        name: "rollback of a success that stopped the old instance",
        prepare: stop_the_old_one,
        keeps_the_old_one: true,
        keeps: |point| point.contains("undo retire"),
        ..BACK
    },
    Scene {
        name: "start of a version that does not become healthy",
        prepare: |_, deployment| {
            let container = &mut deployment["ci-config"]["containers"][0];
            container["environment-variables"] = json!({"SANDBOX_HEALTH": "failing"});
            deployment["backend-timeout"] = json!("300ms");
        },
        keeps: |point| point.contains("undo") || point.contains("failed") || point.contains("finished"),
        ends_with: "1",
        ..PLAIN
    },
    Scene {
        name: "start when no machine is left",
        prepare: |world, _| {
            world.fault(&json!({"method": "POST", "path": "/containerInstances", "effect": "capacity"}));
        },
        keeps: |point| point.contains("failed") || point.contains("finished"),
        ends_with: "1",
        ..PLAIN
    },
];

/// Whether a point belongs to the steps that let requests go from one version to the other.
fn is_of_a_shift(point: &str) -> bool {
    ["shift-set", "admit-backend", "drain-backend"].iter().any(|step| point.contains(step))
}

fn create_a_set(_: &World, deployment: &mut Value) {
    let checker = json!({"protocol": "HTTP", "url-path": "/", "return-code": 200});
    deployment["backends"] = json!([
        {"port": 80, "backend-set": "http"},
        {"port": 70, "backend-set": "fresh", "create": {"policy": "ROUND_ROBIN", "health-checker": checker}},
    ]);
}

fn stop_the_old_one(_: &World, deployment: &mut Value) {
    deployment["old-instance"] = json!("stop");
}

/// The recovery from a killed process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recovery {
    Resume,
    Rollback,
    /// Resumed, killed again, resumed.
    ResumeTwice,
    /// Rolled back, killed again, rolled back.
    RollbackTwice,
}

const RECOVERIES: [Recovery; 4] =
    [Recovery::Resume, Recovery::Rollback, Recovery::ResumeTwice, Recovery::RollbackTwice];

/// The recoveries from a kill at the crash point with this number. The table has all of them. Otherwise a process is killed twice
/// either forwards or backwards, alternately, and the other way round in every second commit.
fn recoveries(number: usize) -> Vec<Recovery> {
    if target().is_some() {
        return RECOVERIES.to_vec();
    }
    let again =
        if (number + rotation()).is_multiple_of(2) { Recovery::ResumeTwice } else { Recovery::RollbackTwice };
    vec![Recovery::Resume, Recovery::Rollback, again]
}

/// The file into which the table is to be written.
fn target() -> Option<OsString> {
    std::env::var_os("RELIABILITY")
}

impl Recovery {
    const fn verb(self) -> &'static str {
        match self {
            Self::Resume | Self::ResumeTwice => "resume",
            Self::Rollback | Self::RollbackTwice => "rollback",
        }
    }

    const fn is_killed_again(self) -> bool {
        matches!(self, Self::ResumeTwice | Self::RollbackTwice)
    }
}

/// One crash point and its recovery.
struct Case {
    scene: usize,
    point: String,
    number: usize,
    recovery: Recovery,
}

/// The result of one case.
struct Outcome {
    /// All API calls, of the killed process and of its recovery.
    n_calls: usize,
    /// Requests through the load balancer during the case.
    n_sent: u64,
    was_killed_again: bool,
}

#[test]
fn whatever_dies_at_any_instant_converges() {
    let scenes = portion(0..SCENES.len(), 1);
    let undisturbed = each(&scenes, |scene| undisturbed(&SCENES[*scene]));
    let undisturbed: BTreeMap<usize, Undisturbed> = scenes
        .into_iter()
        .zip(undisturbed)
        .map(|(scene, found)| (scene, found.unwrap_or_else(|why| panic!("{}: {why}", SCENES[scene].name))))
        .collect();
    let points = undisturbed.iter().flat_map(|(scene, found)| {
        found.points.iter().enumerate().map(|(number, point)| (*scene, number, point.clone()))
    });
    let points = portion(points, 2);
    let n_points = points.len();
    let cases: Vec<Case> = points
        .into_iter()
        .flat_map(|(scene, number, point)| {
            let case = move |recovery| Case { scene, point: point.clone(), number, recovery };
            recoveries(number).into_iter().map(case)
        })
        .collect();
    let outcomes = each(&cases, recovered);
    let failed: Vec<String> = cases
        .iter()
        .zip(&outcomes)
        .filter_map(|(case, outcome)| {
            let (scene, point) = (SCENES[case.scene].name, &case.point);
            let verb = case.recovery.verb();
            outcome.as_ref().err().map(|why| format!("{scene}, killed at `{point}`, {verb}: {why}"))
        })
        .collect();
    let good: Vec<&Outcome> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    let n_sent: u64 = good.iter().map(|outcome| outcome.n_sent).sum();
    let n_dropped = failed.iter().filter(|why| why.contains("requests dropped")).count();
    let n_again = good.iter().filter(|outcome| outcome.was_killed_again).count();
    // No macro is used, because a passing test does not show a macro's output.
    let line = format!(
        "{n_points} crash points x {} recoveries: {} converged, {} leaked, {n_dropped} requests dropped \
         (of {n_sent}; {n_again} runs were killed twice)",
        cases.len() / n_points,
        good.len(),
        failed.len() - n_dropped
    );
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(
        !crate::IS_WHOLE || n_again * 4 > good.len(),
        "too few of the second kills were reached: {n_again}"
    );
    report(&line, &cases, &good, &undisturbed);
}

/// A scene that ran to its end.
struct Undisturbed {
    /// The crash points that it passed.
    points: Vec<String>,
    n_calls: usize,
}

/// Runs a scene to its end, twice.
///
/// The run is slow for the points, so that it waits wherever it can; and hurried for the calls, like the recoveries.
fn undisturbed(scene: &Scene) -> Undisturbed {
    let world = prepare(scene);
    world.post("/sandbox/pace", &json!({"scale": 100}));
    let (_, points) = world.run_for_points(&scene.verb);
    assert_eq!(world.running(), [scene.ends_with], "{}", scene.name);
    let points: Vec<String> = points.into_iter().filter(|point| (scene.keeps)(point)).collect();
    assert!(!points.is_empty(), "{}", scene.name);
    let world = prepare(scene);
    let before = n_calls(&world);
    world.run(&scene.verb);
    Undisturbed { points, n_calls: n_calls(&world) - before }
}

/// The world of a scene, right before its command.
pub(crate) fn prepare(scene: &Scene) -> World {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    deployment["retry"]["initial-interval"] = json!("5ms");
    (scene.prepare)(&world, &mut deployment);
    world.write_deployment(&deployment);
    // The flags are not the defaults, so that it shows if they are not restored.
    let state = world.state();
    let balancer = state["seed"]["loadBalancerId"].as_str().expect("an id");
    let name = world.backends("http")[0]["name"].as_str().expect("a name").to_owned();
    let odd = json!({"weight": 3, "maxConnections": 300, "drain": false, "backup": false, "offline": false});
    world.put(&format!("/20170115/loadBalancers/{balancer}/backendSets/http/backends/{name}"), &odd);
    world.wait_until("the odd flags are there", || world.backends("http")[0]["weight"] == 3);
    if scene.is_after_success {
        world.run(&["start", "deployment.json"]).expect(0);
    }
    world
}

fn n_calls(world: &World) -> usize {
    world.audit()["entries"].as_array().expect("entries").len()
}

fn recovered(case: &Case) -> Outcome {
    // A run that is to be killed while it waits must find something to wait for, even on a busy machine.
    let outcome = PACES.into_iter().find_map(|pace| killed_and_recovered(case, pace));
    outcome.expect("the crash point is never reached")
}

/// `None` if the process ran to its end, because what it should have waited for was there already.
fn killed_and_recovered(case: &Case, pace: u32) -> Option<Outcome> {
    let scene = &SCENES[case.scene];
    let world = prepare(scene);
    world.post("/sandbox/pace", &json!({"scale": pace}));
    let before = world.backends("http")[0].clone();
    let n_before = n_calls(&world);
    let traffic = Traffic::start(world.front());
    if world.run_with(&scene.verb, &format!("{}=return", case.point)).code != -1 {
        return None;
    }
    let verb = [case.recovery.verb(), "latest"];
    let mut was_killed_again = false;
    if case.recovery.is_killed_again() {
        // Kills the recovery somewhere in its first steps, at a different instant for each point.
        let n_passed = 1 + (case.number * 5) % 17;
        let ran = world.run_with(&verb, &format!("any={n_passed}*off->return"));
        was_killed_again = ran.code == -1;
    }
    let ran = world.run(&verb);
    let status = status(&world);
    judge(case, &ran, status.as_deref());
    let serving = if status.as_deref() == Some("succeeded") { "2" } else { "1" };
    assert_eq!(world.running(), [serving], "which instances run");
    // A stopped instance is kept on purpose, by a success that was told to keep it.
    let n_kept = if scene.keeps_the_old_one && serving == "2" { 2 } else { 1 };
    assert_eq!(world.versions().len(), n_kept, "which instances are there");
    let findings = traffic.stop();
    let backends = world.backends("http");
    assert_eq!(backends.len(), 1, "{backends:?}");
    for flag in ["drain", "backup", "offline", "weight", "maxConnections", "port"] {
        assert_eq!(backends[0][flag], before[flag], "the flag {flag}");
    }
    assert_eq!(world.backends("other").len(), 1);
    let has_set = !world.state()["loadBalancers"][0]["backendSets"]["fresh"].is_null();
    assert_eq!(has_set, scene.makes_a_set && serving == "2", "the set that is created");
    assert_eq!(world.held(), 0, "leases and targets");
    assert!(findings.versions.contains_key(serving), "nobody asked: {:?}", findings.versions);
    assert_eq!(findings.n_failed(), 0, "requests dropped: {:?}", findings.failures);
    Some(Outcome { n_calls: n_calls(&world) - n_before, n_sent: findings.n_sent, was_killed_again })
}

fn status(world: &World) -> Option<String> {
    let shown = world.run(&["history", "latest", "--output", "json"]);
    (shown.code == 0).then(|| shown.json()["status"].as_str().expect("a status").to_owned())
}

/// Checks that the recovery and the run ended as expected.
#[track_caller]
fn judge(case: &Case, ran: &Ran, status: Option<&str>) {
    let scene = &SCENES[case.scene];
    let (code, stderr) = (ran.code, &ran.stderr);
    let expected = match (case.point.as_str(), case.recovery.verb()) {
        // There was no run yet.
        ("run/not started", _) => None,
        // The success that should be rolled back is still a success.
        ("run/not taken", "resume") => Some("succeeded"),
        (_, "resume") if scene.ends_with == "2" => Some("succeeded"),
        (_, _) => Some("rolled-back"),
    };
    assert_eq!(status, expected, "exit {code}: {stderr}");
    // 2: there is nothing left to do; 3: the resumed run was on its way back after a failure.
    assert!([0, 2, 3].contains(&code), "exit {code}: {stderr}");
}

const BEGIN: &str = "<!-- made by `RELIABILITY=docs/reliability.md cargo test --test proof -- matrix` -->\n";
const END: &str = "<!-- the end of what is made -->\n";

/// Writes the table to the file in `RELIABILITY`. If that is not set, reports whether the committed table lists other points.
fn report(line: &str, cases: &[Case], good: &[&Outcome], undisturbed: &BTreeMap<usize, Undisturbed>) {
    let mut table = format!("`{line}`\n\n");
    let rows = cases.chunks(RECOVERIES.len()).zip(good.chunks(RECOVERIES.len()));
    let mut scene = usize::MAX;
    for (cases, outcomes) in rows {
        let Undisturbed { points, n_calls: n_undisturbed } = &undisturbed[&cases[0].scene];
        if scene != cases[0].scene {
            scene = cases[0].scene;
            let name = SCENES[scene].name;
            let n_points = points.len();
            writeln!(
                table,
                "\n### {name}\n\n{n_points} points; {n_undisturbed} API calls when undisturbed.\n"
            )
            .expect("a string");
            table.push_str(
                "| killed at | resume | rollback | resume, killed, resume | rollback, killed, rollback |\n",
            );
            table.push_str("|---|---|---|---|---|\n");
        }
        write!(table, "| {} |", cases[0].point).expect("a string");
        for outcome in outcomes {
            let calls =
                i64::try_from(outcome.n_calls).unwrap_or(0) - i64::try_from(*n_undisturbed).unwrap_or(0);
            write!(table, " {calls:+} |").expect("a string");
        }
        table.push('\n');
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let committed = std::fs::read_to_string(&file).expect("docs/reliability.md");
    let (head, rest) = committed.split_once(BEGIN).expect("where the table begins");
    let (made, tail) = rest.split_once(END).expect("where the table ends");
    // A part of the proof can neither write nor judge the table.
    if !crate::IS_WHOLE {
        return;
    }
    if let Some(target) = target() {
        std::fs::write(target, format!("{head}{BEGIN}\n{table}\n{END}{tail}")).expect("written");
        return;
    }
    // Which waits occur depends on how busy the machine is.
    let lasting = cases.iter().filter(|case| !case.point.ends_with("/waiting"));
    let untold = lasting.filter(|case| !made.contains(&format!("| {} |", case.point))).count();
    if untold > 0 {
        let line = format!(
            "docs/reliability.md is of an earlier version, and lacks {untold} rows: CONTRIBUTING.md says how it is renewed"
        );
        writeln!(std::io::stderr(), "{line}").expect("stderr is open");
    }
}
