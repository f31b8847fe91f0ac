//! A newer version of a program continues a run that an older one began.

use deployctl::engine::{
    Activity, Cx, Done, End, Engine, Mutation, Past, Preview, Registry, Run, Stop, Undone, Workflow,
};
use deployctl::journal::Journal;
use deployctl::run::{EventKind, Failure, RunId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Fill, Put, Shelf, event, interrupted_at, journal, nth, registry, started};

/// The new form of `Put`: another name, another wording, and one more field.
#[derive(Serialize, Deserialize)]
struct Place {
    name: String,
    /// Which shelf. There used to be only one.
    #[serde(default)]
    board: u32,
    /// How the thing is put makes no difference to the step.
    #[serde(default)]
    gently: bool,
}

impl Activity for Place {
    const NAME: &'static str = "place";
    const ALIASES: &'static [&'static str] = &[Put::NAME];
    type World = Shelf;
    type Output = usize;

    fn subject(&self) -> Option<String> {
        Some(format!("{} on board {}", self.name, self.board))
    }

    fn identity(&self) -> Option<Value> {
        Some(json!({"name": self.name, "board": self.board}))
    }

    async fn execute(&self, cx: &Cx<'_, Shelf>) -> Result<usize, Failure> {
        Put { name: self.name.clone() }.execute(cx).await
    }
}

impl Mutation for Place {
    fn foresee(&self) -> usize {
        self.name.len()
    }

    fn preview(&self) -> Preview {
        Preview::of(format!("place {}", self.name))
    }

    async fn compensate(&self, _: Done<&usize>, cx: &Cx<'_, Shelf>) -> Result<Undone, Failure> {
        Put { name: self.name.clone() }.compensate(Done::InDoubt, cx).await
    }
}

/// The new form of `Fill`: it dusts the shelf first, and puts a label on it before the last thing.
struct Stock;

impl Workflow for Stock {
    const NAME: &'static str = "stock";
    const ALIASES: &'static [&'static str] = &[Fill::NAME];
    const VERSION: u32 = Fill::VERSION;
    type World = Shelf;
    type Input = Vec<String>;
    type Output = usize;

    async fn steps(run: &mut Run<'_, Shelf>, names: &Vec<String>) -> Result<usize, Stop> {
        let place = |name: &str| Place { name: name.to_owned(), board: 0, gently: true };
        let mut n = 0;
        if run.patched("dust").await? {
            run.change(place("duster")).await?;
        }
        for (index, name) in names.iter().enumerate() {
            if index + 1 == names.len() && run.patched("label").await? {
                run.change(place("label")).await?;
            }
            n += run.change(place(name)).await?;
        }
        Ok(n)
    }
}

fn upgraded() -> Registry<Shelf> {
    Registry::new().workflow::<Stock>().mutation::<Place>()
}

/// A run of the older version, left after the step with this number.
async fn begun(journal: &Journal, shelf: &Shelf, last: u32) -> RunId {
    let registry = registry();
    let engine = interrupted_at(
        Engine::new(journal, shelf, &registry),
        // A change that is under way when the user interrupts is still made.
        event(move |kind| matches!(kind, EventKind::StepBegun { seq, .. } if seq.get() == last)),
    );
    let names = ["cup", "plate", "jug"].map(ToOwned::to_owned).to_vec();
    let outcome = engine.start::<Fill>(started("a"), &names).await.expect("the target is free");
    assert!(matches!(outcome.end, End::Interrupted), "{outcome:?}");
    outcome.run
}

#[tokio::test]
async fn a_newer_program_goes_on_with_a_run_of_before_and_takes_it_back() {
    for (last, things) in
        [(1, vec!["cup", "jug", "label", "plate"]), (2, vec!["cup", "jug", "label", "plate"])]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = journal(folder.path()).await;
        let shelf = Shelf::default();
        let run = begun(&journal, &shelf, last).await;
        let registry = upgraded();
        let engine = Engine::new(&journal, &shelf, &registry);
        let outcome = engine.resume(run).await.expect("nobody holds it");
        assert_eq!(outcome.output, Some(json!(11)), "{:?}", outcome.end);
        // The run was past the dusting, and not yet past the label.
        assert_eq!(shelf.things(), things, "left after step {last}");
        let past = Past::from(journal.history(run).await.expect("it can be read"));
        assert_eq!(past.output::<Place>().expect("it can be read"), Some(3), "what was then called put");
        let outcome = engine.rollback(run).await.expect("nobody holds it");
        assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
        assert_eq!(shelf.things(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_steps_of_a_patch_are_taken_by_a_new_run_and_by_its_resume() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), upgraded());
    let names = vec!["cup".to_owned()];
    // Stopped after each event in turn, and resumed to the end.
    for n_events in 1..12 {
        let engine = interrupted_at(Engine::new(&journal, &shelf, &registry), nth(n_events));
        let outcome = engine.start::<Stock>(started(&n_events.to_string()), &names).await.expect("free");
        let run = outcome.run;
        if matches!(outcome.end, End::Interrupted) {
            let outcome =
                Engine::new(&journal, &shelf, &registry).resume(run).await.expect("nobody holds it");
            assert!(matches!(outcome.end, End::Succeeded), "{outcome:?}");
        }
        assert_eq!(shelf.things(), ["cup", "duster", "label"], "stopped after {n_events}");
        let outcome = Engine::new(&journal, &shelf, &registry).rollback(run).await.expect("nobody holds it");
        assert!(matches!(outcome.end, End::RolledBack(_)), "{outcome:?}");
    }
}

/// A program that puts its things on another shelf.
struct Higher;

impl Workflow for Higher {
    const NAME: &'static str = Fill::NAME;
    const VERSION: u32 = Fill::VERSION;
    type World = Shelf;
    type Input = Vec<String>;
    type Output = usize;

    async fn steps(run: &mut Run<'_, Shelf>, names: &Vec<String>) -> Result<usize, Stop> {
        run.change(Place { name: names[0].clone(), board: 2, gently: false }).await
    }
}

#[tokio::test]
async fn a_divergence_names_the_field_that_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let shelf = Shelf::default();
    let run = begun(&journal, &shelf, 1).await;
    let registry = Registry::new().workflow::<Higher>().mutation::<Place>();
    let outcome = Engine::new(&journal, &shelf, &registry).resume(run).await.expect("nobody holds it");
    let End::Diverged(diverged) = outcome.end else { panic!("{outcome:?}") };
    assert_eq!(
        diverged.to_string(),
        "step 1 of the run is `put cup`, but this version of the program would do `place cup on board 2`: at `board`, 0 is \
         recorded, and 2 is asked for"
    );
    assert_eq!(shelf.things(), ["cup"]);
}
