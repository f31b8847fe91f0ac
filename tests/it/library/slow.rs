//! Steps that never end.

use std::time::Duration;

use deployctl::engine::{End, Engine};
use deployctl::run::{EventKind, RunState, StepStatus};
use serde_json::json;

use super::{Fill, Shelf, event, impatient, interrupted_at, journal, registry, started};

#[tokio::test]
async fn an_attempt_that_takes_longer_than_it_may_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry).retry_policy(impatient());
    let outcome = engine.start::<Fill>(started("a"), &vec!["slow cup".to_owned()]).await.expect("free");
    assert_eq!(outcome.output, Some(json!(8)), "{:?}", outcome.end);
    assert_eq!(journal.run(outcome.run).await.expect("it is there").steps[0].attempts, 2);

    let outcome = engine.rollback(outcome.run).await.expect("nobody holds it");
    assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
    let undo = journal.run(outcome.run).await.expect("it is there").steps[0].compensation.clone();
    assert_eq!(undo.map(|undo| undo.attempts), Some(2));
}

#[tokio::test]
async fn a_change_that_hangs_is_left_in_doubt_once_its_grace_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = interrupted_at(
        Engine::new(&journal, &shelf, &registry).grace(Duration::from_millis(20)),
        event(|kind| matches!(kind, EventKind::StepBegun { .. })),
    );
    let outcome = engine.start::<Fill>(started("a"), &vec!["hanging cup".to_owned()]).await.expect("free");
    assert!(matches!(outcome.end, End::Interrupted), "{outcome:?}");
    let record = journal.run(outcome.run).await.expect("it is there");
    assert_eq!((record.state, record.steps[0].status), (RunState::Running, StepStatus::Begun));

    let outcome = Engine::new(&journal, &shelf, &registry).rollback(outcome.run).await.expect("free");
    assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
}
