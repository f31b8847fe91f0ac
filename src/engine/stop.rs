//! Why a workflow returned early, and how a process left a run.

use std::fmt;

use serde_json::Value;

use crate::journal::{JournalError, TargetHeld, WriteError};
use crate::run::{Failure, Holder, IllegalTransition, RunId, Seq};

/// Why a workflow returned early. Workflow code only passes it on with `?`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stop {
    /// The retry budget of a step is spent.
    Suspended(Failure),
    /// A step failed for good.
    Failed(Failure),
    /// The user interrupted.
    Interrupted,
    /// Another process took over the run.
    LeaseLost(Option<Holder>),
    /// Somebody else drives the run by now, where the journal cannot see it.
    TakenOver(Failure),
    /// Another run holds a target.
    TargetHeld(TargetHeld),
    /// On resume, the code asked for another step than the journal holds.
    Diverged(Diverged),
    /// The run belongs to a workflow that is not registered.
    UnknownWorkflow(UnknownWorkflow),
    /// A defect of this program.
    Ours(Failure),
    /// The journal failed.
    Broken(JournalError),
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended(failure)
            | Self::Failed(failure)
            | Self::TakenOver(failure)
            | Self::Ours(failure) => failure.fmt(formatter),
            Self::Interrupted => formatter.write_str("interrupted"),
            Self::LeaseLost(Some(by)) => write!(formatter, "{by} took the run over"),
            Self::LeaseLost(None) => formatter.write_str("another process took the run over"),
            Self::TargetHeld(held) => write!(formatter, "{} is held by run {}", held.target, held.run),
            Self::Diverged(diverged) => diverged.fmt(formatter),
            Self::UnknownWorkflow(unknown) => unknown.fmt(formatter),
            Self::Broken(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for Stop {}

impl Stop {
    /// A copy, for a workflow that goes on after a stop. A journal error becomes its text.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Suspended(failure) => Self::Suspended(failure.clone()),
            Self::Failed(failure) => Self::Failed(failure.clone()),
            Self::Interrupted => Self::Interrupted,
            Self::LeaseLost(to) => Self::LeaseLost(to.clone()),
            Self::TakenOver(failure) => Self::TakenOver(failure.clone()),
            Self::TargetHeld(held) => Self::TargetHeld(held.clone()),
            Self::Diverged(diverged) => Self::Diverged(diverged.clone()),
            Self::UnknownWorkflow(unknown) => Self::UnknownWorkflow(unknown.clone()),
            Self::Ours(failure) => Self::Ours(failure.clone()),
            Self::Broken(error) => Self::Ours(Failure::ours("writing the journal", error.to_string())),
        }
    }
}

/// On resume, the code asked for another step than the recorded one, so the run must not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {seq} of the run is `{recorded}`, but this version of the program would do `{asked}`{}", because(.difference.as_ref()))]
#[non_exhaustive]
pub struct Diverged {
    /// The number of the step.
    pub seq: Seq,
    /// The step that the journal holds.
    pub recorded: String,
    /// The step that the code asked for.
    pub asked: String,
    /// The difference, if both steps have the same name: the place, the recorded value and the value asked for.
    /// Confidential values are masked.
    pub difference: Option<String>,
}

fn because(difference: Option<&String>) -> String {
    difference.map(|difference| format!(": {difference}")).unwrap_or_default()
}

/// The run cannot go forwards here: its workflow is not registered in its version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is a run of `{workflow}` version {version}, and this program has {}", listed(.known))]
pub struct UnknownWorkflow {
    /// The workflow's name in the journal.
    pub workflow: String,
    /// The workflow's version in the journal.
    pub version: u32,
    /// The names and versions that are registered.
    pub known: Vec<(&'static str, u32)>,
}

fn listed(known: &[(&'static str, u32)]) -> String {
    if known.is_empty() {
        return "no workflow".to_owned();
    }
    let named: Vec<String> =
        known.iter().map(|(name, version)| format!("`{name}` version {version}")).collect();
    named.join(", ")
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::LeaseLost { to } => Self::LeaseLost(to),
            WriteError::TargetHeld(held) => Self::TargetHeld(held),
            WriteError::Illegal(illegal) => illegal.into(),
            WriteError::Journal(error) => Self::Broken(error),
        }
    }
}

impl From<IllegalTransition> for Stop {
    fn from(illegal: IllegalTransition) -> Self {
        Self::Ours(Failure::ours("writing the journal", illegal.to_string()))
    }
}

/// How a process left a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The run.
    pub run: RunId,
    /// How it was left.
    pub end: End,
    /// The [`Output`](super::Workflow::Output) of its workflow, if it ended in this process.
    pub output: Option<Value>,
}

