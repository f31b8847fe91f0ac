//! Changes in the journal by somebody who can write its file but does not have its key: every such row is refused when its
//! run is taken up, and nothing is sent to the cloud.

use std::fs;

use serde_json::json;

use crate::file::{JOURNAL, KEY, as_of_before, execute, text};
use crate::harness::World;

const REFUSED: &str = "the journal was changed by something else than this program: ";

/// A run that succeeded, and one that is interrupted while the old backend drains.
fn world() -> (World, &'static str) {
    let (world, file) = World::with_deployment();
    world.run(&["start", file]).expect(0);
    interrupt(&world, file, "await-drain/begun=return");
    (world, file)
}

fn interrupt(world: &World, file: &str, at: &str) {
    assert_eq!(world.run_with(&["start", file], at).code, -1);
    // This writes the log into the file.
    world.run(&["history"]).expect(0);
}

/// Restores the journal after an attack.
fn put_back(world: &World, journal: &[u8]) {
    fs::write(world.path(JOURNAL), journal).expect("written");
    for ending in ["-wal", "-shm"] {
        let path = world.path(&format!("{JOURNAL}{ending}"));
        if path.exists() {
            fs::remove_file(path).expect("removed");
        }
    }
}

/// The newest run can be taken up neither forwards nor backwards, and nothing is sent.
#[track_caller]
fn expect_refused(world: &World, attack: &str, place: &str) {
    let before = world.changes();
    for verb in ["resume", "rollback"] {
        let ran = world.run(&[verb, "latest"]);
        assert_eq!(ran.code, 1, "{attack}\n{verb}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("{REFUSED}{place}")), "{attack}\n{verb}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: nothing was sent"), "{attack}\n{verb}: {}", ran.stderr);
    }
    assert_eq!(world.changes(), before, "{attack}");
}

/// The newest run's id, and the number of its step with this name.
fn step(world: &World, name: &str) -> String {
    let query = "SELECT seq || '' FROM steps JOIN runs ON id = run_id WHERE number = 2 AND activity = ";
    text(world, &format!("{query}'{name}' LIMIT 1"))
}

#[test]
fn a_changed_row_is_refused_before_anything_is_sent() {
    let (world, _) = world();
    let state = world.state();
    let stranger =
        state["seeded"]["bystanderId"].as_str().unwrap_or("ocid1.computecontainerinstance.oc1..stranger");
    let run = "(SELECT id FROM runs WHERE number = 2)";
    let other = "(SELECT id FROM runs WHERE number = 1)";
    let of = |name: &str| format!("run_id = {run} AND activity = '{name}'");
    let at = |name: &str| format!("table steps, step {} ({name}) of run", step(&world, name));
    let attacks: Vec<(String, String)> = vec![
        // An output that names a stranger's instance.
        (
            format!(
                "UPDATE steps SET output = json_set(output, '$.id', '{stranger}') WHERE {}",
                of("create-instance")
            ),
            at("create-instance"),
        ),
        // A place that is a stranger's backend.
        (
            format!(
                "UPDATE steps SET input = replace(input, '127.', '126.') WHERE {} AND seq = {}",
                of("register-backend"),
                step(&world, "register-backend")
            ),
            at("register-backend"),
        ),
        // Another host, to which the specification would be sent.
        (
            format!(
                "UPDATE runs SET context = json_set(context, '$.\"sign-in\".endpoint', 'http://127.0.0.1:9') WHERE id = {run}"
            ),
            "table runs, what run".to_owned(),
        ),
        (format!("UPDATE runs SET on_failure = 'halt' WHERE id = {run}"), "table runs, what run".to_owned()),
        (
            format!("UPDATE runs SET input = (SELECT input FROM runs WHERE number = 1) WHERE id = {run}"),
            "table runs, what run".to_owned(),
        ),
        // Another image, in plain text.
        (
            format!(
                "UPDATE steps SET input = json_set(input, '$.specification', json('{{\"$confidential\": {{\"image\": \"evil\"}}}}')) WHERE {}",
                of("create-instance")
            ),
            at("create-instance"),
        ),
        // The sealed text of another step of this run.
        (
            format!(
                "UPDATE steps SET input = json_set(input, '$.specification', json((SELECT json_extract(output, '$.instance.specification') FROM steps WHERE {}))) WHERE {}",
                of("find-old-instance"),
                of("create-instance")
            ),
            at("create-instance"),
        ),
        // A step of another run, with its own code.
        (
            format!(
                "UPDATE steps SET (output, as_of, mac) = (SELECT output, as_of, mac FROM steps AS theirs WHERE theirs.run_id = {other} AND theirs.seq = steps.seq) WHERE {}",
                of("create-instance")
            ),
            at("create-instance"),
        ),
        (
            format!(
                "UPDATE steps SET undo_status = 'completed', undo_begun_at = 1 WHERE {}",
                of("create-instance")
            ),
            at("create-instance"),
        ),
        (format!("UPDATE steps SET mac = NULL WHERE {}", of("create-instance")), at("create-instance")),
        // The end of the run, as if the drain had never begun.
        (
            format!("DELETE FROM steps WHERE {}", of("await-drain")),
            format!("table steps, step {} of run", step(&world, "await-drain")),
        ),
        (
            format!(
                "DELETE FROM events WHERE run_id = {run} AND n = (SELECT max(n) FROM events WHERE run_id = {run})"
            ),
            "table events, the last of run".to_owned(),
        ),
        (
            format!("DELETE FROM events WHERE run_id = {run} AND n = 3"),
            "table events, event 3 of run".to_owned(),
        ),
        (
            format!("UPDATE events SET kind = replace(kind, 'find', 'fund') WHERE run_id = {run} AND n = 2"),
            "table events, event 2 of run".to_owned(),
        ),
        (
            format!("UPDATE runs SET last_event = last_event - 1 WHERE id = {run}"),
            "table runs, run".to_owned(),
        ),
        (format!("UPDATE runs SET direction = 'backward' WHERE id = {run}"), "table runs, run".to_owned()),
        (
            format!(
                "UPDATE facts SET value = '{stranger}' WHERE run_id = {run} AND name = 'new-instance-id'"
            ),
            "table facts, those of run".to_owned(),
        ),
        (
            format!("DELETE FROM facts WHERE run_id = {run} AND name = 'old-instance-id'"),
            "table facts, those of run".to_owned(),
        ),
        (
            format!("UPDATE targets SET held = 0 WHERE run_id = {run}"),
            "table targets, those of run".to_owned(),
        ),
        // What another run may do depends on these fields.
        ("UPDATE runs SET has_succeeded = 0 WHERE number = 1".to_owned(), "table runs, run".to_owned()),
        (
            "DELETE FROM targets WHERE run_id = (SELECT id FROM runs WHERE number = 1)".to_owned(),
            "table targets, those of run".to_owned(),
        ),
        (
            "DELETE FROM runs WHERE number = 1".to_owned(),
            "table runs, there are 1 where there were 2".to_owned(),
        ),
        ("UPDATE canary SET n_runs = 1".to_owned(), "table canary, the number of runs".to_owned()),
    ];
    let journal = fs::read(world.path(JOURNAL)).expect("the journal");
    for (attack, place) in &attacks {
        assert_ne!(execute(&world, attack), 0, "{attack} changes nothing");
        expect_refused(&world, attack, place);
        put_back(&world, &journal);
    }
    world.run(&["resume", "latest"]).expect(0);
    assert_eq!(world.held(), 0);
}

#[test]
fn a_row_from_another_time_is_refused() {
    let (world, _) = world();
    let early = fs::read(world.path(JOURNAL)).expect("the journal");
    fs::write(world.path("early.db"), early).expect("written");
    assert_eq!(world.run_with(&["resume", "latest"], "retire-instance/begun=return").code, -1);
    world.run(&["history"]).expect(0);
    let late = fs::read(world.path(JOURNAL)).expect("the journal");
    let early = world.path("early.db");
    let early = early.to_str().expect("a path");
    let drain = step(&world, "await-drain");
    let of_run = "run_id = (SELECT id FROM main.runs WHERE number = 2)";
    for (attack, place) in [
        (
            format!(
                "INSERT OR REPLACE INTO main.steps SELECT * FROM early.steps WHERE {of_run} AND seq = {drain}"
            ),
            format!("table steps, step {drain} (await-drain) of run"),
        ),
        (
            "INSERT OR REPLACE INTO main.runs SELECT * FROM early.runs WHERE number = 2".to_owned(),
            "table events, the last of run".to_owned(),
        ),
    ] {
        execute(&world, &format!("ATTACH '{early}' AS early; {attack}; DETACH early"));
        expect_refused(&world, &attack, &place);
        put_back(&world, &late);
    }
    world.run(&["resume", "latest"]).expect(0);
}

#[test]
fn what_was_authenticated_is_not_taken_for_one_of_before() {
    let (mut world, file) = world();
    world.expects_leftovers = true;
    for statement in [
        "UPDATE runs SET mac = NULL, origin_mac = NULL, facts_mac = NULL, targets_mac = NULL",
        "UPDATE steps SET mac = NULL, as_of = NULL",
        "UPDATE events SET mac = NULL",
        "UPDATE steps SET input = replace(input, '127.', '126.') WHERE activity = 'register-backend'",
    ] {
        execute(&world, statement);
    }
    expect_refused(&world, "without codes", "table runs, run");
    execute(&world, "DELETE FROM canary");
    expect_refused(&world, "without codes and canary", "table canary, it is missing, and run");
    let start = world.run(&["start", file]).expect(1);
    assert!(start.stderr.contains("table canary, it is missing"), "{}", start.stderr);
    // The same after the secrets in it are gone, which show that it is not from before.
    execute(&world, "UPDATE runs SET input = '{}'");
    execute(&world, "UPDATE steps SET input = '{}'");
    execute(&world, "UPDATE steps SET output = '{}' WHERE output IS NOT NULL");
    expect_refused(&world, "without secrets", "table runs, run");
    assert_eq!(text(&world, "SELECT group_concat(is_of_before) FROM runs"), "2,2");
}

#[test]
fn a_later_run_is_not_hidden_from_a_rollback() {
    let world = World::hurried();
    let file = world.write_deployment(&world.deployment());
    world.run(&["start", file]).expect(0);
    world.run(&["start", file]).expect(0);
    let first = text(&world, "SELECT id FROM runs WHERE number = 1");
    let refused = world.run(&["rollback", &first]).expect(6);
    assert!(refused.stderr.contains("is superseded by run"), "{}", refused.stderr);
    let before = world.changes();
    // As if the run had changed nothing.
    let hide = "UPDATE steps SET effect = 'read' WHERE run_id = (SELECT id FROM runs WHERE number = 2)";
    for more in [hide, "UPDATE runs SET is_of_before = 2 WHERE number = 2"] {
        execute(&world, more);
        let ran = world.run(&["rollback", &first]).expect(1);
        assert!(ran.stderr.contains(REFUSED), "{}", ran.stderr);
        assert_eq!(world.changes(), before);
    }
}

#[test]
fn a_run_of_before_is_taken_as_it_stands_once_and_changes_after_that_are_refused() {
    let (world, _) = world();
    as_of_before(&world);
    let seen = world.run(&["history", "latest"]).expect(0);
    assert!(!seen.stderr.contains("warning: "), "{}", seen.stderr);
    let warning = "warning: the journal has 2 runs of a deployctl that did not authenticate what it wrote";
    let first = world.run(&["resume", "latest"]).expect(0);
    assert_eq!(first.stderr.matches(warning).count(), 1, "{}", first.stderr);
    assert_eq!(text(&world, "SELECT group_concat(is_of_before) FROM runs"), "1,1");
    execute(
        &world,
        "UPDATE steps SET output = '{}' WHERE activity = 'create-instance' AND output IS NOT NULL",
    );
    let ran = world.run(&["rollback", "latest"]).expect(1);
    assert!(ran.stderr.contains(&format!("{REFUSED}table steps, step")), "{}", ran.stderr);
    assert!(!ran.stderr.contains(warning), "{}", ran.stderr);
}

#[test]
fn a_secret_in_the_clear_in_a_run_of_before_is_refused() {
    let (mut world, _) = world();
    world.expects_leftovers = true;
    as_of_before(&world);
    execute(
        &world,
        "UPDATE steps SET input = json_set(input, '$.specification', json('{\"$confidential\": {\"image\": \"evil\"}}'))
         WHERE activity = 'create-instance'",
    );
    let before = world.changes();
    let ran = world.run(&["rollback", "latest"]).expect(1);
    assert!(ran.stderr.contains("/specification holds a secret that is not sealed"), "{}", ran.stderr);
    assert_eq!(world.changes(), before);
}

#[test]
fn a_stuck_run_that_was_changed_cannot_be_resolved() {
    let (world, file) = world();
    world.run(&["resume", "latest"]).expect(0);
    world.fault(&json!({"method": "POST", "path": "containerInstances", "effect": "not-found"}));
    let stuck = world.run(&["rollback", "latest"]).expect(5);
    assert!(stuck.stderr.contains("retire-instance"), "{}", stuck.stderr);
    world.clear_faults();
    let resolve = ["resolve", "latest", "retire-instance", "--as", "undone", "--reason", "by hand"];
    let journal = {
        world.run(&["history"]).expect(0);
        fs::read(world.path(JOURNAL)).expect("the journal")
    };
    let before = world.changes();
    execute(
        &world,
        "UPDATE steps SET undo_attempt = 7 WHERE activity = 'retire-instance' AND undo_attempt > 0",
    );
    let refused = world.run(&resolve).expect(1);
    assert!(refused.stderr.contains(&format!("{REFUSED}table steps")), "{}", refused.stderr);
    assert_eq!(world.changes(), before);
    put_back(&world, &journal);
    world.run(&["rollback", "latest"]).expect(0);
    world.run(&["start", file]).expect(0);
}

#[test]
fn whoever_looks_is_told_when_the_key_is_there() {
    let (mut world, _) = world();
    world.expects_leftovers = true;
    let id = text(&world, "SELECT id FROM runs WHERE number = 2");
    let looks: [&[&str]; 3] = [&["history"], &["history", "latest"], &["history", "latest", "--events"]];
    for args in looks {
        assert!(!world.run(args).expect(0).stderr.contains("warning"), "{args:?}");
    }
    execute(&world, "UPDATE runs SET state = 'succeeded' WHERE number = 2");
    for args in looks {
        let ran = world.run(args).expect(0);
        let told = format!("{REFUSED}table runs, run {id}; what is shown is not to be trusted");
        assert!(ran.stderr.contains(&told), "{args:?}: {}", ran.stderr);
    }
    let shown = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
    assert_eq!(shown["doubt"], format!("{REFUSED}table runs, run {id}"));
    world.run(&["rollback", &id]).expect(1);
    fs::remove_file(world.path(KEY)).expect("removed");
    for args in looks {
        assert!(!world.run(args).expect(0).stderr.contains("warning"), "{args:?}");
    }
}

#[test]
fn a_changed_journal_is_not_sealed_anew() {
    let (mut world, _) = world();
    world.expects_leftovers = true;
    execute(
        &world,
        "UPDATE steps SET output = '{}' WHERE activity = 'create-instance' AND output IS NOT NULL",
    );
    let key = fs::read(world.path(KEY)).expect("the key");
    let ran = world.run(&["key", "rotate"]).expect(1);
    assert!(ran.stderr.contains(&format!("{REFUSED}table steps")), "{}", ran.stderr);
    assert_eq!(fs::read(world.path(KEY)).expect("the key"), key);
}
