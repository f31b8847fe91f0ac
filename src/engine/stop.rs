//! Why a workflow returned early, and how a run ended.

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
    /// Another process took the run over.
    LeaseLost(Option<Holder>),
    /// Another run holds a target.
    TargetHeld(TargetHeld),
    /// On resume the code asked for another step than the journal holds.
    Diverged(Diverged),
    /// The run belongs to a workflow that is not registered.
    UnknownWorkflow(UnknownWorkflow),
    /// A defect of ours.
    Ours(Failure),
    /// The journal failed.
    Broken(JournalError),
}

impl Stop {
    /// The same once more, for a workflow that goes on all the same. What the journal said is told in words.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Suspended(failure) => Self::Suspended(failure.clone()),
            Self::Failed(failure) => Self::Failed(failure.clone()),
            Self::Interrupted => Self::Interrupted,
            Self::LeaseLost(to) => Self::LeaseLost(to.clone()),
            Self::TargetHeld(held) => Self::TargetHeld(held.clone()),
            Self::Diverged(diverged) => Self::Diverged(diverged.clone()),
            Self::UnknownWorkflow(unknown) => Self::UnknownWorkflow(unknown.clone()),
            Self::Ours(failure) => Self::Ours(failure.clone()),
            Self::Broken(error) => Self::Ours(Failure::ours("writing the journal", error.to_string())),
        }
    }
}

/// On resume the code asked for another step than the one that was recorded: it must not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {seq} of the run is `{recorded}`, but this version of the program would do `{asked}`{}", because(.difference.as_ref()))]
#[non_exhaustive]
pub struct Diverged {
    /// The step.
    pub seq: Seq,
    /// What the journal holds.
    pub recorded: String,
    /// What the code asked for.
    pub asked: String,
    /// What differs in a step of the same name: the place in it, what is recorded there, and what is asked for. What is
    /// confidential is masked.
    pub difference: Option<String>,
}

fn because(difference: Option<&String>) -> String {
    difference.map(|difference| format!(": {difference}")).unwrap_or_default()
}

/// A run cannot go on forwards here: its workflow, in its version, is none of those that are registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is a run of `{workflow}` version {version}, and this program has {}", listed(.known))]
pub struct UnknownWorkflow {
    /// The workflow's name in the journal.
    pub workflow: String,
    /// Its version there.
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
    /// What its workflow came to, if it came to its end in this process: an [`Output`](super::Workflow::Output).
    pub output: Option<Value>,
}

impl Outcome {
    pub(super) const fn of(run: RunId, end: End) -> Self {
        Self { run, end, output: None }
    }
}

/// How a process left a run: one variant for each thing that a user must be told.
#[derive(Debug)]
#[non_exhaustive]
pub enum End {
    /// Its workflow came to its end.
    Succeeded,
    /// Everything that the run changed is changed back. The failure is why, when it was not asked for.
    RolledBack(Option<Failure>),
    /// It failed before anything was changed.
    Refused(Failure),
    /// It found another run on a target before anything was changed.
    TargetHeld(TargetHeld),
    /// It failed and was told to halt.
    Halted(Failure),
    /// One of its sides was to be taken away, and could not be.
    NotAbandoned(Failure),
    /// A compensation failed for good.
    Stuck {
        /// The name of the step that could not be undone.
        step: String,
        /// What it acts on.
        subject: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// One process after the other has died in a step; a person has it tried again, or the run rolled back.
    Deadly {
        /// The name of the step.
        step: String,
        /// What it acts on.
        subject: Option<String>,
        /// How often they died.
        failure: Failure,
    },
    /// The retry budget is spent; it can be resumed.
    Suspended(Failure),
    /// The user interrupted; it can be resumed.
    Interrupted,
    /// Another process took the run over.
    LeaseLost(Option<Holder>),
    /// The journal belongs to another version of the code.
    Diverged(Diverged),
    /// The run belongs to a workflow that is not registered.
    UnknownWorkflow(UnknownWorkflow),
    /// A defect of ours; the run can be resumed once it is mended.
    Ours(Failure),
    /// The journal failed; the run can be resumed once it is mended.
    Broken(JournalError),
}

/// The end that a stop amounts to.
impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Suspended(failure) => Self::Suspended(failure),
            Stop::Failed(failure) => Self::Halted(failure),
            Stop::Interrupted => Self::Interrupted,
            Stop::LeaseLost(to) => Self::LeaseLost(to),
            Stop::TargetHeld(held) => Self::TargetHeld(held),
            Stop::Diverged(diverged) => Self::Diverged(diverged),
            Stop::UnknownWorkflow(unknown) => Self::UnknownWorkflow(unknown),
            Stop::Ours(failure) => Self::Ours(failure),
            Stop::Broken(error) => Self::Broken(error),
        }
    }
}
