//! The standing of a run and of its steps after an event: everything that is stored of them, except inputs and results.
//!
//! The invariant: the two transition tables compute it, in the same way for a process that writes a run and for one
//! that reads it. No event records that the retry budgets of a run were renewed; see [`StepStanding::forget_retries`].

use super::event::EventKind;
use super::failure::Failure;
use super::half::Half;
use super::state::{RunState, StepState};
use super::transitions::IllegalTransition;
use super::words::{Direction, Keep, Timestamp};

/// The standing of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStanding {
    /// Its state.
    pub state: RunState,
    /// The direction in which it goes.
    pub direction: Direction,
    /// Whether it ever succeeded.
    pub has_succeeded: bool,
    /// Why it failed or was suspended.
    pub error: Option<Failure>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// The standing of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepStanding {
    /// Its state.
    pub state: StepState,
    /// The attempts to do it.
    pub forward: Half,
    /// The attempts to undo it, if there were any.
    pub undo: Option<Half>,
}

impl RunStanding {
    /// A run that was just started.
    pub const STARTED: Self = Self {
        state: RunState::Running,
        direction: Direction::Forward,
        has_succeeded: false,
        error: None,
        finished_at: None,
    };

    /// The standing after an event.
    ///
    /// # Errors
    /// When the event is illegal in this state.
    pub fn after(&self, event: &EventKind, at: Timestamp) -> Result<Self, IllegalTransition> {
        use EventKind as E;
        let mut after = Self { state: self.state.after(event)?, ..self.clone() };
        match event {
            E::LeaseTaken { .. } => {
                // The run retries what it was suspended for.
                if (self.state, self.direction) == (RunState::Suspended, Direction::Forward) {
                    after.error = None;
                }
                after.finished_at = None;
            }
            // On the way back, the reason why the run failed is the better answer. The step records what is in the way.
            E::RunSuspended { .. } if self.direction == Direction::Backward => {}
            E::RunSuspended { failure }
            | E::RunFailed { failure }
            | E::UndoFailed { failure, .. }
            | E::RunStuck { failure, .. } => after.error = Some(failure.clone()),
            E::RunRetried { .. } => after.error = None,
            E::RollbackStarted | E::RunAbandoned { keep: Keep::Old, .. } => {
                after.direction = Direction::Backward;
                after.finished_at = None;
            }
            E::RunAbandoned { keep: Keep::New, .. } => after.direction = Direction::Forward,
            E::RunFinished { state } => {
                after.finished_at = Some(at);
                after.has_succeeded |= *state == RunState::Succeeded;
            }
            E::RunStarted { .. }
            | E::RunInterrupted
            | E::Signalled { .. }
            | E::StepBegun { .. }
            | E::StepRetrying { .. }
            | E::StepAdopted { .. }
            | E::StepCompleted { .. }
            | E::StepFailed { .. }
            | E::Warned { .. }
            | E::UndoBegun { .. }
            | E::UndoRetrying { .. }
            | E::UndoAdvanced { .. }
            | E::UndoCompleted { .. }
            | E::UndoWithdrawn { .. }
            | E::StepResolved { .. } => {}
        }
        Ok(after)
    }
}

impl StepStanding {
    /// A step whose first attempt begins.
    pub const fn begun(attempt: u32, at: Timestamp) -> Self {
        Self { state: StepState::BEGUN, forward: Half::begun(attempt, at), undo: None }
    }

    /// The standing after an event, which must be about this step.
    ///
    /// # Errors
    /// When the event is illegal in this state.
    pub fn after(&self, event: &EventKind, at: Timestamp) -> Result<Self, IllegalTransition> {
        use EventKind as E;
        let mut after = Self { state: self.state.after(event)?, ..self.clone() };
        match (event, &mut after.undo) {
            (E::StepBegun { attempt, .. }, _) => after.forward.attempt = *attempt,
            (E::StepRetrying { failure, attempt, delay, .. }, _) => {
                after.forward.retrying(failure, *attempt, *delay, at);
            }
            (E::StepCompleted { .. }, _) => after.forward.succeeded(at),
            (E::StepFailed { failure, .. }, _) => after.forward.failed(failure, at),
            (E::RunRetried { .. }, _) => after.forward.begun_again(),
            (E::UndoBegun { attempt, .. }, undo) => {
                let undo = undo.get_or_insert_with(|| Half::begun(*attempt, at));
                undo.attempt = *attempt;
                undo.finished_at = None;
            }
            (E::UndoRetrying { failure, attempt, delay, .. }, Some(undo)) => {
                undo.retrying(failure, *attempt, *delay, at);
            }
            (E::UndoAdvanced { .. }, Some(undo)) => undo.advanced(),
            (E::UndoCompleted { .. }, Some(undo)) => undo.succeeded(at),
            (E::UndoWithdrawn { .. }, Some(undo)) => undo.begun_again(),
            (E::UndoFailed { failure, .. }, Some(undo)) => undo.failed(failure, at),
            (E::StepResolved { .. }, Some(undo)) => undo.finished_at = Some(at),
            // The table has refused all of these already: nothing was begun.
            (
                E::UndoRetrying { .. }
                | E::UndoAdvanced { .. }
                | E::UndoCompleted { .. }
                | E::UndoWithdrawn { .. }
                | E::UndoFailed { .. }
                | E::StepResolved { .. },
                None,
            )
            | (
                E::StepAdopted { .. }
                | E::Warned { .. }
                | E::RunStuck { .. }
                | E::RunStarted { .. }
                | E::LeaseTaken { .. }
                | E::RunSuspended { .. }
                | E::RunInterrupted
                | E::RunFailed { .. }
                | E::RollbackStarted
                | E::RunAbandoned { .. }
                | E::Signalled { .. }
                | E::RunFinished { .. },
                _,
            ) => {}
        }
        Ok(after)
    }

