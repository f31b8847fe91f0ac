//! The exit codes, one variant each. Scripts depend on them.

use std::process::{ExitCode, ExitStatus, Termination};

use crate::engine::End;
use crate::run::{Effect, Event, EventKind, Failure, RunRecord, RunState};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// A defect of this program, or a journal that cannot be used.
    Ours,
    /// The usage or the configuration is wrong; nothing was changed.
    Usage,
    /// The run failed and was rolled back.
    RolledBack,
    /// The run failed, and is set to halt.
    Halted,
    /// A compensation failed. A person must act.
    Stuck,
    /// Another run or process holds the target or the run.
    Refused,
    /// The run is suspended, and can be resumed later.
    Suspended,
    /// SIGINT interrupted the run, which can be resumed.
    Interrupted,
    /// SIGTERM or SIGHUP interrupted the run, which can be resumed.
    Terminated,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Ours => 1,
            Self::Usage => 2,
            Self::RolledBack => 3,
            Self::Halted => 4,
            Self::Stuck => 5,
            Self::Refused => 6,
            Self::Suspended => 75,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The exit of another process of this program; `None` if it did not end by itself.
    pub(super) fn of_process(status: ExitStatus) -> Option<Self> {
        const ALL: [Exit; 10] = [
            Exit::Done,
            Exit::Ours,
            Exit::Usage,
            Exit::RolledBack,
            Exit::Halted,
            Exit::Stuck,
            Exit::Refused,
            Exit::Suspended,
            Exit::Interrupted,
            Exit::Terminated,
        ];
        let code = status.code()?;
        ALL.into_iter().find(|exit| i32::from(exit.code()) == code)
    }

    /// The exit for a run that was left in this way. A rollback that the user asked for counts as done. A rollback
    /// after a failure has its own code.
    pub(super) const fn of(end: &End) -> Self {
        match end {
            End::Succeeded | End::RolledBack(None) => Self::Done,
            // A rollback that is suspended can be resumed, whoever was in its way.
            End::Refused(failure) | End::RolledBack(Some(failure)) if failure.is_held() => Self::Refused,
            End::RolledBack(Some(_)) => Self::RolledBack,
            End::Refused(_) => Self::Usage,
            End::Halted(_) | End::NotAbandoned(_) => Self::Halted,
            End::Stuck { .. } | End::Deadly { .. } => Self::Stuck,
            End::TargetHeld(_) | End::LeaseLost(_) | End::TakenOver(_) => Self::Refused,
            End::Suspended(_) => Self::Suspended,
            End::Interrupted => Self::Interrupted,
            End::Diverged(_) | End::UnknownWorkflow(_) | End::Ours(_) | End::Broken(_) => Self::Ours,
        }
    }

    /// The exit of the last process that drove a run, according to the journal.
    pub(super) fn of_record(record: &RunRecord, events: &[Event]) -> Self {
        match record.state {
            RunState::Succeeded => Self::Done,
            RunState::Failed => Self::Halted,
            RunState::Stuck => Self::Stuck,
            RunState::Suspended => Self::Suspended,
            RunState::Running | RunState::RollingBack => Self::Interrupted,
            RunState::RolledBack if !has_turned_back_by_itself(events) => Self::Done,
            RunState::RolledBack if record.error.as_ref().is_some_and(Failure::is_held) => Self::Refused,
            RunState::RolledBack if record.steps.iter().any(|step| step.effect == Effect::Mutation) => {
                Self::RolledBack
            }
            RunState::RolledBack => Self::Usage,
        }
    }
}

/// Whether the rollback directly followed a failure, and nobody asked for it.
fn has_turned_back_by_itself(events: &[Event]) -> bool {
    let turned = events.iter().rposition(|event| matches!(event.kind, EventKind::RollbackStarted));
    let before = turned.and_then(|at| at.checked_sub(1)).and_then(|at| events.get(at));
    before.is_some_and(|event| matches!(event.kind, EventKind::RunFailed { .. }))
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
