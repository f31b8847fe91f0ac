//! Four ways to try any workflow: a crash at each instant, an error at each step, everything done twice, and every
//! answer lost.
//!
//! The second and the third follow steno's `inject_error` and `inject_repeat`. An undo that reads what its step never
//! left, or a step that is not idempotent, shows here and not at three in the morning.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use super::drive::Engine;
use super::registry::Registry;
use super::stop::{End, Outcome};
use super::trial::Trial;
use super::workflow::{Started, Workflow};
use crate::clock::Clock;
use crate::journal::{Journal, JournalError, KeySource, StartError, TakeError};
use crate::retry::RetryPolicy;
use crate::run::{RunId, RunState, Seq, Target};

/// A fresh world for one trial, and the workflow's input in it.
#[derive(Debug)]
pub struct Arranged<W, I> {
    /// The world.
    pub world: W,
    /// The workflow's input.
    pub input: I,
}

/// Why a trial failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The run did not end as expected.
    #[error("{trial:?}: the run ended with {end}, not with {expected}")]
    End {
        /// The trial.
        trial: Trial,
        /// How the run ended.
        end: String,
        /// The expected end.
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

/// Tries one workflow, with a new journal for each trial.
pub struct Trials<'t, W> {
    /// The folder in which the journals are created.
    folder: &'t Path,
    /// The mutations that can be undone.
    registry: &'t Registry<W>,
    /// The delays between failed attempts.
    retry: RetryPolicy,
}

impl<'t, W> Trials<'t, W> {
    /// Trials that repeat failed attempts after a few milliseconds.
    pub fn new(folder: &'t Path, registry: &'t Registry<W>) -> Self {
        let retry = RetryPolicy {
            initial_interval: Duration::from_millis(1),
            max_interval: Duration::from_millis(20),
            multiplier: 2.0,
            max_elapsed: Duration::from_secs(10),
        };
        Self { folder, registry, retry }
    }
}

impl<W: Sync + 'static> Trials<'_, W> {
    /// Fails each step in turn, each time in a fresh world, until the workflow ends without reaching the step. `check`
    /// sees every world after its run is rolled back, and must find it unchanged. Returns the number of steps.
    ///
    /// # Errors
    /// When a run does not roll back.
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
                    return Err(failed(trial, &end, "a rollback"));
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

    /// Carries everything out, forwards and then backwards, and throws away each answer, so that its attempt counts as
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

    /// Tries the workflow in all four ways, each time in a fresh world. `check` sees each world when its run has
    /// succeeded (`true`) and when it was rolled back (`false`).
    ///
    /// # Errors
    /// The first run that does not end as expected.
    pub async fn everything<F: Workflow<World = W>>(
        &self,
        mut arrange: impl AsyncFnMut() -> Arranged<W, F::Input>,
        mut check: impl AsyncFnMut(&W, bool),
    ) -> Result<(), TrialError> {
        self.a_crash_at_every_instant::<F>(&mut arrange, &mut check).await?;
        self.an_error_at_every_step::<F>(&mut arrange, async |world, _| check(world, false).await).await?;
        self.everything_twice::<F>(&arrange().await, &mut check).await?;
        self.every_answer_lost::<F>(&arrange().await, &mut check).await
    }

    /// Stops a run dead at each instant in turn: before and after each commit, and before each wait. The run is then
    /// taken as after a crash, and resumed or rolled back. A rollback that was stopped goes on too. `check` sees the
    /// world as in [`Trials::everything_twice`]. Returns the number of instants.
    ///
    /// # Errors
    /// When a run does not come to the expected end.
    pub async fn a_crash_at_every_instant<F: Workflow<World = W>>(
        &self,
        mut arrange: impl AsyncFnMut() -> Arranged<W, F::Input>,
        mut check: impl AsyncFnMut(&W, bool),
    ) -> Result<u32, TrialError> {
        let mut n_instants = 0;
        for way in [Way::On, Way::Back, Way::BackAgain] {
            for at in 0.. {
                let arranged = arrange().await;
                let (is_forwards, has_crashed) = self.crash::<F>(way, at, &arranged).await?;
                check(&arranged.world, is_forwards).await;
                if !has_crashed {
                    n_instants += at;
                    break;
                }
            }
        }
        Ok(n_instants)
    }

