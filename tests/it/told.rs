//! A run's rows against its events: rows that no sequence of events produces are refused, even where no code protects them,
//! as in a journal of the version before.

use std::fs;

use crate::file::{JOURNAL, KEY, as_of_before, execute};
use crate::harness::World;

#[test]
fn rows_that_the_events_do_not_make_are_refused_with_the_place() {
    let (world, file) = World::with_deployment();
    world.killed_at(&["start", file], "await-drain/begun");
    as_of_before(&world);
    let whole = fs::read(world.path(JOURNAL)).expect("the journal");
    let n_changes = world.changes().len();
    for (attack, place) in [
        ("UPDATE runs SET state = 'suspended'", "its state is suspended, and its events make it running"),
        (
            "UPDATE runs SET direction = 'backward'",
            "its direction is backward, and its events make it forward",
        ),
        ("UPDATE runs SET has_succeeded = 1", "its has_succeeded is 1, and its events make it 0"),
        ("UPDATE runs SET last_event = 3", "table events, the last of run "),
        ("DELETE FROM steps WHERE seq = (SELECT max(seq) FROM steps)", " is missing"),
        (
            "UPDATE steps SET status = 'begun', output = NULL WHERE activity = 'register-backend'",
            "its status is begun, and its events make it completed",
        ),
        (
            "UPDATE runs SET finished_at = 0",
            "its finished_at is 1970-01-01T00:00:00.000Z, and its events make it nothing",
        ),
        (
            "UPDATE steps SET begun_at = 0 WHERE seq = 2",
            ": its begun_at is 1970-01-01T00:00:00.000Z, and its events",
        ),
        (
            "UPDATE steps SET next_attempt_at = 0 WHERE seq = 2",
            ": its next_attempt_at is 1970-01-01T00:00:00.000Z, and",
        ),
        ("UPDATE steps SET attempt = 7 WHERE seq = 2", ": its attempt is 7, and its events make it 1"),
        (
            "UPDATE steps SET undo_status = 'completed', undo_begun_at = 1 WHERE activity = 'create-instance'",
            "its undo_status is completed, and its events make it nothing",
        ),
        ("UPDATE steps SET effect = 'read' WHERE activity = 'create-instance'", "its effect is read, and"),
        (
            "UPDATE steps SET activity = 'await-instance' WHERE activity = 'create-instance'",
            "its activity is",
        ),
        ("DELETE FROM events WHERE n = 5", "table events, event 5 of run"),
        ("DELETE FROM events", "table events, "),
        (
            r#"UPDATE events SET kind = '"rollback-started"' WHERE n = 3"#,
            "step-begun may not follow the state rolling-back",
        ),
        (
            "UPDATE events SET kind = (SELECT kind FROM events WHERE n = 2) WHERE n = 1",
            "a run begins with run-started, and not with step-begun",
        ),
    ] {
        fs::write(world.path(JOURNAL), &whole).expect("put back");
        execute(&world, attack);
        // Commands that only read report it too, with a key and without.
        for verb in [&["history", "latest"][..], &["resume", "latest"], &["history", "latest"]] {
            let ran = world.run(verb).expect(i32::from(verb[0] == "resume"));
            assert!(
                ran.stderr.contains("the journal was changed by something else"),
                "{attack}: {}",
                ran.stderr
            );
            assert!(ran.stderr.contains(place), "{attack}: {}", ran.stderr);
        }
        let ran = world.run(&["rollback", "latest"]).expect(1);
        assert!(ran.stderr.contains(place), "{attack}: {}", ran.stderr);
        assert_eq!(world.changes().len(), n_changes, "{attack}: something was sent");
    }
    fs::write(world.path(JOURNAL), &whole).expect("put back");
    let key = fs::read(world.path(KEY)).expect("the key");
    fs::remove_file(world.path(KEY)).expect("removed");
    execute(&world, "UPDATE runs SET direction = 'backward'");
    let ran = world.run(&["history", "latest"]).expect(0);
    assert!(ran.stderr.contains("its direction is backward"), "{}", ran.stderr);
    fs::write(world.path(KEY), key).expect("put back");
    fs::write(world.path(JOURNAL), &whole).expect("put back");
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.versions(), ["2"]);
}
