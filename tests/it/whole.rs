//! The journal is three files: the messages about a file that was copied without the others.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use crate::file::{JOURNAL, KEY, execute, with};
use crate::harness::World;

fn log(world: &World) -> PathBuf {
    world.path(&format!("{JOURNAL}-wal"))
}

/// Copies the journal's file and its key, and its log if `with_log`. Returns the name of the copy.
fn copy(world: &World, folder: &str, with_log: bool) -> String {
    fs::create_dir_all(world.path(folder)).expect("a folder");
    let copied = format!("{folder}/journal.db");
    fs::copy(world.path(JOURNAL), world.path(&copied)).expect("copied");
    fs::copy(world.path(KEY), world.path(&format!("{copied}.key"))).expect("copied");
    if with_log {
        fs::copy(log(world), world.path(&format!("{copied}-wal"))).expect("copied");
    }
    copied
}

/// The states of the runs in a journal, newest first.
#[track_caller]
fn states(world: &World, journal: &str) -> Vec<String> {
    let told = world.run(&["history", "--journal", journal, "--output", "json"]).expect(0).json();
    let runs = told["runs"].as_array().expect("runs").iter();
    runs.map(|run| run["status"].as_str().expect("a status").to_owned()).collect()
}

#[track_caller]
fn expect_refused(world: &World, file: &str, journal: &str) {
    let before = fs::read(world.path(journal)).expect("the copy");
    let n_changes = world.changes().len();
    for args in [&["history"][..], &["resume", "latest"], &["rollback", "latest"], &["start", file]] {
        let ran = world.run(&[args, &["--journal", journal]].concat()).expect(1);
        assert!(ran.stderr.contains("is not whole: a run went on in"), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: copy journal.db-wal as well"), "{args:?}: {}", ran.stderr);
    }
    assert!(fs::read(world.path(journal)).expect("the copy") == before, "it was written");
    assert_eq!(world.changes().len(), n_changes, "something was sent");
}

#[test]
fn a_copy_without_its_log_is_refused_and_one_with_it_goes_on() {
    let (world, file) = World::with_deployment();
    // The first run of a new journal, and a later run that was resumed.
    world.killed_at(&["start", file], "find-old-instance/begun");
    expect_refused(&world, file, &copy(&world, "first", false));
    world.killed_at(&["resume", "latest"], "shift-set/begun");
    let alone = copy(&world, "later", false);
    expect_refused(&world, file, &alone);
    // The log of another journal does not belong to it.
    let mut foreign = fs::read(log(&world)).expect("the log");
    foreign[16] ^= 0xff;
    fs::write(world.path(&format!("{alone}-wal")), foreign).expect("written");
    expect_refused(&world, file, &alone);
    // A process that dies while it writes the first commit leaves the beginning of it.
    for n_bytes in [0, 20, 32, 132] {
        let torn = copy(&world, &format!("torn {n_bytes}"), true);
        let log = OpenOptions::new().write(true).open(world.path(&format!("{torn}-wal"))).expect("the log");
        log.set_len(n_bytes).expect("cut");
        assert_eq!(states(&world, &torn), ["running"], "{n_bytes} bytes are there");
    }
    let whole = copy(&world, "whole", true);
    assert_eq!(states(&world, &whole), ["running"]);
    // A command that reads the copy has written the log into the file.
    assert!(!world.path(&format!("{whole}-wal")).exists(), "it is whole by itself");
    world.run(&["resume", "latest", "--journal", &whole]).expect(0);
    assert_eq!(states(&world, &whole), ["succeeded"]);
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn the_file_alone_is_whole_once_nobody_advances_a_run() {
    let (world, file) = World::with_deployment();
    world.run(&["history", "latest"]).expect(2);
    world.run(&["start", file]).expect(0);
    // While another process has the file open, SQLite does not write the log into it.
    with(&world, async |other| {
        let count = "SELECT count(*) FROM runs";
        sqlx::query(count).execute(&mut *other).await.expect("read");
        world.run(&["rollback", "latest"]).expect(0);
        assert_eq!(states(&world, &copy(&world, "rolled-back", false)), ["rolled-back"]);
        let stopped = world.run_with(&["start", file], "await-drain/begun=return(INT)");
        assert_eq!(stopped.code, 130, "{}", stopped.stderr);
        let alone = copy(&world, "interrupted", false);
        assert_eq!(states(&world, &alone), ["running", "rolled-back"]);
        world.run(&["resume", "latest"]).expect(0);
        assert_eq!(states(&world, &copy(&world, "resumed", false)), ["succeeded", "rolled-back"]);
        // A command that was refused before it began causes no doubt either.
        world.run(&["resume", "latest"]).expect(2);
        assert_eq!(states(&world, &copy(&world, "refused", false)), ["succeeded", "rolled-back"]);
    });
}

#[test]
fn a_journal_whose_process_died_before_its_first_commit_is_whole() {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    execute(&world, "UPDATE wal_mark SET announced = announced + 1");
    fs::write(log(&world), "").expect("emptied");
    assert_eq!(states(&world, JOURNAL), ["succeeded"]);
    // Reading the journal has closed it, and nothing is missing.
    assert_eq!(states(&world, JOURNAL), ["succeeded"]);
    world.run(&["rollback", "latest"]).expect(0);
}
