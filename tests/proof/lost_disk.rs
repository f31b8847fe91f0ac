//! The crash matrix with the disk gone: the process dies at an instant of a redeploy or of its rollback, and its journal with
//! it. Another machine recovers the run, and resumes it or rolls it back. Then one version serves, and nothing was dropped,
//! leaked or touched. Where nothing is left to recover, a new start works.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::harness::{Machine, PACES, Traffic, World, each, ended, is_paused, portion, spread};
use crate::matrix::{SCENES, Scene, prepare};

/// How many points are tested unless `LOST_DISK=all` asks for each of them.
const FEW: usize = 24;

/// What follows the recovery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Resume,
    Rollback,
}

impl Then {
    const fn verb(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Rollback => "rollback",
        }
    }
}

/// One crash point, and what follows the recovery.
struct Case {
    scene: usize,
    point: String,
    then: Then,
}

/// What a case came to.
struct Outcome {
    /// What the run has not done, or that nothing was unfinished.
    found: String,
    /// The version that served in the end.
    serving: &'static str,
    n_sent: u64,
}

#[test]
fn whatever_dies_with_its_disk_is_finished_or_undone_by_another_machine() {
    let scenes = portion(0..SCENES.len(), 2);
    let listed = each(&scenes, |scene| points_of(&SCENES[*scene]));
    let points: Vec<(usize, String)> = scenes
        .into_iter()
        .zip(listed)
        .flat_map(|(scene, points)| {
            let points = points.unwrap_or_else(|why| panic!("{}: {why}", SCENES[scene].name));
            points.into_iter().map(move |point| (scene, point))
        })
        .collect();
    let points = if is_all() { points } else { spread(portion(points, 4), FEW) };
    let both = |(scene, point): (usize, String)| {
        [Then::Resume, Then::Rollback].map(|then| Case { scene, point: point.clone(), then })
    };
    let cases: Vec<Case> = points.into_iter().flat_map(both).collect();
    let outcomes = each(&cases, outcome);
    let failed: Vec<String> = cases
        .iter()
        .zip(&outcomes)
        .filter_map(|(case, outcome)| {
            let (scene, point, verb) = (SCENES[case.scene].name, &case.point, case.then.verb());
            outcome.as_ref().err().map(|why| format!("{scene}, lost at `{point}`, {verb}: {why}"))
        })
        .collect();
    let good: Vec<&Outcome> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    let n_sent: u64 = good.iter().map(|outcome| outcome.n_sent).sum();
    let n_dropped = failed.iter().filter(|why| why.contains("requests dropped")).count();
    // No macro is used, because a passing test does not show a macro's output.
    let line = format!(
        "{} crash points without the disk x 2 recoveries: {} converged, {} did not, {n_dropped} with dropped requests \
         (of {n_sent})",
        cases.len() / 2,
        good.len(),
        failed.len()
    );
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    report(&line, &cases, &good);
}

/// The crash points of a scene.
fn points_of(scene: &Scene) -> Vec<String> {
    let world = prepare(scene);
    world.post("/sandbox/pace", &json!({"scale": 100}));
    let (_, points) = world.run_for_points(&scene.verb);
    points.into_iter().filter(|point| (scene.keeps)(point)).collect()
}

fn outcome(case: &Case) -> Outcome {
    // A run that is to die while it waits must find something to wait for, even on a busy machine.
    let outcome = PACES.into_iter().find_map(|pace| lost_and_recovered(case, pace));
    outcome.expect("the crash point is never reached")
}

