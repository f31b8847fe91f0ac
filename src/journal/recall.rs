//! A run whose journal is lost, as it was inferred from the world. It is recorded in one commit: a process that dies half
//! way leaves nothing, and never a run that would begin from the start.

use serde_json::Value;
use sqlx::SqliteConnection;

use super::apply::{apply, commit};
use super::change::{Change, NewStep, Standing, Tenure};
use super::checkpoint::{Completion, events_of};
use super::error::{JournalError, StartError, WriteError};
use super::handle::{Inner, Journal};
use super::held::lock_new;
use super::known::Known;
use super::patience::begin;
use super::seal::Spot;
use super::start::{Begun, NewRun, begin_run};
use super::wal;
use crate::run::{Event, EventKind, Failure, Fence, Holder, RunId, Seq, StepStanding, Target};

/// A step of a run whose journal is lost.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// The step.
    pub step: NewStep,
    /// Its result. `None` for the first change that cannot be seen, which is in doubt.
    pub done: Option<Completion>,
}

/// What a run has done whose journal is lost.
#[derive(Clone, Debug)]
pub struct Recollection {
    /// The run.
    pub run: RunId,
    /// Its steps, in order.
    pub steps: Vec<Recalled>,
    /// The targets that it holds besides its first one.
    pub targets: Vec<Target>,
    /// What it has not done; `None` if it came to its end.
    pub left: Option<Failure>,
    /// Whether it may only go backwards from here.
    pub goes_back: bool,
}

impl Journal {
    /// Records a run under the id that it had in another journal, and leaves it suspended.
    ///
    /// # Errors
    /// [`StartError::TargetHeld`] when another run holds one of its targets and is not over.
    pub async fn recover(
        &self,
        new: NewRun,
        recollection: Recollection,
        holder: &Holder,
    ) -> Result<Vec<Event>, StartError> {
        let events = self.announced(self.recover_announced(new, recollection, holder)).await?;
        wal::settle(&self.0, &mut *self.0.writing(&self.0.patience()).await).await;
        Ok(events)
    }

    async fn recover_announced(
        &self,
        new: NewRun,
        recollection: Recollection,
        holder: &Holder,
    ) -> Result<Vec<Event>, StartError> {
        let inner = &self.0;
        let Recollection { run, steps, targets, left, goes_back } = recollection;
        let _lock = lock_new(inner, run)?;
        let patience = inner.patience();
        let mut connection = inner.writing(&patience).await;
        let mut tx = begin!(&inner.path, connection, patience);
        let begun = begin_run(inner, &mut tx, run, new, holder, targets).await?;
        let mut writing = Writing::after(inner, run, begun);
        for (number, Recalled { step, done }) in (1..).zip(steps) {
            let seq = Seq::new(number).expect("steps are numbered from 1");
            let input = writing.sealed(seq, "input", step.input.clone())?;
            writing.write(&mut tx, |change, _| Ok(change.begin(seq, NewStep { input, ..step })?)).await?;
            let Some(done) = done else { continue };
            let output = writing.sealed(seq, "output", done.output)?;
            let events = events_of(seq, done.adopted, done.note, done.warnings);
            let complete = |change: &mut Change, steps: &[StepStanding]| {
                add(change, events, steps)?;
                change.facts.extend(done.facts);
                if let Some(step) = change.steps.get_mut(&seq) {
                    step.output = Some(output);
                }
                Ok(())
            };
            writing.write(&mut tx, complete).await?;
        }
        let turned = goes_back.then_some(EventKind::RollbackStarted);
        let unknown = || Failure::transient("recovering the run", "its end was not recorded");
        let suspended = EventKind::RunSuspended { failure: left.unwrap_or_else(unknown) };
        let leave = |change: &mut Change, steps: &[StepStanding]| {
            change.tenure = Tenure::Ended;
            add(change, turned.into_iter().chain([suspended]), steps)
        };
        writing.write(&mut tx, leave).await?;
        commit(inner, tx).await?;
        Ok(writing.events)
    }
}

/// Adds events to a change.
fn add(
    change: &mut Change,
    events: impl IntoIterator<Item = EventKind>,
    steps: &[StepStanding],
) -> Result<(), WriteError> {
    for event in events {
        change.add(event, steps)?;
    }
    Ok(())
}

/// The changes of a run within one transaction, one after the other.
struct Writing<'w> {
    inner: &'w Inner,
    run: RunId,
    fence: Fence,
    standing: Standing,
    known: Known,
    events: Vec<Event>,
}

impl<'w> Writing<'w> {
    fn after(inner: &'w Inner, run: RunId, begun: Begun) -> Self {
        let fence = begun.change.next_fence();
        let standing = Standing { run: begun.change.standing, steps: Vec::new() };
        Self { inner, run, fence, standing, known: begun.known, events: begun.events }
    }

    async fn write(
        &mut self,
        tx: &mut SqliteConnection,
        fill: impl FnOnce(&mut Change, &[StepStanding]) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let mut change = Change::new(self.run, self.fence, self.standing.run.clone(), self.inner.clock.now());
        fill(&mut change, &self.standing.steps)?;
        let applied = apply(self.inner, tx, &change, &self.known).await?;
        self.known.learn(applied.written);
        self.events.extend(applied.events);
        self.standing.follow(change);
        Ok(())
    }

    fn sealed(&self, seq: Seq, column: &'static str, value: Value) -> Result<Value, JournalError> {
        let spot = Spot { run: self.run, seq: Some(seq), column };
        Ok(self.inner.sealer()?.seal(value, spot))
    }
}