    /// One crash, and what follows. Returns whether the run succeeded, and whether there was a crash.
    async fn crash<F: Workflow<World = W>>(
        &self,
        way: Way,
        at: u32,
        arranged: &Arranged<W, F::Input>,
    ) -> Result<(bool, bool), TrialError> {
        let (path, trial, world) = (self.path(), Trial::CrashAt(at), &arranged.world);
        let journal = open(&path).await?;
        let has_crashed = {
            let doomed = self.engine(trial, &journal, world);
            let sound = self.engine(Trial::None, &journal, world);
            let going = async {
                let first = if way == Way::BackAgain { &sound } else { &doomed };
                let outcome = first.start::<F>(started::<F>(), &arranged.input).await?;
                if way == Way::BackAgain {
                    doomed.rollback(outcome.run).await?;
                }
                Ok::<(), TrialError>(())
            };
            tokio::select! {
                biased;
                () = doomed.crashed() => true,
                gone = Box::pin(going) => gone.map(|()| false)?,
            }
        };
        // Another process has neither the connection nor the locks.
        drop(journal);
        let journal = open(&path).await?;
        let is_forwards = self.take_up(way, trial, &journal, world).await?;
        journal.close().await?;
        Ok((is_forwards, has_crashed))
    }

    /// What the next process does with the run that was left. Returns whether the run succeeded.
    async fn take_up(
        &self,
        way: Way,
        trial: Trial,
        journal: &Journal,
        world: &W,
    ) -> Result<bool, TrialError> {
        let Some(left) = journal.runs(1).await?.pop() else { return Ok(false) };
        let engine = self.engine(Trial::None, journal, world);
        let outcome = match (way, left.state) {
            (Way::On, RunState::Succeeded) => return Ok(true),
            (Way::Back | Way::BackAgain, RunState::RolledBack) => return Ok(false),
            (Way::On, _) => engine.resume(left.id).await?,
            (Way::Back | Way::BackAgain, _) => engine.rollback(left.id).await?,
        };
        match (way, outcome.end) {
            (Way::On, End::Succeeded) => Ok(true),
            (Way::Back | Way::BackAgain, End::RolledBack(_)) => Ok(false),
            (Way::On, end) => Err(failed(trial, &end, "success")),
            (Way::Back | Way::BackAgain, end) => Err(failed(trial, &end, "a rollback")),
        }
    }

    async fn there_and_back<F: Workflow<World = W>>(
        &self,
        trial: Trial,
        arranged: &Arranged<W, F::Input>,
        mut check: impl AsyncFnMut(&W, bool),
    ) -> Result<(), TrialError> {
        let (outcome, journal) = self.start::<F>(trial, arranged).await?;
        let End::Succeeded = outcome.end else { return Err(failed(trial, &outcome.end, "success")) };
        check(&arranged.world, true).await;
        let outcome = self.engine(trial, &journal, &arranged.world).rollback(outcome.run).await?;
        let End::RolledBack(None) = outcome.end else {
            return Err(failed(trial, &outcome.end, "a rollback"));
        };
        check(&arranged.world, false).await;
        journal.close().await?;
        Ok(())
    }

    async fn start<F: Workflow<World = W>>(
        &self,
        trial: Trial,
        arranged: &Arranged<W, F::Input>,
    ) -> Result<(Outcome, Journal), TrialError> {
        let journal = open(&self.path()).await?;
        let engine = self.engine(trial, &journal, &arranged.world);
        // Boxed, so that the caller's future is not as large as the workflow's.
        let started: Pin<Box<dyn Future<Output = _> + '_>> =
            Box::pin(engine.start::<F>(started::<F>(), &arranged.input));
        let outcome = started.await?;
        drop(engine);
        Ok((outcome, journal))
    }

    /// A new journal file for each trial.
    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.db", RunId::random()))
    }

    fn engine<'e>(&'e self, trial: Trial, journal: &'e Journal, world: &'e W) -> Engine<'e, W> {
        Engine::new(journal, world, self.registry).retry_policy(self.retry.clone()).trial(trial)
    }
}

/// What follows a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The run is resumed.
    On,
    /// The run is rolled back.
    Back,
    /// The run was being rolled back, and its rollback goes on.
    BackAgain,
}

async fn open(path: &Path) -> Result<Journal, JournalError> {
    Journal::open(path, KeySource::default(), Clock::system()).await
}

fn started<F: Workflow>() -> Started {
    Started::new(F::NAME, Target::new("trial", F::NAME))
}

fn failed(trial: Trial, end: &End, expected: &'static str) -> TrialError {
    TrialError::End { trial, end: format!("{end:?}"), expected }
}
