//! A journal with more runs than are verified whenever one is taken.

use deployctl::engine::{End, Engine};
use deployctl::journal::{Journal, JournalError, StartError};
use deployctl::run::EventKind;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Fill, Shelf, event, impatient, interrupted_at, journal, registry, started};

/// More than the newest runs that are always verified.
const MANY: usize = 66;

/// Edits the journal as somebody does who has not its key.
async fn edit(folder: &std::path::Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(folder.join("jobs.db")).foreign_keys(false);
    let mut other = options.connect().await.expect("the journal opens");
    let done = sqlx::query(statement).execute(&mut other).await.expect("edited");
    assert_eq!(done.rows_affected(), 1, "{statement}");
    other.close().await.expect("closed");
}

/// The first run, left open, and many after it.
async fn crowd(journal: &Journal, shelf: &Shelf) {
    let registry = registry();
    let engine = Engine::new(journal, shelf, &registry).retry_policy(impatient());
    let begun = event(|kind| matches!(kind, EventKind::StepBegun { .. }));
    let things = ["first".to_owned(), "then".to_owned()].to_vec();
    let left = interrupted_at(Engine::new(journal, shelf, &registry), begun);
    let outcome = left.start::<Fill>(started("held"), &things).await.expect("the target is free");
    assert!(matches!(outcome.end, End::Interrupted), "{outcome:?}");
    for n in 0..MANY {
        let thing = vec![format!("here {n}")];
        engine.start::<Fill>(started("other"), &thing).await.expect("the target is free");
    }
}

#[tokio::test]
async fn what_an_old_run_holds_cannot_be_let_go_unseen() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    crowd(&journal, &shelf).await;
    let engine = Engine::new(&journal, &shelf, &registry);
    let things = vec!["cup".to_owned()];
    let refused = engine.start::<Fill>(started("held"), &things).await.expect_err("it is held");
    assert!(matches!(refused, StartError::TargetHeld(_)), "{refused}");
    edit(folder.path(), "UPDATE targets SET held = 0 WHERE held = 1").await;
    let refused = engine.start::<Fill>(started("held"), &things).await.expect_err("it was let go");
    assert!(refused.to_string().ends_with("table targets, those that are held"), "{refused}");
}

#[tokio::test]
async fn an_old_run_that_was_edited_is_found_by_whoever_depends_on_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    crowd(&journal, &shelf).await;
    let engine = Engine::new(&journal, &shelf, &registry);
    edit(folder.path(), "UPDATE runs SET has_succeeded = 0 WHERE number = 2").await;
    // It makes no difference to a run that goes forwards.
    let things = vec!["cup".to_owned()];
    let newest = engine.start::<Fill>(started("other"), &things).await.expect("the target is free");
    assert!(journal.doubt_of_newest(20).await.expect("it can be read").is_none());
    let doubt = journal.doubt_of_newest(u32::MAX).await.expect("it can be read");
    assert!(matches!(doubt, Some(JournalError::Altered { .. })), "{doubt:?}");
    let refused = engine.rollback(newest.run).await.expect_err("another run was edited");
    assert!(refused.to_string().contains(" was changed by something else"), "{refused}");
    edit(folder.path(), "UPDATE runs SET has_succeeded = 1 WHERE number = 2").await;
    engine.rollback(newest.run).await.expect("all is as it was");
    edit(folder.path(), "DELETE FROM runs WHERE number = 3").await;
    let refused = engine.start::<Fill>(started("other"), &things).await.expect_err("a run is missing");
    assert!(refused.to_string().contains("table runs, there are 67 where there were 68"), "{refused}");
}
