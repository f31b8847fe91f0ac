//! The read model of a run: what the journal says about it.

use serde_json::Value;

use super::failure::Failure;
use super::id::{RunId, Seq};
use super::signal::GATE;
use super::state::{Outcome, RunState, StepStatus, UndoStatus};
use super::words::{Direction, Effect, Facts, Holder, Timestamp};

/// One run, with its steps if they were asked for.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The workflow's version.
    pub workflow_version: u32,
    /// The deployment's name.
    pub name: String,
    /// Its state.
    pub state: RunState,
    /// The direction in which it last went.
    pub direction: Direction,
    /// Whether it should be advancing, but no process advances it.
    pub interrupted: bool,
    /// The process that advances it, if any.
    pub holder: Option<Holder>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed or was suspended.
    pub error: Option<Failure>,
    /// Small facts, such as the ids of the old and the new instance.
    pub facts: Facts,
    /// The steps in order; empty in a list of runs.
    pub steps: Vec<StepRecord>,
    /// Its outcome; `None` until it has one.
    pub outcome: Option<Outcome>,
    /// Its warnings, in order; empty in a list of runs.
    pub warnings: Vec<String>,
}

impl RunRecord {
    /// What it waits for without a process, if nothing failed: a `gate`, or the end of a pause.
    pub fn waits(&self) -> Option<&'static str> {
        let error = self.error.as_ref().filter(|_| self.state == RunState::Suspended);
        error.and_then(Failure::waits)
    }

    /// The gate that it has reached and not passed.
    pub fn gate(&self) -> Option<&str> {
        let is_open = |step: &&StepRecord| step.status == StepStatus::Begun && step.compensation.is_none();
        let last = self.steps.last().filter(|step| step.name == GATE);
        last.filter(is_open).and_then(|step| step.subject.as_deref())
    }
}

/// One step of a run. Confidential values are masked.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Its number.
    pub seq: Seq,
    /// The activity's name.
    pub name: String,
    /// The subject that the activity acts on.
    pub subject: Option<String>,
    /// Its effect on the world.
    pub effect: Effect,
    /// Its status.
    pub status: StepStatus,
    /// The number of attempts.
    pub attempts: u32,
    /// When it was first begun.
    pub started_at: Timestamp,
    /// When it completed or failed.
    pub finished_at: Option<Timestamp>,
    /// Its checkpoint.
    pub result: Option<Value>,
    /// Why it failed, or why its last attempt did.
    pub error: Option<Failure>,
    /// Its compensation, if it has begun.
    pub compensation: Option<UndoRecord>,
}

/// The compensation of a step.
#[derive(Clone, Debug)]
pub struct UndoRecord {
    /// Its status.
    pub status: UndoStatus,
    /// The number of attempts.
    pub attempts: u32,
    /// When it was first begun.
    pub started_at: Timestamp,
    /// When it completed or failed.
    pub finished_at: Option<Timestamp>,
    /// Why it failed, or why its last attempt did.
    pub error: Option<Failure>,
}