    /// Renews the retry budget of a half: its next failure counts as its first.
    pub const fn forget_retries(&mut self, direction: Direction) {
        match (direction, &mut self.undo) {
            (Direction::Forward, _) => self.forward.retry_since = None,
            (Direction::Backward, Some(undo)) => undo.retry_since = None,
            (Direction::Backward, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::run::{Seq, StepStatus, UndoStatus};

    const SEQ: Seq = Seq::FIRST;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).expect("a time")
    }

    fn step(events: &[EventKind]) -> StepStanding {
        (1..).zip(events).fold(StepStanding::begun(1, at(0)), |step, (second, event)| {
            step.after(event, at(second)).expect("it may follow")
        })
    }

    fn run(before: RunStanding, events: &[EventKind]) -> RunStanding {
        (1..)
            .zip(events)
            .fold(before, |run, (second, event)| run.after(event, at(second)).expect("it may follow"))
    }

    #[test]
    fn what_keeps_failing_is_known_since_its_first_failure_until_it_ends() {
        let (failure, delay) = (Failure::transient("asking", "503"), Duration::from_secs(7));
        let retrying =
            |attempt| EventKind::StepRetrying { seq: SEQ, failure: failure.clone(), attempt, delay };
        let mut failing = step(&[retrying(2), retrying(3)]);
        let half = failing.forward.clone();
        assert_eq!((half.attempt, half.retry_since, half.next_attempt_at), (3, Some(at(1)), Some(at(9))));
        failing.forget_retries(Direction::Forward);
        assert_eq!((failing.forward.retry_since, failing.forward.next_attempt_at), (None, Some(at(9))));
        let done = step(&[retrying(2), EventKind::StepCompleted { seq: SEQ, note: None }]).forward;
        assert_eq!((done.failure, done.finished_at, done.next_attempt_at), (None, Some(at(2)), None));
        let longest = EventKind::StepRetrying { seq: SEQ, failure, attempt: 2, delay: Duration::MAX };
        assert_eq!(step(&[longest]).forward.next_attempt_at, Some(Timestamp::MAX_UTC));
    }

    #[test]
    fn the_undo_is_counted_apart_and_a_part_of_it_begins_a_new_budget() {
        let begun =
            |attempt| EventKind::UndoBegun { seq: SEQ, name: "create".into(), subject: None, attempt };
        let failure = Failure::transient("deleting", "503");
        let retrying = EventKind::UndoRetrying {
            seq: SEQ,
            failure: failure.clone(),
            attempt: 2,
            delay: Duration::from_secs(1),
        };
        let advanced = EventKind::UndoAdvanced { seq: SEQ, note: "drained".into() };
        let undo = step(&[begun(1), retrying, advanced]).undo.expect("begun");
        assert_eq!((undo.attempt, undo.begun_at), (2, at(1)));
        assert_eq!((undo.failure, undo.retry_since, undo.next_attempt_at), (None, None, None));
        let failed =
            step(&[begun(1), EventKind::UndoFailed { seq: SEQ, failure: failure.clone() }, begun(2)]);
        assert_eq!(failed.state.undo, Some(UndoStatus::Begun));
        let undo = failed.undo.expect("begun");
        assert_eq!((undo.begun_at, undo.finished_at, undo.failure), (at(1), None, Some(failure)));
        assert_eq!((failed.state.status, failed.forward.attempt), (StepStatus::Begun, 1));
    }

    #[test]
    fn a_run_says_why_it_failed_and_not_what_keeps_it_from_going_back() {
        let away = Failure::transient("asking", "503");
        let broken = Failure::permanent("creating", "no room");
        let suspended = || EventKind::RunSuspended { failure: away.clone() };
        let forwards = run(RunStanding::STARTED, &[suspended()]);
        assert_eq!(forwards.error, Some(away.clone()));
        let taken = EventKind::LeaseTaken {
            from: None,
            by: crate::run::Holder {
                host: "here".into(),
                boot_id: String::new(),
                pid: 1,
                since: at(0),
                user: "ann".into(),
            },
            fence: crate::run::Fence::new(2),
        };
        assert_eq!(run(forwards, std::slice::from_ref(&taken)).error, None);
        let back = run(
            RunStanding::STARTED,
            &[
                EventKind::RunFailed { failure: broken.clone() },
                EventKind::RollbackStarted,
                suspended(),
                taken,
            ],
        );
        assert_eq!((back.error, back.direction), (Some(broken), Direction::Backward));
    }

    #[test]
    fn a_success_that_is_taken_back_is_not_over_and_was_one() {
        let succeeded = run(RunStanding::STARTED, &[EventKind::RunFinished { state: RunState::Succeeded }]);
        assert_eq!((succeeded.finished_at, succeeded.has_succeeded), (Some(at(1)), true));
        let back = run(succeeded, &[EventKind::RollbackStarted]);
        assert_eq!((back.finished_at, back.has_succeeded), (None, true));
    }
}
