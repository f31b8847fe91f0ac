//! deployctl's engine as a contender: through the face that a library user sees, in the default configuration.

use std::path::Path;
use std::sync::Arc;

use deployctl::engine::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::told::{OUTPUT, Told};

/// A change that changes nothing. Its input is as long as a small request.
#[derive(Serialize, Deserialize)]
struct Count {
    text: String,
}

impl Activity for Count {
    const NAME: &'static str = "count";
    type World = Told;
    type Output = String;

    async fn execute(&self, cx: &Cx<'_, Told>) -> Result<String, Failure> {
        Ok(cx.world.execute().await)
    }
}

impl Mutation for Count {
    fn foresee(&self) -> String {
        OUTPUT.to_owned()
    }

    fn preview(&self) -> Preview {
        Preview::of("count")
    }

    async fn compensate(&self, _: Done<&String>, _: &Cx<'_, Told>) -> Result<Undone, Failure> {
        Ok(Undone::whole())
    }
}

/// Counts so many times.
struct Counting;

impl Workflow for Counting {
    const NAME: &'static str = "counting";
    type World = Told;
    type Input = usize;
    type Output = ();

    async fn steps(run: &mut Run<'_, Told>, n: &usize) -> Result<(), Stop> {
        for _ in 0..*n {
            run.change(Count { text: OUTPUT.repeat(2) }).await?;
        }
        Ok(())
    }
}

fn registry() -> Registry<Told> {
    Registry::new().workflow::<Counting>().mutation::<Count>()
}

async fn open(file: &Path) -> Journal {
    Journal::at(file).await.expect("the journal opens")
}

/// Starts a run of `n` steps on a target of its own, and drives it to its end.
async fn drive(journal: &Journal, told: &Told, target: &str, n: usize) -> End {
    let registry = registry();
    let started = Started::new("counting", Target::new("count", target));
    let outcome = Engine::new(journal, told, &registry).start::<Counting>(started, &n).await;
    outcome.expect("the target is free").end
}

/// Prints the times between the steps of one run.
pub(crate) async fn steps(file: &Path, n: usize) {
    let (journal, told) = (open(file).await, Told::default());
    let end = drive(&journal, &told, "steps", n).await;
    assert!(matches!(end, End::Succeeded), "{end:?}");
    told.print_gaps();
}

/// Begins a run of `n` steps, and hangs in the last one.
pub(crate) async fn hang(file: &Path, n: usize) {
    drive(&open(file).await, &Told::hanging_in(n), "hang", n).await;
}

/// Goes on with the newest run, and hangs in the first step that it executes.
pub(crate) async fn resume(file: &Path) {
    let (journal, told, registry) = (open(file).await, Told::hanging_in(1), registry());
    let newest = journal.runs(1).await.expect("it can be read")[0].id;
    Engine::new(&journal, &told, &registry).resume(newest).await.expect("its holder is gone");
}

/// Prints the times between the steps of each of `n_runs` runs that one process drives at once.
pub(crate) async fn crowd(file: &Path, n_runs: usize, n: usize) {
    let journal = open(file).await;
    let mut runs = JoinSet::new();
    for run in 0..n_runs {
        let journal = journal.clone();
        runs.spawn(async move {
            let told = Arc::new(Told::default());
            let end = drive(&journal, &told, &run.to_string(), n).await;
            assert!(matches!(end, End::Succeeded), "{end:?}");
            told
        });
    }
    for told in runs.join_all().await {
        told.print_gaps();
    }
}

/// One of many processes that start a run at once. Prints the times between its steps, also if it does not come to its end.
pub(crate) async fn start(file: &Path, target: &str, n: usize) -> bool {
    let (journal, told) = (open(file).await, Told::default());
    let end = drive(&journal, &told, target, n).await;
    told.print_gaps();
    matches!(end, End::Succeeded)
}

/// Adds `n_runs` runs of one step that have succeeded.
pub(crate) async fn fill(file: &Path, n_runs: usize) {
    let (journal, told) = (open(file).await, Told::default());
    for run in 0..n_runs {
        drive(&journal, &told, &format!("fill-{}", run % 100), 1).await;
    }
    journal.close().await.expect("it closes");
}
