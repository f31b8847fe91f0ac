//! The two transition tables, of a run and of a step.
//!
//! Each is one `match` over (state, event), and a pair that is not listed is an error. The journal applies the tables
//! when it writes and again when it loads, so that a row which no sequence of events produces is noticed before the
//! program acts on it.

use super::event::EventKind;
use super::state::{RunState, StepState, StepStatus, UndoStatus};
use super::words::{Keep, Resolution};

/// An event that is illegal in this state: a defect of this program or a damaged journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event} may not follow the state {state}")]
pub struct IllegalTransition {
    /// The state's name in the journal.
    pub state: String,
    /// The event's name.
    pub event: &'static str,
}

impl RunState {
    /// The state after `event`. Events that concern only a step do not change it.
    pub fn after(self, event: &EventKind) -> Result<Self, IllegalTransition> {
        use EventKind as E;
        match (self, event) {
            (state, E::RunStarted { .. }) => Err(illegal(state.as_str(), event)),
            (Self::Suspended | Self::Running, E::LeaseTaken { .. } | E::RunInterrupted) => Ok(Self::Running),
            (
                state @ (Self::Failed | Self::Stuck | Self::Succeeded | Self::RollingBack),
                E::LeaseTaken { .. },
            ) => Ok(state),
            (Self::RollingBack, E::RunInterrupted) => Ok(Self::RollingBack),
            (
                Self::Running,
                E::StepBegun { .. }
                | E::StepRetrying { .. }
                | E::StepAdopted { .. }
                | E::StepCompleted { .. }
                | E::StepFailed { .. }
                | E::Warned { .. },
            ) => Ok(Self::Running),
            (Self::Running | Self::RollingBack, E::RunSuspended { .. }) => Ok(Self::Suspended),
            (Self::Running, E::RunFailed { .. }) => Ok(Self::Failed),
            (Self::Running, E::RunStuck { .. }) => Ok(Self::Stuck),
            // The row holds the direction. On the way back, a rollback is the retry.
            (Self::Failed | Self::Stuck, E::RunRetried { .. }) => Ok(Self::Running),
            (
                Self::Running | Self::Suspended | Self::Failed | Self::Stuck | Self::Succeeded,
                E::RollbackStarted,
            ) => Ok(Self::RollingBack),
            (
                Self::RollingBack,
                E::UndoBegun { .. }
                | E::UndoRetrying { .. }
                | E::UndoAdvanced { .. }
                | E::UndoCompleted { .. }
                | E::UndoWithdrawn { .. }
                | E::Warned { .. }
                | E::RollbackStarted,
            ) => Ok(Self::RollingBack),
            (
                Self::Running | Self::Suspended | Self::Failed | Self::Stuck | Self::RollingBack,
                E::RunAbandoned { keep, .. },
            ) => Ok(match keep {
                Keep::New => Self::Running,
                Keep::Old => Self::RollingBack,
            }),
            // It only tells what was asked. What follows from it are events of their own.
            (state @ (Self::Running | Self::RollingBack), E::Signalled { .. }) => Ok(state),
            (Self::RollingBack, E::UndoFailed { .. }) => Ok(Self::Stuck),
            (Self::Stuck, E::StepResolved { .. }) => Ok(Self::Stuck),
            (Self::Running, E::RunFinished { state: Self::Succeeded }) => Ok(Self::Succeeded),
            (Self::RollingBack, E::RunFinished { state: Self::RolledBack }) => Ok(Self::RolledBack),
            (state, _) => Err(illegal(state.as_str(), event)),
        }
    }
}

