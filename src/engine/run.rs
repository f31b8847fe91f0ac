//! One run, and what stops it.
//!
//! The invariant: nothing follows a stop that is not a failure of a step, whatever the workflow makes of it.

use std::collections::HashMap;

use serde::Serialize;

use super::activity::Preview;
use super::ground::Ground;
use super::mutations::Mutations;
use super::same::named;
use super::stop::{Diverged, Stop};
use crate::journal::{Lease, StoredStep};
use crate::run::{Effect, Facts, Failure, RunId, Seq, StepId};

/// A run in progress, or one that is only foreseen.
pub struct Run<'e, W> {
    pub(super) ground: &'e Ground<'e, W>,
    pub(super) mode: Mode<'e, W>,
    pub(super) facts: Facts,
    pub(super) next: Seq,
    /// Whether a step that changes something was come to.
    pub(super) has_changes: bool,
    /// How many steps of a name and a subject were come to.
    called: HashMap<StepId, u32>,
    /// What has stopped the run, whatever its workflow makes of it. A failure of a step does not: a workflow may know
    /// better.
    stopped: Option<Stop>,
    /// The step that was begun and has not come back.
    underway: Option<Seq>,
}

/// Whether things are done or only foreseen.
pub(super) enum Mode<'e, W> {
    Live(Live<'e, W>),
    Foresee { run: RunId, steps: Vec<PlannedStep> },
}

impl<'e, W> Mode<'e, W> {
    /// What only a run has that is driven: a plan carries nothing out, and takes nothing back.
    pub(super) fn live(&mut self) -> &mut Live<'e, W> {
        match self {
            Self::Live(live) => live,
            Self::Foresee { .. } => unreachable!("a plan comes to no step"),
        }
    }
}

/// What only a run has that is driven.
pub(super) struct Live<'e, W> {
    pub(super) lease: &'e mut Lease,
    pub(super) mutations: &'e Mutations<W>,
    pub(super) recorded: Vec<StoredStep>,
    /// A user asked to resume a suspended run: its retry budgets start anew.
    pub(super) forget_retries: bool,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedStep {
    /// The activity's name.
    pub name: String,
    /// What it acts on.
    pub subject: Option<String>,
    /// What it does to the world.
    pub effect: Effect,
    /// The change, for a mutation.
    pub request: Option<Preview>,
    /// What was found, for a read.
    pub note: Option<String>,
}

impl<'e, W> Run<'e, W> {
    pub(super) fn new(ground: &'e Ground<'e, W>, mode: Mode<'e, W>, facts: Facts, next: Seq) -> Self {
        let mut called: HashMap<StepId, u32> = HashMap::new();
        if let Mode::Live(live) = &mode {
            // Those that stand before what the workflow begins with: it does not come by them.
            for step in live.recorded.iter().take(next.get() as usize - 1) {
                *called.entry(StepId::of(&step.activity, step.subject.as_deref())).or_default() += 1;
            }
        }
        Self { ground, mode, facts, next, has_changes: false, called, stopped: None, underway: None }
    }
}

impl<W: Sync + 'static> Run<'_, W> {
    /// What the next step of this name and subject is called.
    pub(super) fn called(&mut self, step: StepId) -> StepId {
        let n = self.called.get(&step).map_or(1, |n| n + 1);
        let called = step.nth(n);
        self.called.insert(step, n);
        called
    }

    /// Nothing follows a stop, nor a step that its workflow has dropped on the way.
    pub(super) fn set_out(&mut self) -> Result<(), Stop> {
        if let Some(stop) = &self.stopped {
            return Err(stop.again());
        }
        if let Some(seq) = self.underway {
            let dropped = Stop::Ours(Failure::ours(
                format!("waiting for step {seq}"),
                "its workflow has dropped it on the way, and nobody knows what came of it",
            ));
            let again = dropped.again();
            self.stopped = Some(dropped);
            return Err(again);
        }
        self.underway = Some(self.next);
        Ok(())
    }

    pub(super) fn come_back<T>(&mut self, done: Result<T, Stop>) -> Result<T, Stop> {
        self.underway = None;
        match done {
            Ok(done) => Ok(done),
            Err(Stop::Failed(failure)) => Err(Stop::Failed(failure)),
            Err(stop) => {
                let again = stop.again();
                self.stopped = Some(stop);
                Err(again)
            }
        }
    }

    /// What the run comes to when its workflow is through.
    ///
    /// # Errors
    /// What has stopped the run, also when the workflow says that it succeeded; and steps that are recorded and were not
    /// asked for.
    pub(super) fn end<O>(&mut self, done: Result<O, Stop>) -> Result<O, Stop> {
        if let Some(stop) = self.stopped.take() {
            return Err(stop);
        }
        let output = done?;
        // The last step may have been dropped as well.
        self.set_out()?;
        let Mode::Live(live) = &self.mode else { return Ok(output) };
        match live.recorded.get(self.next.get() as usize - 1) {
            Some(left) => Err(Stop::Diverged(Diverged {
                seq: left.seq,
                recorded: named(&left.activity, left.subject.as_deref()),
                asked: "the end".to_owned(),
                difference: None,
            })),
            None => Ok(output),
        }
    }
}
