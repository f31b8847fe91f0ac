//! A step at which a run stopped can be tried again, and a step in which processes die is not tried for ever.

use deployctl::engine::{End, Engine, Outcome};
use deployctl::journal::{Journal, TakeError};
use deployctl::run::{EventKind, OnFailure, RunId, RunState, StepStatus, UndoStatus, Update};
use tokio::sync::Notify;

use super::{Fill, Shelf, journal, registry, started};

/// The number of processes that may die in a step, one after the other.
const DEATHS: usize = 20;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_step_that_failed_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry);
    let halting = started("a").on_failure(OnFailure::Halt);
    let outcome = engine.start::<Fill>(halting, &names(&["cup", "locked cup", "plate"])).await.expect("free");
    assert!(matches!(outcome.end, End::Halted(_)), "{outcome:?}");
    let resumed = engine.resume(outcome.run).await.expect_err("it has failed");
    assert!(matches!(resumed, TakeError::Over { state: RunState::Failed, .. }), "{resumed}");

    let outcome = engine.retry(outcome.run).await.expect("nobody holds it");
    assert!(matches!(outcome.end, End::Succeeded), "{outcome:?}");
    assert_eq!(shelf.things(), ["cup", "locked cup", "plate"]);
    let record = journal.run(outcome.run).await.expect("it is there");
    assert_eq!(record.error, None);
    assert_eq!((record.steps[1].status, record.steps[1].attempts), (StepStatus::Completed, 2));
    // The run's rows agree with its events.
    assert!(journal.doubt(outcome.run).await.expect("it can be read").is_none());
    let again = engine.retry(outcome.run).await.expect_err("it has succeeded");
    assert!(matches!(again, TakeError::Over { state: RunState::Succeeded, .. }), "{again}");
}

#[tokio::test]
async fn only_what_has_stopped_at_a_step_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry).retry_policy(super::impatient());
    let outcome = engine.start::<Fill>(started("a"), &names(&["away"])).await.expect("free");
    assert!(matches!(outcome.end, End::Suspended(_)), "{outcome:?}");
    let refused = engine.retry(outcome.run).await.expect_err("it is suspended");
    assert!(matches!(refused, TakeError::NothingToRetry { state: RunState::Suspended, .. }), "{refused}");
    // The run was not taken either.
    let outcome = engine.rollback(outcome.run).await.expect("nobody holds it");
    assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
}

#[tokio::test]
async fn what_was_undone_and_taken_back_is_undone_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry);
    let things = names(&["cup", "lent cup", "plate", "spoon"]);
    let run = engine.start::<Fill>(started("a"), &things).await.expect("free").run;
    let outcome = engine.rollback(run).await.expect("nobody holds it");
    assert!(matches!(&outcome.end, End::Suspended(failure) if failure.is_held()), "{outcome:?}");
    assert_eq!(shelf.things(), ["cup", "lent cup", "plate"]);
    let undone = async || -> Vec<Option<UndoStatus>> {
        let steps = journal.run(run).await.expect("it is there").steps;
        steps.into_iter().map(|step| step.compensation.map(|undo| undo.status)).collect()
    };
    let begun = Some(UndoStatus::Begun);
    assert_eq!(undone().await, [None, begun, begun, begun]);
    assert!(journal.doubt(run).await.expect("it can be read").is_none());

    let outcome = engine.resume(run).await.expect("nobody holds it");
    assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
    assert_eq!(shelf.things(), Vec::<String>::new());
    assert_eq!(undone().await, [Some(UndoStatus::Completed); 4]);
    assert!(journal.doubt(run).await.expect("it can be read").is_none());
}

/// Drives a run in a process that dies when such an event has happened. `None` if it died.
async fn die_at(
    journal: &Journal,
    shelf: &Shelf,
    happens: fn(&EventKind) -> bool,
    drive: impl AsyncFnOnce(&Engine<'_, Shelf>) -> Outcome,
) -> Option<Outcome> {
    let (registry, happened) = (registry(), Notify::new());
    let engine = Engine::new(journal, shelf, &registry).tell(|update| {
        if let Update::Event(event) = update
            && happens(&event.kind)
        {
            happened.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = happened.notified() => None,
        outcome = drive(&engine) => Some(outcome),
    }
}

async fn newest(journal: &Journal) -> RunId {
    journal.runs(1).await.expect("it can be read")[0].id
}

#[tokio::test]
async fn a_step_that_is_deadly_is_not_tried_without_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let shelf = Shelf::default();
    let begun = |kind: &EventKind| matches!(kind, EventKind::StepBegun { seq, .. } if seq.get() == 2);
    let input = names(&["cup", "trapped cup"]);
    let start = async |engine: &Engine<'_, Shelf>| {
        engine.start::<Fill>(started("a"), &input).await.expect("the target is free")
    };
    assert!(die_at(&journal, &shelf, begun, start).await.is_none(), "it dies");
    let run = newest(&journal).await;
    let resume = async |engine: &Engine<'_, Shelf>| engine.resume(run).await.expect("nobody holds it");
    for death in 2..=DEATHS {
        assert!(die_at(&journal, &shelf, begun, resume).await.is_none(), "death {death}");
    }
    let outcome = die_at(&journal, &shelf, begun, resume).await.expect("it is not tried any more");
    let End::Deadly { step, failure, .. } = outcome.end else { panic!("{outcome:?}") };
    assert_eq!(
        (step.as_str(), failure.message.as_str()),
        ("put", "the process has died in it 20 times in a row")
    );
    assert_eq!(journal.run(run).await.expect("it is there").state, RunState::Stuck);

    // A person has the step tried again: it dies once more, and is not given up at once.
    let retry = async |engine: &Engine<'_, Shelf>| engine.retry(run).await.expect("nobody holds it");
    assert!(die_at(&journal, &shelf, begun, retry).await.is_none(), "it dies again");
    assert!(die_at(&journal, &shelf, begun, resume).await.is_none(), "and may be tried");

    // The way back, whose first step is just as deadly.
    let undo = |kind: &EventKind| matches!(kind, EventKind::UndoBegun { .. });
    let rollback = async |engine: &Engine<'_, Shelf>| engine.rollback(run).await.expect("nobody holds it");
    for death in 1..=DEATHS {
        assert!(die_at(&journal, &shelf, undo, rollback).await.is_none(), "death {death} on the way back");
    }
    let outcome = die_at(&journal, &shelf, undo, resume).await.expect("it is not tried any more");
    assert!(matches!(outcome.end, End::Stuck { .. }), "{outcome:?}");
    let record = journal.run(run).await.expect("it is there");
    let undo = record.steps[1].compensation.as_ref().expect("it was begun");
    assert_eq!((record.state, undo.status), (RunState::Stuck, UndoStatus::Failed));
    assert!(shelf.is_new("free"));
    let outcome = die_at(&journal, &shelf, |_| false, rollback).await.expect("it lives");
    assert!(matches!(outcome.end, End::RolledBack(_)), "{outcome:?}");
    assert_eq!(shelf.things(), Vec::<String>::new());
}
