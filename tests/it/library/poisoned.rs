//! A workflow cannot turn a run that was stopped into a success.

use std::time::Duration;

use deployctl::engine::{
    Activity, Cx, Done, End, Engine, Mutation, Preview, Registry, Run, Stop, Undone, Workflow,
};
use deployctl::run::{Facts, Failure, Holder, Resolution, RunState};
use serde::{Deserialize, Serialize};

use super::{Fill, Put, Shelf, impatient, journal, registry, started};

/// Puts things on the shelf as fast as it can, and ignores every error.
struct Careless;

impl Workflow for Careless {
    const NAME: &'static str = "careless";
    const VERSION: u32 = 1;
    type World = Shelf;
    type Input = Vec<String>;
    type Output = ();

    async fn steps(run: &mut Run<'_, Shelf>, names: &Vec<String>) -> Result<(), Stop> {
        for name in names {
            let put = run.change(Put { name: name.clone() });
            drop(tokio::time::timeout(Duration::from_secs(1), put).await);
        }
        Ok(())
    }
}

/// The same run after an update that removed its last steps.
struct Shorter;

impl Workflow for Shorter {
    const NAME: &'static str = Fill::NAME;
    const VERSION: u32 = Fill::VERSION;
    type World = Shelf;
    type Input = Vec<String>;
    type Output = ();

    async fn steps(run: &mut Run<'_, Shelf>, names: &Vec<String>) -> Result<(), Stop> {
        run.change(Put { name: names[0].clone() }).await.map(drop)
    }
}

/// Runs the careless workflow. Returns how it ended and what is on the shelf.
async fn carelessly(names: &[&str]) -> (End, RunState, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry).retry_policy(impatient());
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let outcome = engine.start::<Careless>(started("a"), &names).await.expect("the target is free");
    let state = journal.run(outcome.run).await.expect("it is there").state;
    (outcome.end, state, shelf.things())
}

#[tokio::test]
async fn a_stop_that_is_not_passed_on_stops_the_run_all_the_same() {
    let (end, state, things) = carelessly(&["cup", "away with it", "plate"]).await;
    assert!(matches!(end, End::Suspended(_)), "{end:?}");
    assert_eq!((state, things), (RunState::Suspended, vec!["cup".to_owned()]));
}

#[tokio::test]
async fn a_step_that_is_dropped_on_the_way_is_no_success() {
    for names in [&["cup", "hanging cup", "plate"][..], &["cup", "hanging cup"]] {
        let (end, state, things) = carelessly(names).await;
        let End::Ours(failure) = end else { panic!("{end:?}") };
        assert_eq!(failure.doing, "waiting for step 2");
        assert_eq!((state, things), (RunState::Running, vec!["cup".to_owned()]));
    }
}

#[tokio::test]
async fn steps_that_are_not_asked_for_any_more_are_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, own) = (Shelf::default(), registry());
    let names = ["cup", "plate", "away"].map(ToOwned::to_owned).to_vec();
    let engine = Engine::new(&journal, &shelf, &own).retry_policy(impatient());
    let run = engine.start::<Fill>(started("a"), &names).await.expect("the target is free").run;

    let shorter = Registry::new().workflow::<Shorter>().mutation::<Put>();
    let outcome = Engine::new(&journal, &shelf, &shorter).resume(run).await.expect("nobody holds it");
    let End::Diverged(diverged) = outcome.end else { panic!("{outcome:?}") };
    assert_eq!((diverged.seq.get(), diverged.asked.as_str()), (2, "the end"));
    assert!(diverged.recorded.starts_with("put plate"), "{diverged:?}");
    let state = journal.run(run).await.expect("it is there").state;
    assert!(!state.is_over(), "{state}");
}

#[tokio::test]
async fn a_mutation_that_could_not_be_undone_is_not_carried_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, without) = (Shelf::default(), Registry::new().workflow::<Fill>());
    let engine = Engine::new(&journal, &shelf, &without);
    let outcome = engine.start::<Fill>(started("a"), &vec!["cup".to_owned()]).await.expect("free");
    let End::Ours(failure) = outcome.end else { panic!("{outcome:?}") };
    assert_eq!(failure.to_string(), "carrying out put: it is not registered, and could not be undone");
    assert_eq!(shelf.things(), Vec::<String>::new());
    assert!(journal.run(outcome.run).await.expect("it is there").steps.is_empty());
}

/// The new form of `Put` in a program that cannot read what an older one kept.
#[derive(Serialize, Deserialize)]
struct Wrapped {
    wrapping: String,
}

impl Activity for Wrapped {
    const NAME: &'static str = Put::NAME;
    type World = Shelf;
    type Output = usize;

    async fn execute(&self, _: &Cx<'_, Shelf>) -> Result<usize, Failure> {
        Ok(self.wrapping.len())
    }
}

impl Mutation for Wrapped {
    fn foresee(&self) -> usize {
        0
    }

    fn preview(&self) -> Preview {
        Preview::of("wrap")
    }

    async fn compensate(&self, _: Done<&usize>, _: &Cx<'_, Shelf>) -> Result<Undone, Failure> {
        Ok(Undone::whole())
    }
}

#[tokio::test]
async fn a_step_that_cannot_be_read_is_resolved_by_a_person() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, own) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &own);
    let names = ["cup", "plate"].map(ToOwned::to_owned).to_vec();
    let run = engine.start::<Fill>(started("a"), &names).await.expect("the target is free").run;
    let other = Registry::new().mutation::<Wrapped>();
    let engine = Engine::new(&journal, &shelf, &other);
    for step in ["2", "1"] {
        let outcome = engine.rollback(run).await.expect("nobody holds it");
        let End::Stuck { failure, .. } = outcome.end else { panic!("{outcome:?}") };
        assert!(failure.to_string().contains("missing field `wrapping`"), "{failure}");
        let holder = Holder::of_this_process("ann");
        let word = ("by hand", &Facts::new());
        journal.resolve(run, step, Resolution::Undone, word.0, word.1, &holder).await.expect("it is stuck");
    }
    let outcome = engine.rollback(run).await.expect("nobody holds it");
    assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
}
