//! One run, one driver: a second process is refused, a process that was away too long stops, and clocks may jump.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Traffic, World, continued, each, paused_at, portion};

#[test]
fn of_two_resumes_started_together_a_hundred_times_exactly_one_advances() {
    let rounds = portion(0..100, 2);
    let outcomes = each(&rounds, |_| {
        let (world, file) = World::with_deployment();
        let killed = world.run_with(&["start", file], "shift-set/begun=return");
        assert_eq!(killed.code, -1);
        let start = || {
            world
                .command(&["resume", "latest", "-q"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("starts")
        };
        let both = [start(), start()];
        let mut codes: Vec<Option<i32>> =
            both.into_iter().map(|mut one| one.wait().expect("ends").code()).collect();
        codes.sort_unstable();
        // 6 if the first one still drives the run, 2 if the first one has ended it.
        assert!(matches!(codes[..], [Some(0), Some(2 | 6)]), "{codes:?}");
        let events = world.run(&["history", "latest", "--events"]).expect(0).stdout;
        assert_eq!(events.matches("taken over").count(), 1, "{events}");
        assert_eq!(world.versions(), ["2"]);
        let n_shifts = world.changes().iter().filter(|change| change.starts_with("PUT")).count();
        assert_eq!(n_shifts, 1, "sent once");
    });
    let failed: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} of {}: {}", failed.len(), rounds.len(), failed.join("\n"));
}

/// To a process whose clock is ahead, the lease has expired at once.
const AHEAD: &str = "clock=return(40)";

#[test]
fn a_process_that_was_paused_past_its_lease_stops_and_sends_nothing_more() {
    // Right after a commit, during a wait, and after an answer has arrived.
    let points = portion(["shift-set/begun", "await-drain/waiting", "remove-backend/GET unread"], 1);
    let outcomes = each(&points, |point| {
        let (world, file) = World::with_deployment();
        let traffic = Traffic::start(world.front());
        let mut command = world.command(&["start", file]);
        command.env("FAILPOINTS", format!("{point}=1*return(STOP JUMP40)"));
        let paused = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        paused_at(&world, &paused);
        // Until the lease has expired, the other process is refused.
        world.run(&["resume", "latest"]).expect(6);
        world.run_with(&["resume", "latest"], AHEAD).expect(0);
        assert_eq!(world.versions(), ["2"]);
        let n_calls = world.audit()["entries"].as_array().expect("entries").len();
        let stderr = continued(paused, 6);
        assert!(stderr.contains("took over run"), "{stderr}");
        assert_eq!(
            world.audit()["entries"].as_array().expect("entries").len(),
            n_calls,
            "it sent something more"
        );
        traffic.expect_no_loss();
    });
    let failed: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A command that is paused, and what happens to the old instance.
#[derive(Clone, Copy)]
struct Paused {
    verb: [&'static str; 2],
    old_instance: &'static str,
    /// Whether a redeploy has succeeded before, which the command rolls back.
    is_after_success: bool,
}

impl Paused {
    fn world(self) -> World {
        let world = World::hurried();
        let mut deployment = world.deployment();
        deployment["poll-interval"] = json!("10ms");
        deployment["old-instance"] = json!(self.old_instance);
        let file = world.write_deployment(&deployment);
        if self.is_after_success {
            world.run(&["start", file]).expect(0);
        }
        world
    }

    /// The changes that the command is about to send, by their crash points.
    fn points(self) -> Vec<String> {
        let world = self.world();
        let (ran, points) = world.run_for_points(&self.verb);
        ran.expect(0);
        let is_change = |point: &String| point.ends_with(" unsent") && !point.contains("/GET");
        points.into_iter().filter(is_change).collect()
    }
}

/// If a process is paused between its last check of the lease and its request, only the cloud can tell that the request is
/// late: by the version or the token that is sent with it.
#[test]
fn whatever_is_about_to_leave_when_a_run_is_taken_over_does_no_harm() {
    let start =
        Paused { verb: ["start", "deployment.json"], old_instance: "delete", is_after_success: false };
    let rollback = Paused { verb: ["rollback", "latest"], is_after_success: true, ..start };
    let scenes = [
        start,
        rollback,
        Paused { old_instance: "stop", ..start },
        Paused { old_instance: "stop", ..rollback },
    ];
    let mut cases = Vec::new();
    for scene in portion(scenes, 1) {
        let points = scene.points();
        assert!(points.len() >= 5, "{points:?}");
        // If the old instance is stopped, only the steps that stop it differ.
        let points =
            points.into_iter().filter(|point| scene.old_instance == "delete" || point.contains("retire"));
        cases.extend(
            points.flat_map(|point| ["resume", "rollback"].map(|taker| (scene, point.clone(), taker))),
        );
    }
    let cases = portion(cases, 4);
    let outcomes = each(&cases, |(scene, point, taker)| {
        let world = scene.world();
        let traffic = Traffic::start(world.front());
        let mut command = world.command(&scene.verb);
        command.env("FAILPOINTS", format!("{point}=1*return(STOP)"));
        let paused = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        paused_at(&world, &paused);
        world.run_with(&[taker, "latest"], AHEAD).expect(0);
        continued(paused, 6);
        world.wait_until_idle();
        let serving = if scene.is_after_success || *taker == "rollback" { "1" } else { "2" };
        assert_eq!(world.running(), [serving]);
        let backends = world.backends("http");
        assert!(backends.len() == 1 && backends[0]["drain"] == false, "{backends:?}");
        assert_eq!(world.held(), 0, "leases and targets");
        traffic.expect_no_loss();
    });
    let failed: Vec<String> = cases
        .iter()
        .zip(outcomes)
        .filter_map(|((scene, point, taker), outcome)| {
            outcome.err().map(|why| format!("{} paused at `{point}`, {taker}: {why}", scene.verb[0]))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn a_process_that_was_paused_in_the_middle_of_a_wait_does_not_look_once_more() {
    let (world, _) = World::with_deployment();
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("2s");
    deployment["backend-timeout"] = json!("10m");
    deployment["ci-config"]["containers"][0]["environment-variables"] = json!({"SANDBOX_HEALTH": "failing"});
    let file = world.write_deployment(&deployment);
    let mut command = world.command(&["start", file]);
    // The command reads the health and waits for two seconds. It is paused in that wait.
    command.env("FAILPOINTS", "await-backends/waiting=1*return(STOP JUMP40)");
    let paused = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let n_calls = || world.audit()["entries"].as_array().expect("entries").len();
    paused_at(&world, &paused);
    world.run_with(&["rollback", "latest"], AHEAD).expect(0);
    let n_before = n_calls();
    continued(paused, 6);
    assert_eq!(n_calls(), n_before, "it looked once more");
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn clocks_that_jump_shorten_no_drain_and_lose_no_lease() {
    let points = [
        "create-instance/begun",
        "await-drain/begun",
        "remove-backend/begun",
        "retire-instance/DeleteContainerInstance unsent",
    ];
    let jumps: Vec<(i64, &str)> = [3_600, -3_600, 90_000, -90_000]
        .into_iter()
        .flat_map(|seconds| points.map(|point| (seconds, point)))
        .collect();
    let jumps = portion(jumps, 2);
    let outcomes = each(&jumps, |(seconds, point)| {
        let (world, _) = World::with_deployment();
        let mut deployment = world.deployment();
        deployment["poll-interval"] = json!("10ms");
        deployment["drain-delay"] = json!("800ms");
        let file = world.write_deployment(&deployment);
        // The requests are so slow that a drain which is cut short loses some.
        let traffic = Traffic::of(world.front(), Duration::from_millis(500));
        world.run_with(&["start", file], &format!("{point}=1*return(JUMP{seconds})")).expect(0);
        assert_eq!(world.versions(), ["2"]);
        // A process that died in the drain, and a clock that was set back meanwhile.
        let killed = world.run_with(&["start", file], "await-drain/waiting=return");
        assert_eq!(killed.code, -1);
        world.run_with(&["resume", "latest"], &format!("clock=return({})", -seconds.abs())).expect(0);
        world
            .run_with(&["rollback", "latest"], &format!("undo shift-set/begun=1*return(JUMP{seconds})"))
            .expect(0);
        traffic.expect_no_loss();
    });
    let failed: Vec<String> = jumps
        .iter()
        .zip(outcomes)
        .filter_map(|(jump, outcome)| outcome.err().map(|why| format!("{jump:?}: {why}")))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A step that takes longer than a lease must not lose it: a process of another machine sees only the row.
#[test]
fn the_lease_of_a_step_that_lasts_is_renewed_beside_it() {
    let (world, _) = World::with_deployment();
    let mut child = world.begin_a_create_that_hangs();
    let until = || world.asked("SELECT lease_until FROM runs");
    let before = until();
    world.wait_until("the lease is renewed", || until() > before);
    child.kill().expect("killed");
    child.wait().expect("reaped");
    world.clear_faults();
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}
