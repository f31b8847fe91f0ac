//! One run, and what stops it.
//!
//! The invariant: after a stop that is not a failure of a step, nothing follows, whatever the workflow does with the
//! error.

use std::collections::HashMap;

use serde::Serialize;

use super::activity::Preview;
use super::ground::Ground;
use super::mutations::Mutations;
use super::same::named;
use super::stop::{Diverged, Stop};
use crate::journal::{Lease, Recalled, StoredStep};
use crate::run::{Effect, Facts, Failure, RunId, Seq, StepId, Target};

/// A run in progress, or a run that is only foreseen.
pub struct Run<'e, W> {
    pub(super) ground: &'e Ground<'e, W>,
    pub(super) mode: Mode<'e, W>,
    pub(super) facts: Facts,
    pub(super) next: Seq,
    /// Whether the workflow has reached a step that changes something.
    pub(super) has_changes: bool,
    /// How many steps of a name and a subject the workflow has reached.
    called: HashMap<StepId, u32>,
    /// What has stopped the run. A failure of a step does not: the workflow may handle it.
    stopped: Option<Stop>,
    /// The step that was begun and has not returned.
    underway: Option<Seq>,
}

/// Whether steps are carried out, only foreseen, or inferred from the world.
pub(super) enum Mode<'e, W> {
    Live(Live<'e, W>),
    Foresee { run: RunId, steps: Vec<PlannedStep> },
    Recall(Recall),
}

/// What is inferred of a run whose journal is lost.
pub(super) struct Recall {
    pub(super) run: RunId,
    /// What the run has done, up to the last change that it made.
    pub(super) known: Vec<Recalled>,
    /// What it has read and waited for since.
    pub(super) since: Vec<Recalled>,
    pub(super) targets: Vec<Target>,
    /// Whether a step was reached that the run has not carried out.
    pub(super) is_at_the_end: bool,
}

impl<'e, W> Mode<'e, W> {
    /// The part that only a driven run has: nothing else carries anything out or takes anything back.
    pub(super) fn live(&mut self) -> &mut Live<'e, W> {
        match self {
            Self::Live(live) => live,
            Self::Foresee { .. } | Self::Recall(_) => unreachable!("only a driven run carries out a step"),
        }
    }
}

/// The part that only a driven run has.
pub(super) struct Live<'e, W> {
    pub(super) lease: &'e Lease,
    pub(super) mutations: &'e Mutations<W>,
    pub(super) recorded: Vec<StoredStep>,
    /// The user asked to resume a suspended run, so its retry budgets start anew.
    pub(super) forget_retries: bool,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlannedStep {
    /// The activity's name.
    pub name: String,
    /// The subject that it acts on.
    pub subject: Option<String>,
    /// Its effect on the world.
    pub effect: Effect,
    /// The change, for a mutation.
    pub request: Option<Preview>,
    /// What a read found.
    pub note: Option<String>,
}

impl<'e, W> Run<'e, W> {
    pub(super) fn new(ground: &'e Ground<'e, W>, mode: Mode<'e, W>, facts: Facts, next: Seq) -> Self {
        let mut called: HashMap<StepId, u32> = HashMap::new();
        if let Mode::Live(live) = &mode {
            // Count the steps before the workflow's first one, because the workflow does not reach them.
            for step in live.recorded.iter().take(next.get() as usize - 1) {
                *called.entry(StepId::of(&step.activity, step.subject.as_deref())).or_default() += 1;
            }
        }
        Self { ground, mode, facts, next, has_changes: false, called, stopped: None, underway: None }
    }
}

impl<W: Sync + 'static> Run<'_, W> {
    /// The name of the next step of this name and subject.
    pub(super) fn called(&mut self, step: StepId) -> StepId {
        let n = self.called.get(&step).map_or(1, |n| n + 1);
        let called = step.nth(n);
        self.called.insert(step, n);
        called
    }

    /// Refuses to go on after a stop, or after a step that the workflow dropped before its end.
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

    /// The end of a run whose workflow has returned.
    ///
    /// # Errors
    /// What has stopped the run, even if the workflow claims success; and recorded steps that the workflow did not ask
    /// for.
    pub(super) async fn end<O>(&mut self, done: Result<O, Stop>) -> Result<O, Stop> {
        if let Some(stop) = self.stopped.take() {
            return Err(stop);
        }
        let output = done?;
        // The workflow may have dropped the last step as well.
        self.set_out()?;
        let Mode::Live(live) = &self.mode else { return Ok(output) };
        self.ground.tell_all(&live.lease.flush().await?);
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
