//! A wait that is a step: a resume waits only for the rest of it.

use std::time::Duration;

use deployctl::engine::{End, Engine, Foresight, Registry, Run, Stop, Workflow};
use deployctl::run::{Effect, EventKind};

use super::{Shelf, alone, event, interrupted_at, journal, started};

/// Sleeps for the duration of its input.
struct Nap;

impl Workflow for Nap {
    const NAME: &'static str = "nap";
    const VERSION: u32 = 1;
    type World = Shelf;
    type Input = Duration;
    type Output = ();

    async fn steps(run: &mut Run<'_, Shelf>, time: &Duration) -> Result<(), Stop> {
        run.sleep("rest", *time).await
    }
}

#[tokio::test]
async fn what_an_earlier_process_has_waited_counts() {
    const TIME: Duration = Duration::from_hours(1);
    // The hour passes after the wait has begun.
    let test = "library::sleeping::what_an_earlier_process_has_waited_counts";
    let Some(armed) = alone(test, "rest/begun=1*return(JUMP3600)") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), Registry::new().workflow::<Nap>());
    let engine = interrupted_at(
        Engine::new(&journal, &shelf, &registry),
        event(|kind| matches!(kind, EventKind::StepBegun { .. })),
    );
    let outcome = engine.start::<Nap>(started("a"), &TIME).await.expect("the target is free");
    assert!(matches!(outcome.end, End::Interrupted), "{outcome:?}");

    let engine = Engine::new(&journal, &shelf, &registry);
    // The test does not wait for an hour.
    let resumed = tokio::time::timeout(Duration::from_mins(1), engine.resume(outcome.run)).await;
    let outcome = resumed.expect("its time is over already").expect("nobody holds it");
    assert!(matches!(outcome.end, End::Succeeded), "{outcome:?}");
    let record = journal.run(outcome.run).await.expect("it is there");
    assert_eq!((record.steps[0].name.as_str(), record.steps[0].effect), ("rest", Effect::Wait));
    armed.disarm();
}

#[tokio::test]
async fn nothing_is_waited_in_a_plan() {
    let (shelf, day) = (Shelf::default(), Duration::from_hours(24));
    let (steps, ()) = Foresight::new(&shelf).plan::<Nap>(&day).await.expect("nothing is in the way");
    assert_eq!(steps[0].name, "rest");
    assert_eq!(steps[0].effect, Effect::Wait);
}
