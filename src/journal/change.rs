//! A write of a run, as a value: the events, and the rows after them.
//!
//! The invariant: the standing of the run and of its steps follows from the events by the transition tables, and
//! confidential values are sealed already. `apply` is the only place that says how a change is written.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::run::{
    Effect, EventKind, Facts, Fence, Holder, IllegalTransition, RunId, RunStanding, Seq, StepId,
    StepStanding, Target, Timestamp,
};

/// What a process knows of the run that it advances: the standing of its rows.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) run: RunStanding,
    pub(super) steps: Vec<StepStanding>,
}

/// One write of a run. Its events are written together or not at all.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) run: RunId,
    /// The fence that the run must still have.
    pub(super) fence: Fence,
    /// The state of the lease afterwards.
    pub(super) tenure: Tenure,
    /// The time of the next event.
    at: Timestamp,
    /// The events, each with its time.
    pub(super) events: Vec<(Timestamp, EventKind)>,
    /// The standing of the run afterwards.
    pub(super) standing: RunStanding,
    /// The steps that the events are about.
    pub(super) steps: BTreeMap<Seq, StepChange>,
    pub(super) facts: Facts,
    /// Targets that the run holds from now on, besides those that it holds already.
    pub(super) holds: Vec<Target>,
    /// Whether the run lets all its targets go.
    pub(super) lets_go: bool,
}

/// A step whose intent is about to be committed.
#[derive(Clone, Debug)]
pub struct NewStep {
    /// The name of the step in the cloud.
    pub id: StepId,
    /// The activity's name.
    pub activity: String,
    /// The subject that the activity acts on.
    pub subject: Option<String>,
    /// Its effect on the world.
    pub effect: Effect,
    /// The activity itself. Its confidential values are sealed before they are stored.
    pub input: Value,
    /// The digest of the input without its secrets.
    pub input_digest: String,
}

/// What a change does to the lease under which it is made.
#[derive(Debug)]
pub(super) enum Tenure {
    /// The lease lasts for its whole length again.
    Renewed,
    /// The lease is given back.
    Ended,
    /// The lease goes to this process, which did not write last, under the next fence.
    Taken(Holder),
    /// Nobody holds the lease, and the last process to write must not write again.
    Revoked,
}

/// The changes to one step.
#[derive(Debug)]
pub(super) struct StepChange {
    /// The standing of the step afterwards.
    pub(super) standing: StepStanding,
    /// The new step, with its input sealed, if it is new.
    pub(super) new: Option<NewStep>,
    /// The sealed result, once there is one.
    pub(super) output: Option<Value>,
}

impl Change {
    /// A change without events yet, of a run with this standing.
    pub(super) fn new(run: RunId, fence: Fence, standing: RunStanding, at: Timestamp) -> Self {
        Self {
            run,
            fence,
            tenure: Tenure::Renewed,
            at,
            events: Vec::new(),
            standing,
            steps: BTreeMap::new(),
            facts: Facts::new(),
            holds: Vec::new(),
            lets_go: false,
        }
    }

    /// The same change, to which events of this time are added.
    pub(super) fn until(mut self, now: Timestamp) -> Self {
        self.at = now;
        self
    }

    /// Adds an event that the tables do not know: the first of a run.
    pub(super) fn and_first(mut self, event: EventKind) -> Self {
        self.events.push((self.at, event));
        self
    }

    /// Adds an event to the change. `steps` are the standings of the steps before it.
    ///
    /// # Errors
    /// When the event is illegal in that state.
    pub(super) fn and(mut self, event: EventKind, steps: &[StepStanding]) -> Result<Self, IllegalTransition> {
        self.add(event, steps)?;
        Ok(self)
    }

    /// The same, in place.
    pub(super) fn add(&mut self, event: EventKind, steps: &[StepStanding]) -> Result<(), IllegalTransition> {
        self.standing = self.standing.after(&event, self.at)?;
        if let Some(seq) = event.step() {
            let changed = self.steps.get(&seq).map(|step| &step.standing);
            let before = changed
                .or_else(|| steps.get(index(seq)))
                .ok_or_else(|| IllegalTransition { state: "not begun".to_owned(), event: event.name() })?;
            let standing = before.after(&event, self.at)?;
            self.step(seq, standing);
        }
        self.events.push((self.at, event));
        Ok(())
    }

