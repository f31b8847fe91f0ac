//! The read model of a run: what the journal says about it.

use serde_json::Value;

use super::failure::Failure;
use super::id::{RunId, Seq};
use super::state::{Outcome, RunState, StepStatus, UndoStatus};
use super::words::{Direction, Effect, Facts, Holder, Timestamp};

/// One run, with its steps when they were asked for.
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
    /// Where it stands.
    pub state: RunState,
    /// Which way it was going last.
    pub direction: Direction,
    /// Whether it should be advancing and nobody advances it.
    pub interrupted: bool,
    /// Who advances it, when somebody does.
    pub holder: Option<Holder>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Why it failed or was suspended.
    pub error: Option<Failure>,
    /// Small facts, such as the ids of the old and the new instance.
    pub facts: Facts,
    /// The steps in order; empty in a list of runs.
    pub steps: Vec<StepRecord>,
    /// How it came out; `None` until it did.
    pub outcome: Option<Outcome>,
    /// What it warned of, in order; empty in a list of runs.
    pub warnings: Vec<String>,
}

/// One step of a run. Confidential values are masked.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Its number.
    pub seq: Seq,
    /// The activity's name.
    pub name: String,
    /// What the activity acts on.
    pub subject: Option<String>,
    /// What it does to the world.
    pub effect: Effect,
    /// Where it stands.
    pub status: StepStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first begun.
    pub started_at: Timestamp,
    /// When it completed or failed.
    pub finished_at: Option<Timestamp>,
    /// Its checkpoint.
    pub result: Option<Value>,
    /// Why it failed, or why its last attempt did.
    pub error: Option<Failure>,
    /// Its compensation, once there is one.
    pub compensation: Option<UndoRecord>,
}

/// The compensation of a step.
#[derive(Clone, Debug)]
pub struct UndoRecord {
    /// Where it stands.
    pub status: UndoStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first begun.
    pub started_at: Timestamp,
    /// When it completed or failed.
    pub finished_at: Option<Timestamp>,
    /// Why it failed, or why its last attempt did.
    pub error: Option<Failure>,
}
