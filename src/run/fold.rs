//! Computes a run from its events: each goes through the transition tables, from the first on.
//!
//! So a row that no sequence of events produces can be recognised, whoever wrote it. The events do not contain
//! everything: the input of the run and of its steps, results and digests, facts, targets, the lease, and the time
//! since which a step fails (which a resume of a suspended run forgets) are only in the rows.

use super::event::EventKind;
use super::standing::{RunStanding, StepStanding};
use super::transitions::IllegalTransition;
use super::words::{Effect, Timestamp};

/// A run, computed from its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The standing of the run.
    pub run: RunStanding,
    /// The steps in order.
    pub steps: Vec<FoldedStep>,
}

/// A step, computed from the events about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedStep {
    /// The activity's name.
    pub name: String,
    /// The subject that it acts on.
    pub subject: Option<String>,
    /// Its effect on the world.
    pub effect: Effect,
    /// The standing of the step.
    pub standing: StepStanding,
}

/// Why events do not belong to any run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfoldable {
    /// The first event does not start the run.
    #[error("a run begins with run-started, and not with {0}")]
    Beginning(&'static str),
    /// An event is illegal in the state of the run or the step.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// An event is about a step that was not begun.
    #[error("{0} is about a step that was not begun")]
    NotBegun(&'static str),
}

impl Folded {
    /// The run after its first event.
    ///
    /// # Errors
    /// [`Unfoldable::Beginning`] when the event is not `run-started`.
    pub fn begin(first: &EventKind) -> Result<Self, Unfoldable> {
        if !matches!(first, EventKind::RunStarted { .. }) {
            return Err(Unfoldable::Beginning(first.name()));
        }
        Ok(Self { run: RunStanding::STARTED, steps: Vec::new() })
    }

    /// Adds one more event to the run.
    ///
    /// # Errors
    /// When the event is illegal in that state.
    pub fn follow(&mut self, event: &EventKind, at: Timestamp) -> Result<(), Unfoldable> {
        self.run = self.run.after(event, at)?;
        let Some(seq) = event.step() else { return Ok(()) };
        let index = seq.get() as usize - 1;
        if let EventKind::StepBegun { name, subject, effect, attempt, .. } = event
            && index == self.steps.len()
        {
            self.steps.push(FoldedStep {
                name: name.clone(),
                subject: subject.clone(),
                effect: *effect,
                standing: StepStanding::begun(*attempt, at),
            });
            return Ok(());
        }
        let Some(step) = self.steps.get_mut(index) else { return Err(Unfoldable::NotBegun(event.name())) };
        step.standing = step.standing.after(event, at)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Direction, RunState, Seq, StepState, StepStatus, UndoStatus};

    fn started() -> EventKind {
        EventKind::RunStarted { workflow: "redeploy".into(), version: 1, name: "web".into() }
    }

    fn begun(attempt: u32) -> EventKind {
        let (name, subject, effect) = ("create".into(), None, Effect::Mutation);
        EventKind::StepBegun { seq: Seq::FIRST, name, subject, effect, attempt }
    }

    fn undo_begun(attempt: u32) -> EventKind {
        EventKind::UndoBegun { seq: Seq::FIRST, name: "create".into(), subject: None, attempt }
    }

    fn fold(events: &[EventKind]) -> Result<Folded, Unfoldable> {
        let (first, rest) = events.split_first().expect("at least one");
        let mut folded = Folded::begin(first)?;
        for event in rest {
            folded.follow(event, Timestamp::UNIX_EPOCH)?;
        }
        Ok(folded)
    }

    #[test]
    fn a_run_that_came_back_from_its_end_is_what_its_events_say() {
        let done = EventKind::StepCompleted { seq: Seq::FIRST, note: None };
        let folded = fold(&[
            started(),
            begun(1),
            begun(2),
            done,
            EventKind::RunFinished { state: RunState::Succeeded },
            EventKind::RollbackStarted,
            undo_begun(1),
            undo_begun(2),
            EventKind::UndoCompleted { seq: Seq::FIRST },
        ])
        .expect("a run's events");
        assert_eq!((folded.run.state, folded.run.direction), (RunState::RollingBack, Direction::Backward));
        assert!(folded.run.has_succeeded);
        let [step] = folded.steps.as_slice() else { panic!("{folded:?}") };
        let undo = step.standing.undo.as_ref().map(|undo| undo.attempt);
        assert_eq!((step.standing.forward.attempt, undo), (2, Some(2)));
        let undone = StepState { status: StepStatus::Completed, undo: Some(UndoStatus::Completed) };
        assert_eq!(step.standing.state, undone);
    }

    #[test]
    fn events_that_no_run_has_are_an_error() {
        assert_eq!(fold(&[begun(1)]), Err(Unfoldable::Beginning("step-begun")));
        let completed = EventKind::StepCompleted { seq: Seq::FIRST, note: None };
        assert_eq!(fold(&[started(), completed.clone()]), Err(Unfoldable::NotBegun("step-completed")));
        let twice = fold(&[started(), begun(1), completed.clone(), completed]);
        assert!(matches!(twice, Err(Unfoldable::Illegal(_))), "{twice:?}");
        let over = EventKind::RunFinished { state: RunState::RolledBack };
        assert!(matches!(fold(&[started(), over]), Err(Unfoldable::Illegal(_))));
        let gap = EventKind::StepBegun {
            seq: Seq::FIRST.next(),
            name: "create".into(),
            subject: None,
            effect: Effect::Read,
            attempt: 1,
        };
        assert_eq!(fold(&[started(), gap]), Err(Unfoldable::NotBegun("step-begun")));
    }
}