/// `None` if the process ran to its end, because what it should have waited for was there already.
fn lost_and_recovered(case: &Case, pace: u32) -> Option<Outcome> {
    let scene = &SCENES[case.scene];
    let world = prepare(scene);
    world.post("/sandbox/pace", &json!({"scale": pace}));
    let before = world.backends("http")[0].clone();
    let traffic = Traffic::start(world.front());
    if world.run_with(&scene.verb, &format!("{}=return", case.point)).code != -1 {
        return None;
    }
    world.lose_the_disk();
    let machine = world.another_machine();
    let n_before = world.changes().len();
    let recovered = machine.run(&["recover", "deployment.json", "--now", "--output", "json"]);
    let sent = &world.changes()[n_before..];
    assert!(sent.iter().all(|change| change.starts_with("PUT")), "nothing is created or deleted: {sent:?}");
    let (found, serving) = match recovered.code {
        0 => {
            let run = recovered.json();
            assert_eq!(run["status"], "suspended", "{run:#}");
            finish(case, &machine, &run["run_id"]);
            let serving = if case.then == Then::Resume && ends_well(scene) { "2" } else { "1" };
            (run["error"].as_str().unwrap_or_default().to_owned(), serving)
        }
        2 => {
            assert!(recovered.stdout.contains("is unfinished"), "{}", recovered.stdout);
            // If the old instance is kept, one more start keeps two.
            if scene.keeps_the_old_one && world.running() == ["2"] {
                (String::new(), "2")
            } else {
                let started = machine.run(&["start", "deployment.json"]);
                assert!([0, 2, 3].contains(&started.code), "exit {}: {}", started.code, started.stderr);
                (String::new(), if started.code == 0 { "2" } else { "1" })
            }
        }
        code => panic!("exit {code}: {}{}", recovered.stdout, recovered.stderr),
    };
    judge(&world, case, serving, &before);
    let findings = traffic.stop();
    assert!(findings.versions.contains_key(serving), "nobody asked: {:?}", findings.versions);
    assert_eq!(findings.n_failed(), 0, "requests dropped: {:?}", findings.failures);
    Some(Outcome { found, serving, n_sent: findings.n_sent })
}

/// Whether a start of the scene's deployment succeeds.
fn ends_well(scene: &Scene) -> bool {
    scene.ends_with == "2" || scene.is_after_success
}

/// Drives the recovered run to its end.
#[track_caller]
fn finish(case: &Case, machine: &Machine<'_>, run: &serde_json::Value) {
    let ran = machine.run(&[case.then.verb(), run.as_str().expect("an id")]);
    let expected = if case.then == Then::Resume && !ends_well(&SCENES[case.scene]) { 3 } else { 0 };
    assert_eq!(ran.code, expected, "{}", ran.stderr);
}

/// Checks that only this version is there, and that its backend is as the old one was.
#[track_caller]
fn judge(world: &World, case: &Case, serving: &str, before: &serde_json::Value) {
    assert_eq!(world.running(), [serving], "which instances run");
    let backends = world.backends("http");
    assert_eq!(backends.len(), 1, "{backends:?}");
    for flag in ["drain", "backup", "offline", "weight", "maxConnections", "port"] {
        assert_eq!(backends[0][flag], before[flag], "the flag {flag}");
    }
    assert_eq!(world.backends("other").len(), 1);
    // A set that the run has made stays: nobody knows that it was not there before.
    if SCENES[case.scene].makes_a_set {
        assert!(world.backends("fresh").len() < 2);
    }
}

