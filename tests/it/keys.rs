//! The journal has one key. Any other key is refused before anything is written. A rotation leaves exactly one key that opens
//! the journal, whenever it dies.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::file::{JOURNAL, KEY, as_of_before, bytes, text};
use crate::harness::{Ran, World};

const OTHER: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// Runs a command with keys in its environment.
fn run_with_keys(world: &World, args: &[&str], keys: &[(&str, &str)]) -> Ran {
    let output = world.command(args).envs(keys.iter().copied()).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Every command that writes is refused with `message`, and touches neither the journal nor the cloud. Commands that only
/// read go on.
#[track_caller]
fn expect_refused(world: &World, file: &str, keys: &[(&str, &str)], message: &str) {
    let (n_changes, before) = (world.changes().len(), bytes(world));
    for args in [
        &["start", file][..],
        &["resume", "latest"],
        &["rollback", "latest"],
        &["resolve", "latest", "1", "--as", "done", "--reason", "why"],
        &["destroy", file, "--id", "ocid1.computecontainerinstance.oc1..none"],
    ] {
        let ran = run_with_keys(world, args, keys).expect(1);
        assert!(ran.stderr.contains(message), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{args:?}: {}", ran.stderr);
        assert!(bytes(world) == before, "{args:?}: something was written");
    }
    assert_eq!(world.changes().len(), n_changes, "something was sent");
    for args in [&["history"][..], &["history", "latest", "--events"], &["watch", "latest"]] {
        run_with_keys(world, args, keys).expect(0);
    }
    assert!(bytes(world) == before, "looking wrote something");
}

/// Tests that nothing works without the right key in the journal that `prepare` makes.
fn another_key_is_refused(prepare: impl Fn(&World)) {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    prepare(&world);
    // Any command that reads brings the schema up to date.
    world.run(&["history"]).expect(0);
    let of_variable = "DEPLOYCTL_JOURNAL_KEY does not open the journal: it is sealed with another key";
    expect_refused(&world, file, &[("DEPLOYCTL_JOURNAL_KEY", OTHER)], of_variable);
    expect_refused(
        &world,
        file,
        &[("DEPLOYCTL_JOURNAL_KEY", "short")],
        "DEPLOYCTL_JOURNAL_KEY must be 32 bytes",
    );
    let own = fs::read(world.path(KEY)).expect("the key");
    fs::write(world.path(KEY), OTHER).expect("written");
    expect_refused(&world, file, &[], "journal.db.key does not open the journal");
    fs::write(world.path(KEY), "no key").expect("written");
    expect_refused(&world, file, &[], "journal.db.key is not a journal key");
    fs::remove_file(world.path(KEY)).expect("removed");
    expect_refused(&world, file, &[], "journal.db.key is missing");
    let own_text = String::from_utf8(own).expect("text");
    run_with_keys(&world, &["rollback", "latest"], &[("DEPLOYCTL_JOURNAL_KEY", own_text.trim())]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

#[test]
fn another_key_is_refused_before_anything_is_written() {
    another_key_is_refused(|_| {});
}

#[test]
fn so_it_is_for_a_journal_of_before() {
    another_key_is_refused(as_of_before);
}

#[test]
fn a_run_of_before_is_taken_up_and_its_journal_gets_a_canary() {
    let (world, file) = World::with_deployment();
    assert_eq!(world.run_with(&["start", file], "await-drain/begun=return").code, -1);
    as_of_before(&world);
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
    assert_eq!(text(&world, "SELECT count(*) || '' FROM canary"), "1");
    as_of_before(&world);
    world.run(&["rollback", "latest"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
}

fn key(world: &World) -> String {
    fs::read_to_string(world.path(KEY)).expect("a key").trim().to_owned()
}

#[test]
fn a_rotated_key_opens_the_journal_and_the_old_one_no_longer() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    assert_eq!(world.run_with(&["start", file], "await-drain/begun=return").code, -1);
    let (old, sealed) = (key(&world), text(&world, "SELECT input FROM runs WHERE number = 1"));
    let ran = world.run(&["key", "rotate"]).expect(0);
    assert!(ran.stdout.contains("is sealed with a new key (2 runs)"), "{}", ran.stdout);
    assert_ne!(key(&world), old);
    let mode = fs::metadata(world.path(KEY)).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    for (path, bytes) in bytes(&world) {
        let sealed = serde_json::from_str::<serde_json::Value>(&sealed).expect("JSON");
        let sealed = sealed["instance"]["$sealed"].as_str().expect("it is sealed").as_bytes()[..60].to_vec();
        assert!(!bytes.windows(60).any(|window| window == sealed), "{} has the old text", path.display());
    }
    let refused = run_with_keys(&world, &["resume", "latest"], &[("DEPLOYCTL_JOURNAL_KEY", &old)]).expect(1);
    assert!(refused.stderr.contains("after `deployctl key rotate` is the new one"), "{}", refused.stderr);
    world.run(&["resume", "latest"]).expect(0);
    world.run(&["rollback", "latest"]).expect(0);
    world.run(&["history", "latest"]).expect(0);
}

#[test]
fn a_rotation_that_is_killed_leaves_one_key_that_opens_the_journal() {
    for (instant, is_done) in
        [("not begun", false), ("begun", false), ("done, not completed", true), ("completed", true)]
    {
        let (world, file) = World::with_deployment();
        assert_eq!(world.run_with(&["start", file], "await-drain/begun=return").code, -1);
        let old = key(&world);
        let killed = world.run_with(&["key", "rotate"], &format!("key rotate/{instant}=return"));
        assert_eq!(killed.code, -1, "{instant}: {}", killed.stderr);
        let keys: Vec<String> = [KEY.to_owned(), format!("{KEY}.new")]
            .iter()
            .filter_map(|name| fs::read_to_string(world.path(name)).ok())
            .collect();
        let opens = |key: &str| {
            let ran = run_with_keys(
                &world,
                &["resolve", "latest", "none", "--as", "done", "--reason", "why"],
                &[("DEPLOYCTL_JOURNAL_KEY", key.trim())],
            );
            ran.code != 1
        };
        assert_eq!(keys.iter().filter(|key| opens(key)).count(), 1, "{instant}");
        assert_eq!(opens(&old), !is_done, "{instant}");
        world.run(&["resume", "latest"]).expect(0);
        assert_eq!(key(&world) != old, is_done, "{instant}");
        assert!(!world.path(&format!("{KEY}.new")).exists(), "{instant}");
        world.run(&["key", "rotate"]).expect(0);
        world.run(&["rollback", "latest"]).expect(0);
        assert_eq!(world.versions(), ["1"], "{instant}");
    }
}

#[test]
fn a_key_of_the_environment_is_rotated_to_the_one_that_is_there_too() {
    const FIRST: (&str, &str) = ("DEPLOYCTL_JOURNAL_KEY", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
    const NEXT: (&str, &str) = ("DEPLOYCTL_JOURNAL_NEW_KEY", OTHER);
    let (world, file) = World::with_deployment();
    run_with_keys(&world, &["start", file], &[FIRST]).expect(0);
    let refused = run_with_keys(&world, &["key", "rotate"], &[FIRST]).expect(2);
    assert!(refused.stderr.contains("hint: set DEPLOYCTL_JOURNAL_NEW_KEY"), "{}", refused.stderr);
    let same = ("DEPLOYCTL_JOURNAL_NEW_KEY", FIRST.1);
    run_with_keys(&world, &["key", "rotate"], &[FIRST, same]).expect(2);
    run_with_keys(&world, &["key", "rotate"], &[FIRST, ("DEPLOYCTL_JOURNAL_NEW_KEY", "short")]).expect(1);
    let kill = ("FAILPOINTS", "key rotate/done, not completed=return");
    assert_eq!(run_with_keys(&world, &["key", "rotate"], &[FIRST, NEXT, kill]).code, -1);
    // A user who does not know whether the rotation was done does it again.
    let done = run_with_keys(&world, &["key", "rotate"], &[FIRST, NEXT]).expect(0);
    assert!(done.stdout.contains("in the place of DEPLOYCTL_JOURNAL_KEY"), "{}", done.stdout);
    run_with_keys(&world, &["rollback", "latest"], &[FIRST]).expect(1);
    run_with_keys(&world, &["rollback", "latest"], &[("DEPLOYCTL_JOURNAL_KEY", OTHER)]).expect(0);
    assert!(!world.path(KEY).exists(), "a key was made beside the one in the environment");
}

#[test]
fn a_key_is_not_rotated_while_a_run_is_advanced_or_where_there_is_no_journal() {
    let world = World::catchable();
    let ran = world.run(&["key", "rotate"]).expect(2);
    assert!(ran.stderr.contains("there is no journal"), "{}", ran.stderr);
    assert!(!world.path(JOURNAL).exists(), "a journal was made");
    let mut deployment = world.deployment();
    deployment["drain-delay"] = json!("60s");
    let file = world.write_deployment(&deployment);
    let mut running = world.begin(&["start", file]);
    world.wait_until("it is under way", || world.steps().iter().any(|(name, _)| name == "await-instance"));
    let old = key(&world);
    let refused = world.run(&["key", "rotate"]).expect(6);
    assert!(refused.stderr.contains("is being advanced by ann@"), "{}", refused.stderr);
    assert_eq!(key(&world), old);
    running.kill().expect("killed");
    running.wait().expect("reaped");
    world.run(&["key", "rotate"]).expect(0);
    assert_ne!(key(&world), old);
    world.run(&["rollback", "latest"]).expect(0);
}
