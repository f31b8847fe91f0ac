//! The power fails after a commit: what the journal's files hold then is enough.

use std::fs;

use crate::harness::{World, each, portion};

/// How many commits a redeploy makes.
fn n_commits() -> usize {
    let (world, file) = World::with_deployment();
    world.run_for_commits(&["start", file])
}

#[test]
fn every_prefix_of_the_commits_is_a_state_from_which_resume_and_rollback_converge() {
    // The last commit ends the run.
    let prefixes: Vec<usize> = (1..n_commits()).collect();
    assert!(prefixes.len() > 20, "{} commits", prefixes.len());
    let prefixes = portion(prefixes, 4);
    let outcomes = each(&prefixes, |n_kept| {
        let (world, file) = World::with_deployment();
        // The power fails right after a commit. Only the content of the file and its log at that moment is left.
        let ran = world.run_with(&["start", file], &format!("commit={}*off->return", n_kept - 1));
        assert_eq!(ran.code, -1, "{}", ran.stderr);
        let folder = world.path("after");
        fs::create_dir_all(&folder).expect("a folder");
        for name in ["journal.db", "journal.db-wal", "journal.db.key"] {
            let from = world.path(".local/state/deployctl").join(name);
            if from.exists() {
                fs::copy(from, folder.join(name)).expect("copied");
            }
        }
        // The beginning of the next commit is added: a torn frame.
        let log = folder.join("journal.db-wal");
        let mut torn = fs::read(&log).expect("the log");
        let frame = torn[torn.len() - 4096 - 24..].to_vec();
        torn.extend_from_slice(&frame[..frame.len() / 2]);
        fs::write(&log, torn).expect("written");
        let journal = folder.join("journal.db");
        let journal = journal.to_str().expect("a path");
        let (verb, version) = if n_kept.is_multiple_of(2) { ("resume", "2") } else { ("rollback", "1") };
        world.run(&[verb, "latest", "--journal", journal]).expect(0);
        assert_eq!(world.versions(), [version]);
        assert_eq!(world.backends("http").len(), 1);
        assert_eq!(world.backends("http")[0]["drain"], false);
    });
    let failed: Vec<String> = prefixes
        .iter()
        .zip(outcomes)
        .filter_map(|(n, outcome)| outcome.err().map(|why| format!("after {n} commits: {why}")))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