impl Outcome {
    pub(super) const fn of(run: RunId, end: End) -> Self {
        Self { run, end, output: None }
    }
}

/// How a process left a run, with a variant for each thing that a user must be told.
#[derive(Debug)]
#[non_exhaustive]
pub enum End {
    /// The workflow came to its end.
    Succeeded,
    /// Everything that the run changed is changed back. The failure is the cause, unless the user asked for the
    /// rollback.
    RolledBack(Option<Failure>),
    /// The run failed before it changed anything.
    Refused(Failure),
    /// The run found a target held by another run before it changed anything.
    TargetHeld(TargetHeld),
    /// The run failed, and is set to halt on failure.
    Halted(Failure),
    /// One of the run's sides was to be taken away, and could not be.
    NotAbandoned(Failure),
    /// A compensation failed for good.
    Stuck {
        /// The name of the step that could not be undone.
        step: String,
        /// The subject of the step.
        subject: Option<String>,
        /// Why it could not be undone.
        failure: Failure,
    },
    /// One process after another died in a step. A person decides whether to retry the step or roll the run back.
    Deadly {
        /// The name of the step.
        step: String,
        /// The subject of the step.
        subject: Option<String>,
        /// The failure, which says how often they died.
        failure: Failure,
    },
    /// The retry budget is spent. The run can be resumed.
    Suspended(Failure),
    /// The user interrupted. The run can be resumed.
    Interrupted,
    /// Another process took over the run.
    LeaseLost(Option<Holder>),
    /// Somebody else drives the run by now, where the journal cannot see it.
    TakenOver(Failure),
    /// The journal belongs to another version of the code.
    Diverged(Diverged),
    /// The run belongs to a workflow that is not registered.
    UnknownWorkflow(UnknownWorkflow),
    /// A defect of this program. The run can be resumed once it is fixed.
    Ours(Failure),
    /// The journal failed. The run can be resumed once the journal is repaired.
    Broken(JournalError),
}

impl End {
    /// Why the run was not carried out, if another run has what it is for.
    pub const fn held(&self) -> Option<&Failure> {
        match self {
            Self::Refused(failure) | Self::RolledBack(Some(failure)) | Self::Suspended(failure)
                if failure.is_held() =>
            {
                Some(failure)
            }
            Self::Succeeded
            | Self::RolledBack(_)
            | Self::Refused(_)
            | Self::TargetHeld(_)
            | Self::Halted(_)
            | Self::NotAbandoned(_)
            | Self::Stuck { .. }
            | Self::Deadly { .. }
            | Self::Suspended(_)
            | Self::Interrupted
            | Self::LeaseLost(_)
            | Self::TakenOver(_)
            | Self::Diverged(_)
            | Self::UnknownWorkflow(_)
            | Self::Ours(_)
            | Self::Broken(_) => None,
        }
    }
}

/// The end that corresponds to a stop.
impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Suspended(failure) => Self::Suspended(failure),
            Stop::Failed(failure) => Self::Halted(failure),
            Stop::Interrupted => Self::Interrupted,
            Stop::LeaseLost(to) => Self::LeaseLost(to),
            Stop::TakenOver(failure) => Self::TakenOver(failure),
            Stop::TargetHeld(held) => Self::TargetHeld(held),
            Stop::Diverged(diverged) => Self::Diverged(diverged),
            Stop::UnknownWorkflow(unknown) => Self::UnknownWorkflow(unknown),
            Stop::Ours(failure) => Self::Ours(failure),
            Stop::Broken(error) => Self::Broken(error),
        }
    }
}