    /// Adds the beginning of a step to the change. The step's input is sealed.
    ///
    /// # Errors
    /// When no step may begin in that state.
    pub(super) fn begin(&mut self, seq: Seq, step: NewStep) -> Result<(), IllegalTransition> {
        let event = EventKind::StepBegun {
            seq,
            name: step.activity.clone(),
            subject: step.subject.clone(),
            effect: step.effect,
            attempt: 1,
        };
        self.standing = self.standing.after(&event, self.at)?;
        self.step(seq, StepStanding::begun(1, self.at)).new = Some(step);
        self.events.push((self.at, event));
        Ok(())
    }

    fn step(&mut self, seq: Seq, standing: StepStanding) -> &mut StepChange {
        let step = self.steps.entry(seq).or_insert_with(|| StepChange {
            standing: standing.clone(),
            new: None,
            output: None,
        });
        step.standing = standing;
        step
    }

    /// Whether it changes which targets are held.
    pub(super) fn moves_targets(&self) -> bool {
        self.lets_go || !self.holds.is_empty()
    }

    /// The fence afterwards.
    pub(super) const fn next_fence(&self) -> Fence {
        match self.tenure {
            Tenure::Renewed | Tenure::Ended => self.fence,
            Tenure::Taken(_) | Tenure::Revoked => self.fence.next(),
        }
    }
}

impl Standing {
    /// Takes over the standings after a committed change.
    pub(super) fn follow(&mut self, change: Change) {
        self.run = change.standing;
        for (seq, step) in change.steps {
            match self.steps.get_mut(index(seq)) {
                Some(known) => *known = step.standing,
                None => self.steps.push(step.standing),
            }
        }
    }
}

const fn index(seq: Seq) -> usize {
    seq.get() as usize - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Direction, RunState, StepStatus, UndoStatus};

    const SEQ: Seq = Seq::FIRST;

    fn change(state: RunState) -> Change {
        let standing = RunStanding { state, ..RunStanding::STARTED };
        Change::new(RunId::random(), Fence::new(3), standing, Timestamp::UNIX_EPOCH)
    }

    fn create() -> NewStep {
        NewStep {
            id: StepId::of("create", None),
            activity: "create".to_owned(),
            subject: None,
            effect: Effect::Mutation,
            input: Value::Null,
            input_digest: String::new(),
        }
    }

    #[test]
    fn what_happens_together_ends_where_the_tables_lead_one_after_the_other() {
        let begun = [StepStanding::begun(1, Timestamp::UNIX_EPOCH)];
        let change = change(RunState::Running)
            .and(EventKind::StepAdopted { seq: SEQ }, &begun)
            .and_then(|change| change.and(EventKind::StepCompleted { seq: SEQ, note: None }, &begun))
            .and_then(|change| change.and(EventKind::RollbackStarted, &begun))
            .and_then(|change| {
                let (name, subject) = ("create".to_owned(), None);
                change.and(EventKind::UndoBegun { seq: SEQ, name, subject, attempt: 1 }, &begun)
            })
            .expect("each may follow");
        assert_eq!(change.events.len(), 4);
        assert_eq!(change.standing.direction, Direction::Backward);
        let state = change.steps[&SEQ].standing.state;
        assert_eq!((state.status, state.undo), (StepStatus::Completed, Some(UndoStatus::Begun)));
    }

    #[test]
    fn nothing_happens_to_a_step_that_was_not_begun_or_in_a_run_that_is_over() {
        let completed = || EventKind::StepCompleted { seq: SEQ, note: None };
        let refused = change(RunState::Running).and(completed(), &[]).expect_err("no step was begun");
        assert_eq!((refused.state.as_str(), refused.event), ("not begun", "step-completed"));
        change(RunState::RolledBack).begin(SEQ, create()).expect_err("the run is over");
        let mut begun = change(RunState::Running);
        begun.begin(SEQ, create()).expect("the run goes on");
        let once = begun.and(completed(), &[]).expect("it was begun");
        once.and(completed(), &[]).expect_err("it completed");
    }

    #[test]
    fn a_change_of_hands_moves_the_fence_and_nothing_else_does() {
        let mut change = change(RunState::Running);
        assert_eq!(change.next_fence(), Fence::new(3));
        change.tenure = Tenure::Ended;
        assert_eq!(change.next_fence(), Fence::new(3));
        change.tenure = Tenure::Revoked;
        assert_eq!(change.next_fence(), Fence::new(4));
    }
}