impl StepState {
    /// The state after `event`, which must be about this step.
    pub fn after(self, event: &EventKind) -> Result<Self, IllegalTransition> {
        use EventKind as E;
        use StepStatus as S;
        use UndoStatus as U;
        let to = |status, undo| Ok(Self { status, undo });
        match (self.status, self.undo, event) {
            (
                S::Begun,
                None,
                E::StepBegun { .. }
                | E::StepRetrying { .. }
                | E::StepAdopted { .. }
                | E::Warned { .. }
                | E::RunStuck { .. }
                | E::RunRetried { .. },
            ) => Ok(self),
            // A failed step is in doubt again: an attempt before the last may have been carried out.
            (S::Failed, None, E::RunRetried { .. }) => to(S::Begun, None),
            (S::Begun, None, E::StepCompleted { .. }) => to(S::Completed, None),
            (S::Begun, None, E::StepFailed { .. }) => to(S::Failed, None),
            // A person's statement about a step can be revoked: when the run is abandoned, its whole side goes.
            (status, None | Some(U::Failed | U::Skipped), E::UndoBegun { .. }) => to(status, Some(U::Begun)),
            (
                status,
                Some(U::Begun),
                E::UndoBegun { .. } | E::UndoRetrying { .. } | E::UndoAdvanced { .. } | E::Warned { .. },
            ) => to(status, Some(U::Begun)),
            (status, Some(U::Begun), E::UndoCompleted { .. }) => to(status, Some(U::Completed)),
            (status, Some(U::Begun | U::Completed), E::UndoWithdrawn { .. }) => to(status, Some(U::Begun)),
            (status, Some(U::Begun), E::UndoFailed { .. }) => to(status, Some(U::Failed)),
            (status, Some(U::Failed), E::StepResolved { resolution: Resolution::Done, .. }) => {
                to(status, Some(U::Skipped))
            }
            (status, Some(U::Failed), E::StepResolved { resolution: Resolution::Undone, .. }) => {
                to(status, Some(U::Completed))
            }
            (status, undo, _) => {
                let undo = undo.map_or("", UndoStatus::as_str);
                Err(illegal(format!("{} {undo}", status.as_str()).trim_end(), event))
            }
        }
    }
}

fn illegal(state: &str, event: &EventKind) -> IllegalTransition {
    IllegalTransition { state: state.to_owned(), event: event.name() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Failure, Seq};

    fn undo_begun() -> EventKind {
        EventKind::UndoBegun { seq: Seq::FIRST, name: "create".into(), subject: None, attempt: 1 }
    }

    #[test]
    fn a_run_that_is_rolled_back_stays_so() {
        for event in [
            EventKind::RollbackStarted,
            EventKind::RunInterrupted,
            undo_begun(),
            EventKind::RunFinished { state: RunState::Succeeded },
        ] {
            assert!(RunState::RolledBack.after(&event).is_err(), "{}", event.name());
        }
    }

    #[test]
    fn a_run_is_abandoned_unless_it_is_over() {
        let abandoned =
            |keep| EventKind::RunAbandoned { keep, from: Seq::FIRST, reason: None, by: "ann".into() };
        for state in [RunState::Running, RunState::Suspended, RunState::Failed, RunState::Stuck] {
            assert_eq!(state.after(&abandoned(Keep::New)), Ok(RunState::Running));
            assert_eq!(state.after(&abandoned(Keep::Old)), Ok(RunState::RollingBack));
        }
        for state in [RunState::Succeeded, RunState::RolledBack] {
            assert!(state.after(&abandoned(Keep::New)).is_err(), "{state}");
        }
    }

    #[test]
    fn only_a_run_that_goes_forward_can_succeed() {
        let succeeded = EventKind::RunFinished { state: RunState::Succeeded };
        assert_eq!(RunState::Running.after(&succeeded), Ok(RunState::Succeeded));
        for state in [RunState::RollingBack, RunState::Stuck, RunState::Failed, RunState::Suspended] {
            assert!(state.after(&succeeded).is_err(), "{state}");
        }
    }

    #[test]
    fn a_step_that_is_undone_is_undone_again_only_if_that_was_withdrawn() {
        let undone = StepState { status: StepStatus::Completed, undo: Some(UndoStatus::Completed) };
        assert!(undone.after(&undo_begun()).is_err());
        let withdrawn = undone.after(&EventKind::UndoWithdrawn { seq: Seq::FIRST });
        assert_eq!(withdrawn.map(|state| state.undo), Ok(Some(UndoStatus::Begun)));
        let stuck = StepState { undo: Some(UndoStatus::Failed), ..undone };
        assert!(stuck.after(&EventKind::UndoWithdrawn { seq: Seq::FIRST }).is_err());
        assert_eq!(stuck.after(&undo_begun()).map(|state| state.undo), Ok(Some(UndoStatus::Begun)));
    }

    #[test]
    fn a_step_is_resolved_only_when_it_is_stuck() {
        let resolved = EventKind::StepResolved {
            seq: Seq::FIRST,
            resolution: Resolution::Undone,
            reason: "deleted in the console".into(),
            by: "ann".into(),
        };
        let failed = EventKind::UndoFailed { seq: Seq::FIRST, failure: Failure::permanent("a", "b") };
        let undoing = StepState::BEGUN.after(&undo_begun()).expect("a step in doubt can be undone");
        assert!(undoing.after(&resolved).is_err());
        let stuck = undoing.after(&failed).expect("a compensation may fail");
        assert_eq!(stuck.after(&resolved).map(|state| state.undo), Ok(Some(UndoStatus::Completed)));
    }
}
