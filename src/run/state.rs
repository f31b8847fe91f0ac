//! The states of a run and of a step. What may follow what is in `transitions`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::words;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Going forwards; without a live lease it is shown as interrupted.
    Running,
    /// The retry budget is spent; `resume` goes on.
    Suspended,
    /// A step failed for good and nothing was undone yet.
    Failed,
    /// Going backwards; without a live lease it is shown as interrupted.
    RollingBack,
    /// Everything that the run changed is changed back.
    RolledBack,
    /// A compensation failed for good; a person is needed.
    Stuck,
    /// It came to its end.
    Succeeded,
}

/// Where the forward half of a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Its intent is committed. If its process is gone it is in doubt: it may have taken effect or not.
    Begun,
    /// Its result is checkpointed.
    Completed,
    /// It failed for good.
    Failed,
}

/// Where a step's compensation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UndoStatus {
    /// Its intent is committed.
    Begun,
    /// The step is undone.
    Completed,
    /// It failed for good: the run is stuck here.
    Failed,
    /// A person said that the step's effect stays.
    Skipped,
}

/// How a run came out, where its state alone does not tell: who reads `rolled-back` wants to know why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It came to its end.
    Succeeded,
    /// It succeeded, and a later run has replaced what it made.
    Superseded,
    /// It was refused before it changed anything.
    Refused,
    /// It failed and was told to halt: everything is left as it was then.
    Failed,
    /// It failed, and what it had changed is changed back.
    FailedAndUndone,
    /// It was taken back, as somebody asked.
    Undone,
    /// It was taken back, a part of it by a person.
    UndoneByHand,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::FailedAndUndone => "failed and undone",
            Self::Undone => "undone",
            Self::UndoneByHand => "undone by hand",
        })
    }
}

/// Where a step stands: its forward half, and its compensation once there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepState {
    /// The forward half.
    pub status: StepStatus,
    /// The compensation.
    pub undo: Option<UndoStatus>,
}

impl RunState {
    /// Whether nothing more will happen unless a person asks for a rollback.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::RolledBack)
    }

    /// The state as the journal, the JSON and the command line name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
            Self::RollingBack => "rolling-back",
            Self::RolledBack => "rolled-back",
            Self::Stuck => "stuck",
            Self::Succeeded => "succeeded",
        }
    }
}

impl StepState {
    /// The state of a step whose first begin was just committed.
    pub const BEGUN: Self = Self { status: StepStatus::Begun, undo: None };
}

impl StepStatus {
    /// The status as the journal and the JSON name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl UndoStatus {
    /// The status as the journal and the JSON name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

words!(RunState, "state": Running, Suspended, Failed, RollingBack, RolledBack, Stuck, Succeeded);
words!(StepStatus, "state": Begun, Completed, Failed);
words!(UndoStatus, "state": Begun, Completed, Failed, Skipped);
