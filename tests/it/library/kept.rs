//! A run continues with the values that its resume will read, and refuses values that cannot be read again.

use std::collections::HashMap;

use deployctl::engine::{Activity, Cx, End, Engine, Read, Registry, Run, Stop, Workflow};
use deployctl::journal::StartError;
use deployctl::run::{Failure, StepStatus};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Put, Shelf, interrupted_at, journal, nth, started};

/// Weighs what is on the shelf.
#[derive(Serialize, Deserialize)]
struct Weigh {
    factor: f64,
    /// In whatever order the map is walked.
    weights: HashMap<String, u32>,
}

#[derive(Serialize, Deserialize)]
struct Weight {
    grams: f64,
    /// Known only to the process that weighed.
    #[serde(skip)]
    scale: u32,
}

impl Activity for Weigh {
    const NAME: &'static str = "weigh";
    type World = Shelf;
    type Output = Weight;

    async fn execute(&self, _: &Cx<'_, Shelf>) -> Result<Weight, Failure> {
        let sum: u32 = self.weights.values().sum();
        // Without weight, the result is not a number.
        Ok(Weight { grams: f64::from(sum) * self.factor / f64::from(sum), scale: 7 })
    }
}

impl Read for Weigh {}

/// Weighs, puts a thing on the shelf, and weighs again.
struct Weighing;

impl Workflow for Weighing {
    const NAME: &'static str = "weighing";
    const VERSION: u32 = 1;
    type World = Shelf;
    type Input = (f64, HashMap<String, u32>);
    type Output = (f64, u32);

    async fn steps(run: &mut Run<'_, Shelf>, input: &Self::Input) -> Result<(f64, u32), Stop> {
        let (factor, weights) = input;
        let first = run.read(Weigh { factor: *factor, weights: weights.clone() }).await?;
        run.change(Put { name: format!("{} g", first.grams) }).await?;
        // Another map with the same entries, which is walked in another order.
        let again = weights.iter().map(|(name, weight)| (name.clone(), *weight)).collect();
        let last = run.read(Weigh { factor: first.grams, weights: again }).await?;
        Ok((last.grams, first.scale))
    }
}

fn registry() -> Registry<Shelf> {
    Registry::new().workflow::<Weighing>().mutation::<Put>()
}

fn weights() -> HashMap<String, u32> {
    (0..20).map(|n| (format!("thing {n}"), n)).collect()
}

#[tokio::test]
async fn a_resumed_run_sees_what_the_first_one_saw() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    // Stopped after each event in turn, and resumed to the end.
    for n_events in 1..7 {
        let engine = interrupted_at(Engine::new(&journal, &shelf, &registry), nth(n_events));
        let name = n_events.to_string();
        let outcome = engine.start::<Weighing>(started(&name), &(0.1 + 0.2, weights())).await.expect("free");
        let outcome = match outcome.end {
            End::Interrupted => {
                Engine::new(&journal, &shelf, &registry).resume(outcome.run).await.expect("nobody holds it")
            }
            _ => outcome,
        };
        // The first process does not see a value that is not stored either.
        assert_eq!(outcome.output, Some(json!([0.1 + 0.2, 0])), "after {n_events}: {:?}", outcome.end);
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_read_again_is_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry);
    // Zero divided by zero.
    let outcome = engine.start::<Weighing>(started("a"), &(1.0, HashMap::new())).await.expect("free");
    let End::Ours(failure) = outcome.end else { panic!("{outcome:?}") };
    assert_eq!(
        failure.to_string(),
        "keeping the result of step 1 (weigh): at `grams`: invalid type: null, expected f64"
    );
    let step = journal.run(outcome.run).await.expect("it is there").steps.remove(0);
    assert_eq!(step.status, StepStatus::Begun);
    // The run can still be ended.
    let outcome = engine.rollback(outcome.run).await.expect("nobody holds it");
    assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
}

#[tokio::test]
async fn an_input_that_cannot_be_read_again_is_refused_before_there_is_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (Shelf::default(), registry());
    let engine = Engine::new(&journal, &shelf, &registry);
    let refused = engine.start::<Weighing>(started("a"), &(f64::NAN, weights())).await;
    let Err(StartError::Unfit(failure)) = refused else { panic!("{refused:?}") };
    assert_eq!(
        failure.to_string(),
        "keeping the input of weighing: at `[0]`: invalid type: null, expected f64"
    );
    assert!(journal.runs(1).await.expect("it can be read").is_empty());
}
