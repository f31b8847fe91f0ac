//! The output of a workflow, and finding its runs again by its name.

use deployctl::engine::{End, Engine, Foresight, Registry, Run, Stop, Workflow};
use deployctl::run::{EventKind, RunState};
use serde_json::json;

use super::{Fill, Put, Shelf, event, impatient, interrupted_at, journal, nth, registry, started};

#[tokio::test]
async fn a_run_and_its_plan_come_to_the_same_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let names = vec!["cup".to_owned(), "plate".to_owned()];
    let (steps, foreseen) = Foresight::new(&shelf).plan::<Fill>(&names).await.expect("nothing is in the way");
    assert_eq!(steps.len(), 2);
    assert_eq!(foreseen, 8);
    assert_eq!(shelf.things(), Vec::<String>::new());
    let engine = Engine::new(&journal, &shelf, &registry);
    let outcome = engine.start::<Fill>(started("a"), &names).await.expect("the target is free");
    assert_eq!(outcome.output, Some(json!(8)), "{:?}", outcome.end);
}

#[tokio::test]
async fn a_run_is_resumed_by_the_name_of_its_workflow() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let names = vec!["cup".to_owned(), "plate".to_owned()];
    let engine = interrupted_at(Engine::new(&journal, &shelf, &registry), nth(1));
    let outcome = engine.start::<Fill>(started("a"), &names).await.expect("the target is free");
    assert!(matches!(outcome.end, End::Interrupted), "{outcome:?}");
    let run = outcome.run;

    // A program without this workflow does not take it for another one, and leaves the run unchanged.
    let without = Registry::new().mutation::<Put>();
    let outcome = Engine::new(&journal, &shelf, &without).resume(run).await.expect("nobody holds it");
    let End::UnknownWorkflow(unknown) = outcome.end else { panic!("{outcome:?}") };
    assert_eq!(unknown.to_string(), "it is a run of `fill` version 1, and this program has no workflow");
    assert_eq!(journal.run(run).await.expect("it is there").state, RunState::Running);

    let engine = Engine::new(&journal, &shelf, &registry).retry_policy(impatient());
    let outcome = engine.resume(run).await.expect("nobody holds it");
    assert_eq!(outcome.output, Some(json!(8)), "{:?}", outcome.end);
    assert_eq!(shelf.things(), names);
}

/// The workflow of a program that asks for the steps in another order.
struct FillBackwards;

impl Workflow for FillBackwards {
    const NAME: &'static str = Fill::NAME;
    const VERSION: u32 = Fill::VERSION;
    type World = Shelf;
    type Input = Vec<String>;
    type Output = usize;

    async fn steps(run: &mut Run<'_, Shelf>, names: &Vec<String>) -> Result<usize, Stop> {
        let names = names.iter().rev().cloned().collect();
        Fill::steps(run, &names).await
    }
}

#[tokio::test]
async fn a_program_that_asks_for_another_step_than_was_recorded_does_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let names = vec!["cup".to_owned(), "plate".to_owned()];
    let engine = interrupted_at(
        Engine::new(&journal, &shelf, &registry),
        event(|kind| matches!(kind, EventKind::StepCompleted { .. })),
    );
    let run = engine.start::<Fill>(started("a"), &names).await.expect("the target is free").run;
    assert_eq!(shelf.things(), ["cup"]);
    let other = Registry::new().workflow::<FillBackwards>().mutation::<Put>();
    let outcome = Engine::new(&journal, &shelf, &other).resume(run).await.expect("nobody holds it");
    let End::Diverged(diverged) = outcome.end else { panic!("{outcome:?}") };
    assert!(diverged.recorded.contains("put cup") && diverged.asked.contains("put plate"), "{diverged}");
    assert_eq!(shelf.things(), ["cup"]);
    let outcome = Engine::new(&journal, &shelf, &other).rollback(run).await.expect("nobody holds it");
    assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
    assert_eq!(shelf.things(), Vec::<String>::new());
}
