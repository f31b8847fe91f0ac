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

#[test]
fn who_asked_for_a_run_and_why_is_told_also_of_a_pipeline() {
    let (mut world, file) = World::with_deployment();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    world.set_environment([("USER", "ann".to_owned())]);
    let run =
        world.run(&["start", file, "--reason", "new certificates", "--output", "json"]).expect(0).json();
    assert_eq!(run["started_by"], format!("ann@{host}"));
    assert_eq!((&run["start_reason"], &run["job_url"]), (&json!("new certificates"), &json!(null)));
    let runner = [
        ("USER", "runner"),
        ("GITHUB_ACTOR", "bob"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/web"),
        ("GITHUB_RUN_ID", "42"),
    ];
    world.set_environment(runner.map(|(name, value)| (name, value.to_owned())));
    let run = world.run(&["start", file, "--output", "json"]).expect(0).json();
    let page = "https://github.com/acme/web/actions/runs/42";
    assert_eq!((&run["start_reason"], &run["job_url"]), (&json!(null), &json!(page)));
    let told = world.run(&["history", "latest"]).expect(0).stdout;
    assert!(told.contains(&format!(" by bob@{host} ({page})\n")), "{told}");
    world.set_environment([("USER", "eve\u{1b}[31m".to_owned())]);
    world.run(&["rollback", "latest", "--reason", "it is slow"]).expect(0);
    let told = world.run(&["history", "latest"]).expect(0).stdout;
    assert!(told.contains(&format!("rolled back by eve [31m@{host}: it is slow\n")), "{told}");
    let listed = world.run(&["history"]).expect(0).stdout;
    assert!(listed.contains("\n    new certificates"), "{listed}");
}
