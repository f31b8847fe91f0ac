//! The effects of a terminal, or of its substitute, on a run: readers that go away, a full disk behind stderr, a locale with
//! only ASCII, a wait of minutes; and `watch`, which ends as the run did.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::harness::World;

#[test]
fn logs_that_nobody_can_read_stop_nothing() {
    for verbosity in ["-v", "-vv"] {
        let world = World::hurried();
        let file = world.write_deployment(&world.deployment());
        let full = OpenOptions::new().write(true).open("/dev/full").expect("there is /dev/full");
        let status = world
            .command(&[verbosity, "start", file])
            .stdout(Stdio::null())
            .stderr(full)
            .status()
            .expect("starts");
        assert!(status.success(), "{verbosity} into a full disk: {status}");
        assert_eq!(world.versions(), ["2"]);
        assert_eq!(world.held(), 0);

        let mut rollback = world.command(&[verbosity, "rollback", "latest"]);
        let mut child = rollback.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut first = String::new();
        BufReader::new(child.stderr.take().expect("piped")).read_line(&mut first).expect("a line");
        let status = child.wait().expect("ends");
        assert!(status.success(), "{verbosity} after {first:?} to nobody: {status}");
        assert_eq!(world.versions(), ["1"]);
    }
}

#[test]
fn a_long_wait_says_that_it_goes_on() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    // The drain takes half a minute on the clock that people read.
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("3s");
    world.write_deployment(&deployment);
    let ran = world.run_with(&["start", file], "await-drain/waiting=1*return(JUMP31)").expect(0);
    let beats: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("goes on")).collect();
    assert_eq!(beats.len(), 1, "{}", ran.stderr);
    assert!(beats[0].contains("await-drain goes on, 31."), "{}", beats[0]);
    assert!(beats[0].contains("until "), "it says until when: {}", beats[0]);
}

#[test]
fn a_locale_of_ascii_is_shown_ascii() {
    let mut world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    world.set_environment([("LANG", "C".to_owned())]);
    for args in [&["plan", file][..], &["start", file], &["history"], &["history", "latest"]] {
        let ran = world.run(args).expect(0);
        assert!(ran.stdout.is_ascii() && ran.stderr.is_ascii(), "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
    }
    world.set_environment([("LANG", "C.UTF-8".to_owned())]);
    assert!(world.run(&["history"]).expect(0).stdout.contains('…'));
}

#[test]
fn watch_ends_as_the_run_did() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    world.run(&["start", file]).expect(0);
    world.run(&["watch", "latest"]).expect(0);
    world.run(&["rollback", "latest"]).expect(0);
    world.run(&["watch", "latest"]).expect(0);

    world.fault(&json!({"method": "POST", "path": "/containerInstances", "times": 1, "effect": "capacity"}));
    world.run(&["start", file]).expect(3);
    world.run(&["watch", "latest"]).expect(3);
    world.clear_faults();

    let mut deployment = world.deployment();
    deployment["lb-filter"] = json!({"display-name": "nobody's"});
    world.write_deployment(&deployment);
    world.run(&["start", file]).expect(2);
    world.run(&["watch", "latest"]).expect(2);

    let mut deployment = world.deployment();
    deployment["on-failure"] = json!("halt");
    world.write_deployment(&deployment);
    world.fault(&json!({"method": "POST", "path": "/backends", "times": 1, "effect": "work-request-failed"}));
    world.run(&["start", file]).expect(4);
    world.run(&["watch", "latest"]).expect(4);
    world.clear_faults();
    world.run(&["rollback", "latest"]).expect(0);
    world.run(&["watch", "latest"]).expect(0);
}

#[test]
fn watch_goes_on_when_a_killed_run_is_resumed() {
    let world = World::catchable();
    let file = world.write_deployment(&world.deployment());
    world.kill_at(&["start", file], "await-drain", "begun");
    let mut watch = world.command(&["watch", "latest"]);
    let mut watch = watch.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    // `watch` has read the run, which no process drives.
    let mut lines = BufReader::new(watch.stderr.take().expect("piped")).lines();
    let is_last = |line: &String| line.contains("await-drain started");
    assert!(lines.by_ref().map_while(Result::ok).any(|line| is_last(&line)), "it shows what there is");
    assert!(watch.try_wait().expect("a child of ours").is_none(), "it waits for somebody to go on");
    world.run(&["resume", "latest"]).expect(0);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(watch.wait().expect("ends").success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.ends_with("succeeded")), "{rest:?}");
}
