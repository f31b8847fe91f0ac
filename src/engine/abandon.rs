//! Ends a run by hand for one of its sides: keeps that side and takes the other one away.
//!
//! Keeping the old side is a rollback of the new side alone. Keeping the new side is a workflow of its own, whose steps
//! follow those of the run. If one of them fails, nothing is rolled back.

use super::activity::Activity;
use super::codec::{self, Unfit, decode, through};
use super::drive::{Engine, Taken};
use super::registry::steps;
use super::rollback::Walk;
use super::same::is_called;
use super::stop::{End, Outcome, Stop};
use super::workflow::Workflow;
use crate::journal::{Abandonment, History, Kept, StoredStep, Take, TakeError};
use crate::run::{Event, EventKind, Facts, Failure, Keep, OnFailure, RunId, Seq};

impl<W: Sync + 'static> Engine<'_, W> {
    /// Keeps the new side: the workflow `F` takes the old one away.
    pub async fn keep_new<F: Workflow<World = W>>(
        &self,
        run: RunId,
        reason: Option<String>,
        input: &F::Input,
    ) -> Result<Outcome, TakeError> {
        let way = Take::Abandon(Abandonment { keep: Keep::New, reason });
        let (lease, history, events) = self.take(run, way, Facts::new()).await?;
        let mut taken = Taken::from(history);
        (taken.on_failure, taken.next) = (OnFailure::Halt, from(&events));
        let stored = match through(input) {
            Ok((stored, _)) => stored,
            Err(unfit) => {
                let failure = unfit.failure(&format!("the input of {}", F::NAME));
                return Ok(self.leave(lease, Stop::Ours(failure)).await);
            }
        };
        let outcome = self.forward(lease, taken, steps::<F>, &stored).await;
        Ok(match outcome.end {
            End::Halted(failure) => Outcome { end: End::NotAbandoned(failure), ..outcome },
            _ => outcome,
        })
    }

    /// Keeps the old side: undoes every step of these activities, which make up the new side.
    pub async fn keep_old(
        &self,
        run: RunId,
        reason: Option<String>,
        new_side: &'static [&'static str],
    ) -> Result<Outcome, TakeError> {
        let way = Take::Abandon(Abandonment { keep: Keep::Old, reason });
        let (lease, history, events) = self.take(run, way, Facts::new()).await?;
        let mut taken = Taken::from(history);
        taken.walk = Walk::Side(new_side, from(&events));
        Ok(self.backward(lease, taken, None).await)
    }
}

/// The step at which the ending of the run begins.
fn from(events: &[Event]) -> Seq {
    let from = events.iter().find_map(|event| match &event.kind {
        EventKind::RunAbandoned { from, .. } => Some(*from),
        _ => None,
    });
    from.expect("who abandons a run commits from where on")
}

/// What a run has done, for code that ends the run, or does a part of it by hand.
#[derive(Debug)]
pub struct Past {
    steps: Vec<StoredStep>,
    /// The facts that its steps left for others.
    pub facts: Facts,
    input: serde_json::Value,
}

impl From<History> for Past {
    fn from(history: History) -> Self {
        Self { steps: history.steps, facts: history.facts, input: history.input }
    }
}

impl Past {
    /// The input of the workflow.
    ///
    /// # Errors
    /// When the input belongs to another workflow.
    pub fn input<F: Workflow>(&self) -> Result<F::Input, Failure> {
        read(&self.input, F::NAME)
    }

    /// The input of the step with this number, if the step is one of this activity.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn given<A: Activity>(&self, seq: Seq) -> Result<Option<A>, Failure> {
        let step = self.steps.iter().find(|step| step.seq == seq && is_called::<A>(&step.activity));
        step.map(|step| read_kept(&step.input, A::NAME)).transpose()
    }

    /// The checkpoint of the first step of this activity.
    ///
    /// # Errors
    /// When the checkpoint cannot be read.
    pub fn output<A: Activity>(&self) -> Result<Option<A::Output>, Failure> {
        let mut steps = self.steps.iter().filter(|step| is_called::<A>(&step.activity));
        steps.find_map(|step| step.output.as_ref()).map(|output| read_kept(output, A::NAME)).transpose()
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &serde_json::Value, name: &str) -> Result<T, Failure> {
    decode(value).map_err(|unfit| unreadable(name, &unfit))
}

fn read_kept<T: serde::de::DeserializeOwned>(kept: &Kept, name: &str) -> Result<T, Failure> {
    codec::read(kept).map_err(|unfit| unreadable(name, &unfit))
}

fn unreadable(name: &str, unfit: &Unfit) -> Failure {
    Failure::ours(format!("reading what the journal holds of {name}"), unfit.to_string())
}
