//! Ctrl-C once and twice, SIGTERM, SIGHUP, in every phase; readers that go away; a terminal that is gone.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{PACES, Traffic, World, each, hearing_hang_ups, portion};

/// The crash points of a command, which mark its phases.
fn phases(prepare: &[&[&str]], verb: &[&str]) -> Vec<String> {
    let (world, _) = World::with_deployment();
    for args in prepare {
        world.run(args).expect(0);
    }
    let (ran, points) = world.run_for_points(verb);
    ran.expect(0);
    points
}

/// The signals that come in every phase. Each phase also gets one of the others.
const ALWAYS: [(&str, i32); 2] = [("INT", 130), ("INT INT", 130)];
const IN_TURN: [(&str, i32); 3] = [("TERM", 143), ("HUP", 143), ("TERM TERM", 143)];

/// A command that receives a signal.
struct Case {
    prepare: &'static [&'static [&'static str]],
    verb: &'static [&'static str],
    /// The version that serves after the command has ended.
    version: &'static str,
    phase: String,
    signal: &'static str,
    code: i32,
}

#[test]
fn each_signal_in_each_phase_leaves_a_run_that_goes_on() {
    const START: &[&str] = &["start", "deployment.json"];
    const ROLLBACK: &[&str] = &["rollback", "latest"];
    let mut cases = Vec::new();
    for (prepare, verb, version) in [(&[][..], START, "2"), (&[START][..], ROLLBACK, "1")] {
        for (n, phase) in phases(prepare, verb).into_iter().enumerate() {
            let signals = ALWAYS.into_iter().chain([IN_TURN[n % IN_TURN.len()]]);
            cases.extend(signals.map(|(signal, code)| {
                let phase = phase.clone();
                Case { prepare, verb, version, phase, signal, code }
            }));
        }
    }
    let cases = portion(cases, 6);
    let outcomes = each(&cases, |case| {
        // A signal that comes during a wait needs something to wait for, even on a busy machine.
        let reached = PACES.into_iter().any(|pace| is_signalled(case, pace));
        assert!(reached, "the phase is never reached");
    });
    let failed: Vec<String> = cases
        .iter()
        .zip(outcomes)
        .filter_map(|(case, outcome)| {
            let Case { verb, signal, phase, .. } = case;
            outcome.err().map(|why| format!("{} {signal} at `{phase}`: {why}", verb[0]))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// Whether the command reached the phase. Checks that it ended as expected.
fn is_signalled(case: &Case, pace: u32) -> bool {
    let (world, _) = World::with_deployment();
    for args in case.prepare {
        world.run(args).expect(0);
    }
    world.post("/sandbox/pace", &json!({"scale": pace}));
    let traffic = Traffic::start(world.front());
    let ran = world.run_with(case.verb, &format!("{}=1*return({})", case.phase, case.signal));
    if ran.stderr.contains("which was not passed") {
        return false;
    }
    let is_over = ran.code == 0;
    let expected = if is_over && is_at_the_end(&case.phase) { 0 } else { case.code };
    assert_eq!(ran.code, expected, "{}", ran.stderr);
    if !is_over {
        assert!(ran.stderr.contains("stopping after the request in flight"), "{}", ran.stderr);
        // 2: the second signal came when the run had just ended.
        let resumed = world.run(&["resume", "latest"]);
        let is_ended = resumed.code == 2 && is_at_the_end(&case.phase) && case.signal.contains(' ');
        // Or it came before the process had taken the run. Then the run is unchanged, and the command is given again.
        let is_untouched = resumed.code == 2 && ["run/not taken", "run/not started"].contains(&&*case.phase);
        if is_untouched {
            world.run(case.verb).expect(0);
        }
        let is_right = resumed.code == 0 || is_ended || is_untouched;
        assert!(is_right, "exit {}: {}", resumed.code, resumed.stderr);
    }
    assert_eq!(world.versions(), [case.version]);
    assert_eq!(world.held(), 0);
    traffic.expect_no_loss();
    true
}

/// Whether nothing is left after this phase that a signal could prevent.
fn is_at_the_end(phase: &str) -> bool {
    ["await-retirement", "undo create-instance", "run/not finished", "run/finished"]
        .iter()
        .any(|last| phase.starts_with(last))
}

/// `nohup` must be obeyed: the terminal may go, and the run continues.
#[test]
fn a_hang_up_that_was_to_be_ignored_is() {
    let (world, file) = World::with_deployment();
    let usual = world.command(&[]);
    let mut command = Command::new("nohup");
    command.args([env!("CARGO_BIN_EXE_deployctl"), "start", file]).env_clear();
    command.envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", "/usr/bin:/bin").env("FAILPOINTS", "await-drain/begun=1*return(HUP)");
    let output =
        command.current_dir(world.path("")).stdin(Stdio::null()).output().expect("nohup(1) is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn readers_that_go_away_stop_nothing() {
    // As with `| head -1`, on both streams.
    let (world, file) = World::with_deployment();
    let mut child = world
        .command(&["start", file])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let is_started = lines.any(|line| line.expect("a line").contains("redeploy version 1 started"));
    assert!(is_started, "it ended without a word of its start");
    drop(lines);
    let ended = child.wait().expect("ends");
    assert!(ended.success(), "{ended}");
    assert_eq!(world.versions(), ["2"]);
    for args in
        [&["history"][..], &["history", "latest", "--events"], &["history", "--output", "json"], &["--help"]]
    {
        let mut child = world.command(args).stdout(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        assert!(child.wait().expect("ends").success(), "{args:?}");
    }
}

#[test]
fn a_terminal_that_is_gone_leaves_a_run_that_goes_on() {
    let (world, _) = World::with_deployment();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("20s");
    let file = world.write_deployment(&deployment);
    let inside = format!("{} start {file}", env!("CARGO_BIN_EXE_deployctl"));
    let mut terminal = hearing_hang_ups("script")
        .args(["--quiet", "--return", "--command", &inside, "/dev/null"])
        .env_clear()
        .envs([("HOME", world.path("")), ("PATH", "/usr/bin:/bin".into()), ("TERM", "xterm".into())])
        .env("DEPLOYCTL_ENDPOINT", world.url())
        .current_dir(world.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("script(1) is there");
    world.wait_until("the drain", || world.steps().iter().any(|(name, _)| name == "await-drain"));
    terminal.kill().expect("killed");
    terminal.wait().expect("reaped");
    // SIGHUP tells the process that its terminal is gone, and the process releases the run.
    world.wait_until("the run is let go", || {
        world.run(&["history", "latest", "--output", "json"]).json()["interrupted"] == true
    });
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}
