//! The states of a run and of a step. The legal changes between them are in `transitions`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::words;

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It goes forwards. Without a live lease it is shown as interrupted.
    Running,
    /// Its retry budget is spent; `resume` goes on.
    Suspended,
    /// A step failed for good, and nothing is undone yet.
    Failed,
    /// It goes backwards. Without a live lease it is shown as interrupted.
    RollingBack,
    /// Everything that the run changed is changed back.
    RolledBack,
    /// A compensation failed for good. A person must act.
    Stuck,
    /// The workflow came to its end.
    Succeeded,
}

/// The status of the forward half of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Its intent is committed. If its process is gone, it is in doubt: it may or may not have taken effect.
    Begun,
    /// Its result is checkpointed.
    Completed,
    /// It failed for good.
    Failed,
}

/// The status of a step's compensation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UndoStatus {
    /// Its intent is committed.
    Begun,
    /// The step is undone.
    Completed,
    /// It failed for good, and the run is stuck here.
    Failed,
    /// A person said that the step's effect stays.
    Skipped,
}

/// The outcome of a run, where its state says too little: a reader of `rolled-back` wants to know why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The workflow came to its end.
    Succeeded,
    /// It succeeded, and a later run has replaced what it created.
    Superseded,
    /// It was refused before it changed anything.
    Refused,
    /// It failed and is set to halt: everything is left as it was then.
    Failed,
    /// It failed, and what it had changed is changed back.
    FailedAndUndone,
    /// It was rolled back because somebody asked for it.
    Undone,
    /// It was rolled back, in part by a person.
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

/// The state of a step: its forward half, and its compensation if it has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepState {
    /// The forward half.
    pub status: StepStatus,
    /// The compensation.
    pub undo: Option<UndoStatus>,
}

impl RunState {
    /// Whether nothing more happens unless a person asks for a rollback.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::RolledBack)
    }

    /// The state's name in the journal, the JSON and the command line.
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
    /// The state of a step whose first beginning was just committed.
    pub const BEGUN: Self = Self { status: StepStatus::Begun, undo: None };
}

impl StepStatus {
    /// The status's name in the journal and the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl UndoStatus {
    /// The status's name in the journal and the JSON.
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
