//! Measures what the journal adds to a step, and whether it adds more at step 10,000 than at step 10.
//!
//! `cargo bench --bench journal`. It prints medians and asserts nothing, because it measures a disk.

use std::time::Duration;

use deployctl::clock::Clock;
use deployctl::journal::{Completion, Journal, KeySource, NewRun, NewStep};
use deployctl::run::{Effect, Holder, OnFailure, Seq, StepId, Target};
use serde_json::json;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
async fn measure() {
    const STEPS: u32 = 10_000;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::system();
    let journal = Journal::open(&folder.path().join("journal.db"), KeySource::default(), clock)
        .await
        .expect("a journal");
    let holder = Holder::of_this_process("bench");
    let new = NewRun {
        workflow: "bench".to_owned(),
        workflow_version: 1,
        name: "bench".to_owned(),
        input: json!({}),
        context: json!({}),
        on_failure: OnFailure::Halt,
        target: Target::new("bench", "bench"),
    };
    let (mut lease, _) = journal.start(new, &holder).await.expect("a run");
    let step = NewStep {
        id: StepId::of("step", None),
        activity: "step".to_owned(),
        subject: None,
        effect: Effect::Mutation,
        input: json!({"text": "x".repeat(200)}),
        input_digest: "digest".to_owned(),
    };
    let mut took = Vec::new();
    for n in 1..=STEPS {
        let seq = Seq::new(n).expect("not zero");
        let begun = tokio::time::Instant::now();
        lease.begin(&step).await.expect("begun");
        let done = Completion { output: json!({"id": "x".repeat(80)}), ..Completion::default() };
        lease.complete(seq, done).await.expect("completed");
        took.push(begun.elapsed());
    }
    let median = |range: &mut [Duration]| {
        range.sort_unstable();
        range[range.len() / 2]
    };
    println!("two commits a step, median of steps      1 to  1,000: {:?}", median(&mut took[..1_000]));
    println!("two commits a step, median of steps  9,001 to 10,000: {:?}", median(&mut took[9_000..]));
    let begun = tokio::time::Instant::now();
    let history = journal.history(lease.run()).await.expect("a history");
    println!("loading a history of {} steps: {:?}", history.steps.len(), begun.elapsed());
    lease.release().await.expect("released");
}
