//! Three ways to try a workflow that work for any: an error at each step, everything done twice, and every answer lost.
//!
//! The first two after steno's (`inject_error`, `inject_repeat`): an undo that reads what its step never left, or a step that is
//! not idempotent, shows here and not at three in the morning.

use std::path::Path;
use std::pin::Pin;

use super::drive::Engine;
use super::registry::Registry;
use super::stop::{End, Outcome};
use super::trial::Trial;
use super::workflow::{Started, Workflow};
use crate::clock::Clock;
use crate::journal::{Journal, JournalError, KeySource, StartError, TakeError};
use crate::retry::RetryPolicy;
use crate::run::{OnFailure, RunId, Seq, Target};

/// A fresh world for one trial, and what the workflow is given in it.
#[derive(Debug)]
pub struct Arranged<W, I> {
    /// The world.
    pub world: W,
    /// The workflow's input.
    pub input: I,
}

/// What came of a trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The run did not end as it must.
    #[error("{trial:?}: the run ended with {end}, not with {expected}")]
    End {
        /// What was done to it.
        trial: Trial,
        /// How it ended.
        end: String,
        /// How it must.
        expected: &'static str,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The run could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The run could not be rolled back.
    #[error(transparent)]
    Take(#[from] TakeError),
}

/// Tries one workflow, in a journal of its own for each trial.
pub struct Trials<'t, W> {
    /// Where the journals are made.
    pub folder: &'t Path,
    /// What can be undone.
    pub registry: &'t Registry<W>,
    /// How failed attempts are spaced.
    pub retry: RetryPolicy,
}

impl<W: Sync + 'static> Trials<'_, W> {
    /// Fails each step in turn, each time in a fresh world, until the workflow comes to its end without reaching the
    /// step. `check` sees every world after its run is unwound, and must find it as it was. Returns how many steps
    /// there are.
    ///
    /// # Errors
    /// When a run does not unwind.
    pub async fn an_error_at_every_step<F: Workflow<World = W>>(
        &self,
        mut arrange: impl AsyncFnMut() -> Arranged<W, F::Input>,
        mut check: impl AsyncFnMut(&W, Seq),
    ) -> Result<u32, TrialError> {
        let mut seq = Seq::FIRST;
        loop {
            let trial = Trial::FailAt(seq);
            let arranged = arrange().await;
            let (outcome, journal) = self.start::<F>(trial, &arranged).await?;
            journal.close().await?;
            match outcome.end {
                End::RolledBack(Some(_)) | End::Refused(_) => check(&arranged.world, seq).await,
                End::Succeeded => return Ok(seq.get() - 1),
                end => {
                    return Err(TrialError::End { trial, end: format!("{end:?}"), expected: "a rollback" });
                }
            }
            seq = seq.next();
        }
    }

    /// Does everything twice, forwards and then backwards. `check` sees the world after the run succeeded (`true`) and
    /// after it was rolled back (`false`), and must find it as if everything had been done once.
    ///
    /// # Errors
    /// When the run does not succeed, or cannot be rolled back.
    pub async fn everything_twice<F: Workflow<World = W>>(
        &self,
        arranged: &Arranged<W, F::Input>,
        check: impl AsyncFnMut(&W, bool),
    ) -> Result<(), TrialError> {
        self.there_and_back::<F>(Trial::Twice, arranged, check).await
    }

    /// Carries everything out and throws its answer away, forwards and then backwards; goes on as after an attempt that
    /// failed. `check` sees the world as in [`Trials::everything_twice`].
    ///
    /// # Errors
    /// When the run does not succeed, or cannot be rolled back.
    pub async fn every_answer_lost<F: Workflow<World = W>>(
        &self,
        arranged: &Arranged<W, F::Input>,
        check: impl AsyncFnMut(&W, bool),
    ) -> Result<(), TrialError> {
        self.there_and_back::<F>(Trial::AnswerLost, arranged, check).await
    }

    async fn there_and_back<F: Workflow<World = W>>(
        &self,
        trial: Trial,
        arranged: &Arranged<W, F::Input>,
        mut check: impl AsyncFnMut(&W, bool),
    ) -> Result<(), TrialError> {
        let failed = |end: End, expected| TrialError::End { trial, end: format!("{end:?}"), expected };
        let (outcome, journal) = self.start::<F>(trial, arranged).await?;
        let End::Succeeded = outcome.end else { return Err(failed(outcome.end, "success")) };
        check(&arranged.world, true).await;
        let outcome = self.engine(trial, &journal, &arranged.world).rollback(outcome.run).await?;
        let End::RolledBack(None) = outcome.end else { return Err(failed(outcome.end, "a rollback")) };
        check(&arranged.world, false).await;
        journal.close().await?;
        Ok(())
    }

    async fn start<F: Workflow<World = W>>(
        &self,
        trial: Trial,
        arranged: &Arranged<W, F::Input>,
    ) -> Result<(Outcome, Journal), TrialError> {
        let path = self.folder.join(format!("{}.db", RunId::random()));
        let journal = Journal::open(&path, KeySource { from_env: None }, Clock::system()).await?;
        let started = Started {
            name: F::NAME.to_owned(),
            context: serde_json::Value::Null,
            on_failure: OnFailure::Rollback,
            target: Target::new("trial", F::NAME),
        };
        let engine = self.engine(trial, &journal, &arranged.world);
        // Boxed, so that the caller's future is not as deep as the workflow's.
        let started: Pin<Box<dyn Future<Output = _> + '_>> =
            Box::pin(engine.start::<F>(started, &arranged.input));
        let outcome = started.await?;
        drop(engine);
        Ok((outcome, journal))
    }

    fn engine<'e>(&'e self, trial: Trial, journal: &'e Journal, world: &'e W) -> Engine<'e, W> {
        Engine::new(journal, world, self.registry).retry(self.retry.clone()).trial(trial)
    }
}
