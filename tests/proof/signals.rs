//! Ctrl-C once and twice, SIGTERM, SIGHUP, in every phase; readers that go away; a terminal that is gone.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Traffic, World, each, portion};

fn world() -> (World, &'static str) {
    let world = World::hurried();
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    let file = world.write_deployment(&deployment);
    (world, file)
}

/// The crash points of a command, which are its phases.
fn phases(prepare: &[&[&str]], verb: &[&str]) -> Vec<String> {
    let (world, _) = world();
    for args in prepare {
        world.run(args).expect(0);
    }
    let list = world.path("points");
    world.run_with(verb, &format!("visited=return({})", list.display())).expect(0);
    let mut phases: Vec<String> = Vec::new();
    for line in std::fs::read_to_string(list).expect("points were passed").lines() {
        if !phases.iter().any(|phase| phase == line) {
            phases.push(line.to_owned());
        }
    }
    phases
}

/// What comes in every phase, and of what else one in each.
const ALWAYS: [(&str, i32); 2] = [("INT", 130), ("INT INT", 130)];
const IN_TURN: [(&str, i32); 3] = [("TERM", 143), ("HUP", 143), ("TERM TERM", 143)];

#[test]
fn each_signal_in_each_phase_leaves_a_run_that_goes_on() {
    let start: &[&str] = &["start", "deployment.json"];
    let rollback: &[&str] = &["rollback", "latest"];
    let started = [start];
    let mut cases = Vec::new();
    for (prepare, verb, version) in [(&[][..], start, "2"), (&started[..], rollback, "1")] {
        for (n, phase) in phases(prepare, verb).into_iter().enumerate() {
            let signals = ALWAYS.into_iter().chain([IN_TURN[n % IN_TURN.len()]]);
            cases.extend(signals.map(|signal| (prepare, verb, version, phase.clone(), signal)));
        }
    }
    let cases = portion(cases, 12);
    let outcomes = each(&cases, |(prepare, verb, version, phase, (signal, code))| {
        let (world, _) = world();
        for args in *prepare {
            world.run(args).expect(0);
        }
        let traffic = Traffic::start(world.front());
        let ran = world.run_with(verb, &format!("{phase}=1*return({signal})"));
        // A signal that comes when all is done, or a wait that is not needed this time, changes nothing.
        let is_over = ran.code == 0;
        assert!(is_over || ran.code == *code, "exit {}: {}", ran.code, ran.stderr);
        if !is_over {
            assert!(ran.stderr.contains("stopping after the request in flight"), "{}", ran.stderr);
            let resumed = world.run(&["resume", "latest"]);
            if phase == "run/not started" {
                // Interrupted before its first step: it is there, and goes on.
                assert_eq!(resumed.code, 0, "{}", resumed.stderr);
            }
            assert!([0, 2].contains(&resumed.code), "exit {}: {}", resumed.code, resumed.stderr);
        }
        assert_eq!(world.versions(), [*version]);
        assert_eq!(world.held(), 0);
        assert_eq!(traffic.stop().n_failed(), 0);
    });
    let failed: Vec<String> = cases
        .iter()
        .zip(outcomes)
        .filter_map(|((_, verb, _, phase, (signal, _)), outcome)| {
            outcome.err().map(|why| format!("{} {signal} at `{phase}`: {why}", verb[0]))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn readers_that_go_away_stop_nothing() {
    // As with `| head -1`, on both streams.
    let (world, file) = world();
    let mut child = world
        .command(&["start", file])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let mut first = String::new();
    BufReader::new(child.stderr.take().expect("piped")).read_line(&mut first).expect("a line");
    assert!(first.contains("redeploy version 1 started"), "{first}");
    assert!(child.wait().expect("ends").success());
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
    let (world, _) = world();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("20s");
    let file = world.write_deployment(&deployment);
    let inside = format!("{} start {file}", env!("CARGO_BIN_EXE_deployctl"));
    let mut terminal = Command::new("script")
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
    // The process is told by SIGHUP that its terminal is gone, and gives the run back.
    world.wait_until("the run is let go", || {
        world.run(&["history", "latest", "--output", "json"]).json()["interrupted"] == true
    });
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}
