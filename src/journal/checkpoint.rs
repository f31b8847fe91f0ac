//! What a lease writes about steps: intents, results, failures, and their undoing.
//!
//! The invariant: an intent is committed before any request of its step is sent, and a result in one transaction with
//! the event that reports it.

use std::time::Duration;

use serde_json::Value;

use super::change::NewStep;
use super::error::{JournalError, WriteError};
use super::lease::Lease;
use super::seal::Spot;
use super::step::StoredStep;
use crate::run::{Direction, Effect, Event, EventKind, Facts, Failure, Seq};

/// What is committed when a step completes.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// The result. Its confidential values are sealed before they are stored.
    pub output: Value,
    /// A short note on the result.
    pub note: Option<String>,
    /// Facts for later steps, compensations and reports.
    pub facts: Facts,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Whether the step was in doubt and turned out to have happened.
    pub adopted: bool,
}

impl Lease {
    /// Commits the intent of the next step before any of its requests is sent.
    pub async fn begin(&mut self, step: &NewStep) -> Result<Event, WriteError> {
        let number = u32::try_from(self.standing.steps.len() + 1).unwrap_or(0);
        let seq = Seq::new(number).expect("a run has fewer than 2^32 steps");
        if step.effect == Effect::Mutation {
            self.inner.inspected().await?;
        }
        let input = self.sealed(seq, "input", step.input.clone())?;
        let change = self.change([])?.and_new(seq, NewStep { input, ..step.clone() })?;
        self.commit_one(change).await
    }

    /// Commits the intent to go on with a recorded step, or to undo it, before any of its requests is sent. If earlier
    /// failures are forgotten, the step has its whole retry budget again.
    pub async fn take_up(
        &mut self,
        step: &StoredStep,
        direction: Direction,
        forget_retries: bool,
    ) -> Result<Event, WriteError> {
        if step.effect == Effect::Mutation {
            self.inner.inspected().await?;
        }
        let (seq, attempt) = (step.seq, step.attempts(direction) + 1);
        let (name, subject) = (step.activity.clone(), step.subject.clone());
        let mut change = self.change([match direction {
            Direction::Forward => EventKind::StepBegun { seq, name, subject, effect: step.effect, attempt },
            Direction::Backward => EventKind::UndoBegun { seq, name, subject, attempt },
        }])?;
        if forget_retries && let Some(step) = change.steps.get_mut(&seq) {
            step.standing.forget_retries(direction);
        }
        self.commit_one(change).await
    }

    /// Commits that an attempt failed, and when the next one may be made.
    pub async fn retrying(
        &mut self,
        seq: Seq,
        direction: Direction,
        failure: &Failure,
        attempt: u32,
        delay: Duration,
    ) -> Result<Event, WriteError> {
        let failure = failure.clone();
        let change = self.change([match direction {
            Direction::Forward => EventKind::StepRetrying { seq, failure, attempt, delay },
            Direction::Backward => EventKind::UndoRetrying { seq, failure, attempt, delay },
        }])?;
        self.commit_one(change).await
    }

    /// Checkpoints a step's result.
    pub async fn complete(&mut self, seq: Seq, done: Completion) -> Result<Vec<Event>, WriteError> {
        let output = self.sealed(seq, "output", done.output)?;
        let adopted = done.adopted.then_some(EventKind::StepAdopted { seq });
        let completed = EventKind::StepCompleted { seq, note: done.note };
        let warned = warned(seq, done.warnings);
        let mut change = self.change(adopted.into_iter().chain(warned).chain([completed]))?;
        if let Some(step) = change.steps.get_mut(&seq) {
            step.output = Some(output);
        }
        change.facts = done.facts;
        let told = self.commit(change).await?;
        self.inner.inspect_beside();
        Ok(told)
    }

    /// Commits that a step failed for good, or that its compensation did. In the second case the run is stuck.
    pub async fn fail(
        &mut self,
        seq: Seq,
        direction: Direction,
        failure: &Failure,
    ) -> Result<Event, WriteError> {
        let failure = failure.clone();
        let change = self.change([match direction {
            Direction::Forward => EventKind::StepFailed { seq, failure },
            Direction::Backward => EventKind::UndoFailed { seq, failure },
        }])?;
        self.commit_one(change).await
    }

    /// Checkpoints that a step is undone, with the facts that earlier compensations need and the warnings for the user.
    pub async fn complete_undo(
        &mut self,
        seq: Seq,
        facts: &Facts,
        warnings: Vec<String>,
    ) -> Result<Vec<Event>, WriteError> {
        let mut change = self.change(warned(seq, warnings).chain([EventKind::UndoCompleted { seq }]))?;
        change.facts = facts.clone();
        self.commit(change).await
    }

    /// Checkpoints a part of a compensation. The part after it is another request, with its own retries.
    pub async fn advance_undo(
        &mut self,
        seq: Seq,
        facts: &Facts,
        warnings: Vec<String>,
        note: &str,
    ) -> Result<Vec<Event>, WriteError> {
        let advanced = EventKind::UndoAdvanced { seq, note: note.to_owned() };
        let mut change = self.change(warned(seq, warnings).chain([advanced]))?;
        change.facts = facts.clone();
        self.commit(change).await
    }

    /// A value of a step in the form in which it may be stored: confidential values are sealed.
    fn sealed(&self, seq: Seq, column: &'static str, value: Value) -> Result<Value, WriteError> {
        let spot = Spot { run: self.run(), seq: Some(seq), column };
        Ok(self.inner.sealer().map_err(JournalError::from)?.seal(value, spot))
    }
}

fn warned(seq: Seq, warnings: Vec<String>) -> impl Iterator<Item = EventKind> {
    warnings.into_iter().map(move |message| EventKind::Warned { seq, message })
}
