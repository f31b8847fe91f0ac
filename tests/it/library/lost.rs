//! The engine checks the lease right before a change, so that no activity can forget it.

use std::path::Path;

use deployctl::engine::{End, Engine};
use deployctl::run::{EventKind, Update};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Fill, Shelf, alone, journal, registry, started};

/// Takes the run like another process whose clock says that the lease has expired.
fn take_over(journal: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut other = SqliteConnectOptions::new().filename(journal).connect().await.expect("opened");
        sqlx::query("UPDATE runs SET fence = fence + 1").execute(&mut other).await.expect("taken");
        other.close().await.expect("closed");
    });
}

#[tokio::test]
async fn nothing_is_changed_once_another_process_has_the_run() {
    // Plays a process that is paused between its intent and its change, until its lease is about to expire.
    let test = "library::lost::nothing_is_changed_once_another_process_has_the_run";
    let Some(armed) = alone(test, "put/begun=1*return(JUMP26)") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry).tell(|update| {
        if let Update::Event(event) = update
            && matches!(event.kind, EventKind::StepBegun { .. })
        {
            let path = path.clone();
            std::thread::spawn(move || take_over(&path)).join().expect("it is taken");
        }
    });
    let outcome = engine.start::<Fill>(started("a"), &vec!["here".to_owned()]).await.expect("free");
    assert!(matches!(outcome.end, End::LeaseLost(_)), "{outcome:?}");
    assert_eq!(shelf.things(), Vec::<String>::new());
    armed.disarm();
}
