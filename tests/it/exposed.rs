//! The journal's files as other users can reach them: files that are not regular, that others can change, and what they hold.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::file::{JOURNAL, KEY, execute};
use crate::harness::{Ran, World};

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

fn mode(world: &World, name: &str, mode: u32) {
    fs::set_permissions(world.path(name), Permissions::from_mode(mode)).expect("set");
}

fn locks(world: &World, journal: &str) -> Vec<String> {
    let folder = fs::read_dir(world.path(&format!("{journal}.locks"))).expect("the folder of the locks");
    folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_journal_may_be_a_bare_name_of_the_current_folder() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file, "--journal", "bare.db"]).expect(0);
    for name in ["bare.db", "bare.db.key"] {
        let mode = fs::metadata(world.path(name)).expect("it is made").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    world.run(&["key", "rotate", "--journal", "bare.db"]).expect(0);
    world.run(&["rollback", "latest", "--journal", "bare.db"]).expect(0);
    assert_eq!(world.versions(), ["1"]);
    // No process holds a lock, and no lock file is left.
    assert!(locks(&world, "bare.db").is_empty(), "{:?}", locks(&world, "bare.db"));
}

#[test]
fn what_is_no_regular_file_is_refused_and_not_waited_for() {
    let (world, file) = World::with_deployment();
    make_pipe(&world.path("pipe"));
    let pipe = world.path("pipe").display().to_string();
    let expect = |ran: Ran, code: i32, message: &str| {
        let ran = ran.expect(code);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    };
    for (what, message) in [(&*pipe, "it is a pipe"), ("/dev/zero", "it is a device")] {
        expect(world.run(&["start", file, "--journal", what]), 1, message);
        let bundle = |name| world.command(&["start", file]).env(name, what).output().expect("it starts");
        expect(Ran::of(&bundle("OCI_CLI_CERT_BUNDLE")), 2, message);
        expect(Ran::of(&bundle("REQUESTS_CA_BUNDLE")), 2, message);
        expect(Ran::of(&bundle("SSL_CERT_FILE")), 2, message);
        expect(Ran::of(&bundle("OCI_CLI_KEY_FILE")), 2, message);
        world.write("reads.edn", &format!("{{:name #file \"{what}\"}}"));
        expect(world.run(&["validate", "reads.edn"]), 2, message);
    }
    world.run(&["start", file]).expect(0);
    fs::remove_file(world.path(KEY)).expect("removed");
    make_pipe(&world.path(KEY));
    expect(world.run(&["start", file]), 1, "it is a pipe");
    world.run(&["history"]).expect(0);
    fs::remove_file(world.path(KEY)).expect("removed");
    symlink("/dev/zero", world.path(KEY)).expect("linked");
    expect(world.run(&["rollback", "latest"]), 1, "it is a device");
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn who_else_can_read_or_change_the_journal_or_its_key_is_said_once_with_the_way_out() {
    let (world, file) = World::with_deployment();
    let ran = world.run(&["start", file]).expect(0);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let warnings = |args: &[&str]| -> Vec<String> {
        let said = world.run(args).expect(0).stderr;
        said.lines().filter(|line| line.starts_with("warning: ")).map(ToOwned::to_owned).collect()
    };
    mode(&world, JOURNAL, 0o664);
    mode(&world, KEY, 0o644);
    let (journal, key) = (world.path(JOURNAL), world.path(KEY));
    let expected = [
        format!(
            "warning: other users can change {0} (its mode is 0664): `chmod 600 {0}` ends that",
            journal.display()
        ),
        format!(
            "warning: other users can read {0} (its mode is 0644): `chmod 600 {0}` ends that",
            key.display()
        ),
    ];
    assert_eq!(warnings(&["history"]), expected);
    assert_eq!(warnings(&["rollback", "latest", "--quiet"]), expected);
    mode(&world, JOURNAL, 0o600);
    mode(&world, KEY, 0o600);
    assert_eq!(warnings(&["history"]), Vec::<String>::new());
    // Only root can give a file to another user.
    if chown(&key, Some(12345), None).is_ok() {
        let said = warnings(&["history"]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("journal.db.key belongs to user 12345, and this process runs as user "),
            "{said:?}"
        );
    }
}

#[test]
fn a_lock_for_opening_that_somebody_holds_is_told_after_a_second() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    let lock = File::create(world.path(&format!("{JOURNAL}.locks/open"))).expect("made");
    lock.lock().expect("nobody else holds it");
    let mut waiting =
        world.command(&["history"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut said = String::new();
    let stderr = waiting.stderr.take().expect("piped");
    BufReader::new(stderr).read_line(&mut said).expect("a line");
    drop(lock);
    let us = format!("waiting for process {}, which is opening the journal just now", std::process::id());
    assert!(said.starts_with(&us) && said.contains("journal.db.locks/open"), "{said}");
    let ran = Ran::of(&waiting.wait_with_output().expect("ends")).expect(0);
    assert!(ran.stdout.contains("succeeded"), "{}", ran.stdout);
}

#[test]
fn the_locks_of_killed_processes_are_removed_by_who_comes_next() {
    let (world, file) = World::with_deployment();
    world.killed_at(&["start", file], "shift-set/begun");
    assert_eq!(locks(&world, JOURNAL).len(), 1, "{:?}", locks(&world, JOURNAL));
    let listed = world.run(&["history", "--output", "json"]).expect(0).json();
    assert_eq!(listed["runs"][0]["interrupted"], true);
    assert!(locks(&world, JOURNAL).is_empty(), "{:?}", locks(&world, JOURNAL));
    // The process is dead whether or not its lock file exists.
    world.run(&["resume", "latest"]).expect(0);
    assert!(locks(&world, JOURNAL).is_empty(), "{:?}", locks(&world, JOURNAL));
    assert_eq!(world.versions(), ["2"]);
}

/// Makes a process of another machine hold the newest run, until the year 2100.
fn held_elsewhere(world: &World) {
    execute(
        world,
        r#"UPDATE runs SET lease_until = 4102444800000,
               holder = json_set(holder, '$.host', 'elsewhere', '$."boot-id"', 'another')
           WHERE holder IS NOT NULL"#,
    );
}

#[test]
fn a_lease_that_does_not_run_out_is_taken_by_force_from_a_process_that_is_gone() {
    let (world, file) = World::with_deployment();
    for (verb, version) in [
        (&["resume", "latest"][..], "2"),
        (&["rollback", "latest"], "1"),
        (&["abandon", "latest", "--keep", "old"], "1"),
    ] {
        world.killed_at(&["start", file], "shift-set/begun");
        held_elsewhere(&world);
        let refused = world.run(verb).expect(6);
        assert!(refused.stderr.contains("is being advanced by ann@elsewhere (pid "), "{}", refused.stderr);
        let n_changes = world.changes().len();
        assert!(refused.stderr.contains("--force-lease"), "{verb:?}: {}", refused.stderr);
        let taken = world.run(&[verb, &["--force-lease"]].concat()).expect(0);
        assert!(taken.stderr.contains("warning: --force-lease takes run "), "{}", taken.stderr);
        assert!(taken.stderr.contains(" from ann@elsewhere (pid "), "{}", taken.stderr);
        assert!(world.changes().len() > n_changes, "{verb:?} changed nothing after {:?}", world.changes());
        let events = world.run(&["history", "latest", "--events"]).expect(0).stdout;
        assert!(events.contains("taken over from ann@elsewhere"), "{events}");
        assert_eq!(world.versions(), [version]);
        if version == "2" {
            world.run(&["rollback", "latest"]).expect(0);
        }
    }
}

#[test]
fn a_lease_is_not_taken_by_force_from_a_process_that_is_alive_here() {
    let world = World::catchable();
    let mut deployment = world.deployment();
    deployment["drain-delay"] = serde_json::json!("60s");
    let file = world.write_deployment(&deployment);
    let mut running = world.begin(&["start", file]);
    world.wait_until("it is under way", || world.steps().iter().any(|(name, _)| name == "await-instance"));
    let refused = world.run(&["resume", "latest", "--force-lease"]).expect(6);
    assert!(refused.stderr.contains("which is alive on this machine"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("takes run"), "{}", refused.stderr);
    let way_out = format!("hint: stop process {} first", running.id());
    assert!(refused.stderr.contains(&way_out), "{}", refused.stderr);
    running.kill().expect("killed");
    running.wait().expect("reaped");
    let ran = world.run(&["rollback", "latest", "--force-lease"]).expect(0);
    assert!(!ran.stderr.contains("takes run"), "nobody held it: {}", ran.stderr);
}
