//! The output of the commands that only read.

use serde_json::json;

use crate::harness::World;

#[test]
fn a_history_of_nothing_is_empty_and_makes_no_file() {
    let world = World::new();
    assert_eq!(
        world.run(&["history", "--output", "json"]).expect(0).json(),
        json!({"runs": [], "more": false})
    );
    assert!(!world.path(".local").exists(), "a look made a journal");
}

#[test]
fn runs_are_listed_newest_first_without_their_steps() {
    let world = World::new();
    let file = world.write_deployment(&world.deployment());
    world.run(&["start", file]).expect(0);
    world.run(&["start", file]).expect(0);
    let listed = world.run(&["history", "--output", "json"]).expect(0).json();
    let runs = listed["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["old_instance_id"], runs[1]["new_instance_id"]);
    assert!(runs[0].get("steps").is_none(), "{}", runs[0]);
    let by_prefix = runs[1]["run_id"].as_str().expect("an id")[..8].to_owned();
    let one = world.run(&["history", &by_prefix, "--output", "json"]).expect(0).json();
    assert_eq!(one["run_id"], runs[1]["run_id"]);
}

#[test]
fn a_closed_stdout_does_not_stop_a_run() {
    let world = World::new();
    let file = world.write_deployment(&world.deployment());
    let script = format!("{} start {file} 2>&1 | head -1", env!("CARGO_BIN_EXE_deployctl"));
    let done = std::process::Command::new("sh")
        .args(["-c", &script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", world.path(""))
        .env("DEPLOYCTL_ENDPOINT", world.url())
        .current_dir(world.path(""))
        .status();
    assert!(done.expect("sh runs").success());
    world.wait_until("the run is over", || {
        let run = world.run(&["history", "latest", "--output", "json"]).stdout;
        run.contains("\"status\":\"succeeded\",\"interrupted\"")
    });
    assert_eq!(world.versions(), ["2"]);
}

#[test]
fn a_journal_that_cannot_be_used_says_why_and_nothing_is_sent() {
    let world = World::new();
    let file = world.write_deployment(&world.deployment());
    world.write("text.db", "this is not a database, whatever its name says");
    world.write("empty-folder", "");
    for (journal, expected) in [
        ("text.db", "is not a journal of this program"),
        ("empty-folder/journal.db", "cannot open the journal"),
    ] {
        let ran = world.run(&["start", file, "--journal", journal]).expect(1);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert_eq!(world.changes(), Vec::<String>::new());
}
