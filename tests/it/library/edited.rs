//! Edits of the journal while a process advances the run, by somebody who has not the journal's key.

use std::path::PathBuf;

use deployctl::engine::{
    Activity, Cx, Done, End, Engine, Mutation, Preview, Registry, Run, Stop, Undone, Workflow,
};
use deployctl::journal::JournalError;
use deployctl::run::Failure;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::{journal, started};

/// Executes one statement on the journal, whose path is the world.
#[derive(Serialize, Deserialize)]
struct Edit {
    statement: String,
}

impl Activity for Edit {
    const NAME: &'static str = "edit";
    type World = PathBuf;
    type Output = ();

    async fn execute(&self, cx: &Cx<'_, PathBuf>) -> Result<(), Failure> {
        let mut other = SqliteConnectOptions::new().filename(cx.world).connect().await.expect("it opens");
        let edit = sqlx::query(AssertSqlSafe(self.statement.clone()));
        let done = edit.execute(&mut other).await.expect("edited");
        assert_eq!(done.rows_affected(), 1, "{}", self.statement);
        other.close().await.expect("closed");
        Ok(())
    }
}

impl Mutation for Edit {
    fn foresee(&self) {}

    fn preview(&self) -> Preview {
        Preview::of("edit the journal")
    }

    async fn compensate(&self, _: Done<&()>, _: &Cx<'_, PathBuf>) -> Result<Undone, Failure> {
        Ok(Undone::whole())
    }
}

/// Makes an edit, and one that changes nothing.
struct Forge;

impl Workflow for Forge {
    const NAME: &'static str = "forge";
    const VERSION: u32 = 1;
    type World = PathBuf;
    type Input = String;
    type Output = ();

    async fn steps(run: &mut Run<'_, PathBuf>, statement: &String) -> Result<(), Stop> {
        run.change(Edit { statement: statement.clone() }).await?;
        run.change(Edit { statement: "UPDATE wal_mark SET one = 1".to_owned() }).await
    }
}

/// How a run ends during which this edit is made, and what is then to be doubted about it.
async fn forged(statement: &str) -> (End, Option<JournalError>) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (path, registry) = (folder.path().join("jobs.db"), Registry::new().mutation::<Edit>());
    let engine = Engine::new(&journal, &path, &registry);
    let outcome = engine.start::<Forge>(started("a"), &statement.to_owned()).await.expect("it is free");
    (outcome.end, journal.doubt(outcome.run).await.expect("it can be read"))
}

#[tokio::test]
async fn what_a_process_writes_next_is_what_it_knows() {
    for statement in [
        "UPDATE runs SET state = 'succeeded', has_succeeded = 1",
        "UPDATE runs SET last_event = 7",
        "UPDATE steps SET status = 'failed', attempt = 9",
    ] {
        let (end, doubt) = forged(statement).await;
        assert!(matches!(end, End::Succeeded), "{statement}: {end:?}");
        assert!(doubt.is_none(), "{statement}: {doubt:?}");
    }
}

#[tokio::test]
async fn what_it_does_not_write_again_is_found_when_the_run_is_read() {
    for (statement, place) in [
        ("UPDATE steps SET input = '{}'", "table steps, step 1 (edit) of run "),
        ("UPDATE events SET kind = '\"rollback-started\"' WHERE n = 1", "table events, event 1 of run "),
        ("UPDATE runs SET context = '{\"sign-in\": 1}'", "table runs, what run "),
    ] {
        let (end, doubt) = forged(statement).await;
        assert!(matches!(end, End::Succeeded), "{statement}: {end:?}");
        let doubt = doubt.map(|doubt| doubt.to_string()).unwrap_or_default();
        assert!(doubt.contains(place), "{statement}: {doubt}");
    }
}

#[tokio::test]
async fn a_row_with_another_code_and_a_target_that_was_let_go_stop_the_run() {
    for (statement, place) in [
        ("UPDATE runs SET mac = zeroblob(32)", "table runs, run "),
        ("UPDATE steps SET mac = zeroblob(32)", "table steps, step 1 (edit) of run "),
        ("UPDATE targets SET held = 0", "table targets, those that are held"),
    ] {
        let (end, _) = forged(statement).await;
        let End::Broken(error) = end else { panic!("{statement}: {end:?}") };
        assert!(error.to_string().contains(place), "{statement}: {error}");
    }
}