/// A process that was taken for dead, and whose run another machine has recovered and ended, goes on and does no harm.
#[test]
fn a_process_that_was_taken_for_dead_does_no_harm() {
    let scenes = portion([0, 1], 1);
    let mut cases = Vec::new();
    for scene in scenes {
        // Before anything is created there is nothing to recover.
        let points = points_of(&SCENES[scene]).into_iter();
        let points = points.skip_while(|point| scene == 0 && *point != "create-instance/completed");
        let both = |point: String| {
            [Then::Resume, Then::Rollback].map(|then| Case { scene, point: point.clone(), then })
        };
        cases.extend(points.flat_map(both));
    }
    let cases = if is_all() { cases } else { spread(portion(cases, 3), FEW / 2) };
    let outcomes = each(&cases, |case| {
        let scene = &SCENES[case.scene];
        let world = prepare(scene);
        let before = world.backends("http")[0].clone();
        let traffic = Traffic::start(world.front());
        let mut command = world.command(&scene.verb);
        command.env("FAILPOINTS", format!("{}=1*return(STOP)", case.point));
        let mut paused = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        // What it should have waited for may have been there already. Then it comes to its end.
        let mut has_ended = false;
        world.wait_until("it is paused or ends", || {
            has_ended = paused.try_wait().expect("a child of ours").is_some();
            has_ended || is_paused(&paused)
        });
        if has_ended {
            return;
        }
        let machine = world.another_machine();
        let recovered = machine.run(&["recover", "deployment.json", "--now", "--output", "json"]);
        let mut serving = None;
        if recovered.code == 0 {
            finish(case, &machine, &recovered.json()["run_id"]);
            serving = Some(if case.then == Then::Resume { "2" } else { "1" });
        } else {
            assert_eq!(recovered.code, 2, "{}", recovered.stdout);
        }
        let ran = ended(paused);
        // It stops before its next change. If nothing was unfinished, or the other machine has done what it wanted to do, it may
        // come to its end.
        let is_forward = case.then == Then::Resume;
        let may_end = serving.is_none() || is_forward != scene.is_after_success;
        let is_expected = ran.code == 6 || ran.code == 0 && may_end;
        assert!(is_expected, "exit {}: {}", ran.code, ran.stderr);
        world.wait_until_idle();
        let running = world.running();
        judge(&world, case, serving.unwrap_or(running[0].as_str()), &before);
        traffic.expect_no_loss();
    });
    let failed: Vec<String> = cases
        .iter()
        .zip(outcomes)
        .filter_map(|(case, outcome)| {
            let (scene, verb) = (SCENES[case.scene].name, case.then.verb());
            outcome.err().map(|why| format!("{scene}, paused at `{}`, {verb}: {why}", case.point))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn is_all() -> bool {
    std::env::var_os("LOST_DISK").is_some_and(|which| which == "all")
}

const BEGIN: &str =
    "<!-- made by `LOST_DISK=all RELIABILITY=docs/reliability.md cargo test --test proof -- lost_disk` -->\n";
const END: &str = "<!-- the end of what is made without the disk -->\n";

/// Writes the table to the file in `RELIABILITY`, if every point was tested.
fn report(line: &str, cases: &[Case], good: &[&Outcome]) {
    let Some(target) = std::env::var_os("RELIABILITY").filter(|_| is_all()) else { return };
    let mut table = format!("`{line}`\n");
    let mut scene = usize::MAX;
    for (cases, outcomes) in cases.chunks(2).zip(good.chunks(2)) {
        if scene != cases[0].scene {
            scene = cases[0].scene;
            let name = SCENES[scene].name;
            writeln!(table, "\n### {name}, without the disk\n\n| lost at | what was found | resume | rollback |\n|---|---|---|---|")
                .expect("a string");
        }
        let [resumed, rolled_back] = outcomes else { continue };
        let ended = |outcome: &Outcome| match (outcome.found.as_str(), outcome.serving) {
            ("", version) => format!("a new start; version {version} serves"),
            (_, version) => format!("version {version} serves"),
        };
        // What a step acts on differs from time to time.
        let found = match resumed
            .found
            .strip_prefix("recovering the run: ")
            .and_then(|left| left.split(' ').next())
        {
            Some(step) => format!("everything before {step}"),
            None => "nothing is unfinished".to_owned(),
        };
        writeln!(table, "| {} | {found} | {} | {} |", cases[0].point, ended(resumed), ended(rolled_back))
            .expect("a string");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let committed = std::fs::read_to_string(&file).expect("docs/reliability.md");
    let (head, rest) = committed.split_once(BEGIN).expect("where the table begins");
    let (_, tail) = rest.split_once(END).expect("where the table ends");
    std::fs::write(target, format!("{head}{BEGIN}\n{table}\n{END}{tail}")).expect("written");
}
