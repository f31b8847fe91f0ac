//! What a process knows of the rows of the run that it advances, so that it writes them without reading them.
//!
//! The invariant: what is known is what this process last wrote or verified. A row is written only while it has the code
//! that is known, and every column that a write covers is written from what is known. So an edit by somebody else is
//! undone, or it shows by a code that does not fit, now or when the run is next taken.

use super::canonical::{Sets, StepRow};
use super::change::{Change, StepChange};
use super::mac::Mac;
use super::row::{millis, text};
use crate::run::{Half, Seq, UndoStatus};

/// The rows of a run as this process last wrote or verified them.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The code of the run's row. `None` for a row that has none yet.
    pub(super) head: Option<Mac>,
    /// The code of what the run was started with.
    pub(super) origin: Mac,
    pub(super) last_event: i64,
    pub(super) sets: Sets,
    /// The codes of the steps, in order.
    pub(super) steps: Vec<Mac>,
    /// The step that is under way.
    pub(super) underway: Option<StepRow>,
}

/// The rows that were just written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) head: Mac,
    pub(super) last_event: i64,
    /// The facts and the targets, if they changed.
    pub(super) sets: Option<Sets>,
    pub(super) steps: Vec<(StepRow, Mac)>,
}

impl Known {
    /// The row of a step, if it is at hand.
    pub(super) fn step(&self, seq: Seq) -> Option<&StepRow> {
        self.underway.as_ref().filter(|row| row.seq == i64::from(seq.get()))
    }

    /// The code of a step's row. `None` for a step that is not written yet.
    pub(super) fn code(&self, seq: Seq) -> Option<Mac> {
        self.steps.get(seq.get() as usize - 1).copied()
    }

    /// The facts and the targets after a change, if it changes them.
    pub(super) fn sets_after(&self, change: &Change) -> Option<Sets> {
        if change.facts.is_empty() && !change.moves_targets() {
            return None;
        }
        let mut sets = self.sets.clone();
        sets.facts.extend(change.facts.clone());
        sets.targets.extend(change.holds.iter().map(|target| (target.as_str().to_owned(), "1".to_owned())));
        if change.lets_go {
            sets.targets.values_mut().for_each(|held| "0".clone_into(held));
        }
        Some(sets)
    }

    /// Takes over what a committed change has written.
    pub(super) fn learn(&mut self, written: Written) {
        self.head = Some(written.head);
        self.last_event = written.last_event;
        if let Some(sets) = written.sets {
            self.sets = sets;
        }
        for (row, mac) in written.steps {
            let index = usize::try_from(row.seq - 1).unwrap_or_default();
            match self.steps.get_mut(index) {
                Some(known) => *known = mac,
                None => self.steps.push(mac),
            }
            // What is done is seldom written again, and its result may be large.
            self.underway = row.output.is_none().then_some(row);
        }
    }
}

impl StepRow {
    /// The row of a step that is about to begin.
    ///
    /// # Panics
    /// If the step is not new.
    pub(super) fn new(seq: Seq, step: &StepChange) -> Self {
        let new = step.new.as_ref().expect("the caller has a new step");
        Self {
            seq: seq.get().into(),
            identity: Some(new.id.as_str().to_owned()),
            activity: new.activity.clone(),
            subject: new.subject.clone(),
            effect: new.effect.as_str().to_owned(),
            input: new.input.to_string(),
            input_digest: new.input_digest.clone(),
            ..Self::default()
        }
    }

    /// The row after a change, as of this event.
    pub(super) fn after(mut self, step: &StepChange, as_of: i64) -> Self {
        let Half { attempt, begun_at, .. } = step.standing.forward;
        let there = Columns::of(&step.standing.forward);
        step.standing.state.status.as_str().clone_into(&mut self.status);
        (self.attempt, self.begun_at) = (attempt.into(), millis(begun_at));
        (self.failure, self.finished_at) = (there.failure, there.finished_at);
        (self.retry_since, self.next_attempt_at) = (there.retry_since, there.next_attempt_at);
        if let Some(output) = &step.output {
            self.output = Some(output.to_string());
        }
        let undo = step.standing.undo.as_ref();
        let back = undo.map_or_else(Columns::default, Columns::of);
        self.undo_status = step.standing.state.undo.map(UndoStatus::as_str).map(ToOwned::to_owned);
        self.undo_attempt = undo.map_or(0, |undo| undo.attempt).into();
        self.undo_begun_at = undo.map(|undo| millis(undo.begun_at));
        (self.undo_failure, self.undo_finished_at) = (back.failure, back.finished_at);
        (self.undo_retry_since, self.undo_next_attempt_at) = (back.retry_since, back.next_attempt_at);
        self.as_of = Some(as_of);
        self
    }
}

/// The columns that both halves of a step have.
#[derive(Default)]
struct Columns {
    failure: Option<String>,
    finished_at: Option<i64>,
    retry_since: Option<i64>,
    next_attempt_at: Option<i64>,
}

impl Columns {
    fn of(half: &Half) -> Self {
        Self {
            failure: half.failure.as_ref().map(text),
            finished_at: half.finished_at.map(millis),
            retry_since: half.retry_since.map(millis),
            next_attempt_at: half.next_attempt_at.map(millis),
        }
    }
}
