//! What a lease writes about steps: intents, results, failures, and their undoing.
//!
//! The invariant: an intent is committed before any request of its step is sent, and a result in one transaction with
//! the event that reports it.

use std::time::Duration;

use serde_json::Value;

use super::change::{Change, NewStep};
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
    /// Commits the intent of the next step before any of its requests is sent, with everything that waited to be
    /// committed. Returns what was committed.
    pub async fn begin(&self, step: &NewStep) -> Result<Vec<Event>, WriteError> {
        let seq = self.next().await;
        if step.effect == Effect::Mutation {
            self.inner.inspected().await?;
        }
        let input = self.sealed(seq, "input", step.input.clone())?;
        let step = NewStep { input, ..step.clone() };
        self.write_with([], |change| change.begin(seq, step)).await
    }

    /// Commits the intent to go on with a recorded step, or to undo it, before any of its requests is sent. If earlier
    /// failures are forgotten, the step has its whole retry budget again.
    pub async fn take_up(
        &self,
        step: &StoredStep,
        direction: Direction,
        forget_retries: bool,
    ) -> Result<Vec<Event>, WriteError> {
        if step.effect == Effect::Mutation {
            self.inner.inspected().await?;
        }
        let (seq, attempt) = (step.seq, step.attempts(direction) + 1);
        let (name, subject) = (step.activity.clone(), step.subject.clone());
        let begun = match direction {
            Direction::Forward => EventKind::StepBegun { seq, name, subject, effect: step.effect, attempt },
            Direction::Backward => EventKind::UndoBegun { seq, name, subject, attempt },
        };
        let forget = |change: &mut Change| {
            if forget_retries && let Some(step) = change.steps.get_mut(&seq) {
                step.standing.forget_retries(direction);
            }
            Ok(())
        };
        self.write_with([begun], forget).await
    }

    /// Commits that an attempt failed, and when the next one may be made.
    pub async fn retrying(
        &self,
        seq: Seq,
        direction: Direction,
        failure: &Failure,
        attempt: u32,
        delay: Duration,
    ) -> Result<Vec<Event>, WriteError> {
        let failure = failure.clone();
        let retrying = match direction {
            Direction::Forward => EventKind::StepRetrying { seq, failure, attempt, delay },
            Direction::Backward => EventKind::UndoRetrying { seq, failure, attempt, delay },
        };
        self.write([retrying]).await
    }

    /// Checkpoints a step's result. It is committed with what follows, or by [`Lease::flush`].
    pub async fn complete(&self, seq: Seq, done: Completion) -> Result<(), WriteError> {
        let output = self.sealed(seq, "output", done.output)?;
        let events = events_of(seq, done.adopted, done.note, done.warnings);
        let result = |change: &mut Change| {
            if let Some(step) = change.steps.get_mut(&seq) {
                step.output = Some(output);
            }
            change.facts.extend(done.facts);
            Ok(())
        };
        self.defer(events, result).await?;
        self.inner.inspect_beside();
        Ok(())
    }

    /// Commits that a step failed for good, or that its compensation did. In the second case the run is stuck.
    pub async fn fail(
        &self,
        seq: Seq,
        direction: Direction,
        failure: &Failure,
    ) -> Result<Vec<Event>, WriteError> {
        let failure = failure.clone();
        let failed = match direction {
            Direction::Forward => EventKind::StepFailed { seq, failure },
            Direction::Backward => EventKind::UndoFailed { seq, failure },
        };
        self.write([failed]).await
    }

    /// Checkpoints that a step is undone, with the facts that earlier compensations need and the warnings for the user.
    /// It is committed with what follows, or by [`Lease::flush`].
    pub async fn complete_undo(
        &self,
        seq: Seq,
        facts: &Facts,
        warnings: Vec<String>,
    ) -> Result<(), WriteError> {
        self.settle_undo(seq, facts, warnings, EventKind::UndoCompleted { seq }).await
    }

    /// Checkpoints a part of a compensation. The part after it is another request, with its own retries.
    pub async fn advance_undo(
        &self,
        seq: Seq,
        facts: &Facts,
        warnings: Vec<String>,
        note: &str,
    ) -> Result<Vec<Event>, WriteError> {
        let advanced = EventKind::UndoAdvanced { seq, note: note.to_owned() };
        self.settle_undo(seq, facts, warnings, advanced).await?;
        self.flush().await
    }

    /// Checkpoints that what was done to undo this step and all later ones is taken back again. They are to be undone
    /// anew.
    pub async fn withdraw_undo(
        &self,
        seq: Seq,
        facts: &Facts,
        warnings: Vec<String>,
    ) -> Result<Vec<Event>, WriteError> {
        let mut told = self.flush().await?;
        let later = self.undone().await.into_iter().filter(|undone| *undone > seq);
        let withdrawn = [seq].into_iter().chain(later).map(|seq| EventKind::UndoWithdrawn { seq });
        let left = |change: &mut Change| {
            change.facts.extend(facts.clone());
            Ok(())
        };
        told.extend(self.write_with(warned(seq, warnings).chain(withdrawn), left).await?);
        Ok(told)
    }

    async fn settle_undo(
        &self,
        seq: Seq,
        facts: &Facts,
        warnings: Vec<String>,
        settled: EventKind,
    ) -> Result<(), WriteError> {
        let left = |change: &mut Change| {
            change.facts.extend(facts.clone());
            Ok(())
        };
        self.defer(warned(seq, warnings).chain([settled]), left).await
    }

    /// A value of a step in the form in which it may be stored: confidential values are sealed.
    fn sealed(&self, seq: Seq, column: &'static str, value: Value) -> Result<Value, WriteError> {
        let spot = Spot { run: self.run(), seq: Some(seq), column };
        Ok(self.inner.sealer().map_err(JournalError::from)?.seal(value, spot))
    }
}

/// The events when a step completes.
pub(super) fn events_of(
    seq: Seq,
    adopted: bool,
    note: Option<String>,
    warnings: Vec<String>,
) -> impl Iterator<Item = EventKind> {
    let adopted = adopted.then_some(EventKind::StepAdopted { seq });
    adopted.into_iter().chain(warned(seq, warnings)).chain([EventKind::StepCompleted { seq, note }])
}

fn warned(seq: Seq, warnings: Vec<String>) -> impl Iterator<Item = EventKind> {
    warnings.into_iter().map(move |message| EventKind::Warned { seq, message })
}
