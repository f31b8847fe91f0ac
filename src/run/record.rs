//! The read model of a run: what the journal says about it, in the JSON that scripts depend on.

use serde::Serialize;
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

impl RunRecord {
    /// The published JSON, with the steps.
    pub fn to_json(&self) -> Value {
        let mut published = self.to_json_without_steps();
        published["warnings"] = self.warnings.as_slice().into();
        published["steps"] = self.steps.iter().map(StepRecord::to_json).collect();
        published
    }

    /// The published JSON of a list of runs.
    pub fn to_json_without_steps(&self) -> Value {
        let head = PublishedRun {
            run_id: self.id,
            workflow: &self.workflow,
            workflow_version: self.workflow_version,
            name: &self.name,
            status: self.state,
            interrupted: self.interrupted,
            outcome: self.outcome,
            created_at: stamp(self.created_at),
            finished_at: self.finished_at.map(stamp),
            error: self.error.as_ref().map(Failure::to_string),
            old_instance_id: self.facts.get("old-instance-id"),
            new_instance_id: self.facts.get("new-instance-id"),
            restored_instance_id: self.facts.get("restored-instance-id"),
        };
        serde_json::to_value(head).expect("strings, numbers and booleans serialise")
    }
}

impl StepRecord {
    fn to_json(&self) -> Value {
        let step = PublishedStep {
            seq: self.seq,
            name: &self.name,
            subject: self.subject.as_deref(),
            status: self.status,
            attempts: self.attempts,
            started_at: stamp(self.started_at),
            finished_at: self.finished_at.map(stamp),
            result: self.result.as_ref(),
            error: self.error.as_ref().map(Failure::to_string),
            compensation: self.compensation.as_ref().map(|undo| PublishedUndo {
                status: undo.status,
                attempts: undo.attempts,
                started_at: stamp(undo.started_at),
                finished_at: undo.finished_at.map(stamp),
                error: undo.error.as_ref().map(Failure::to_string),
            }),
        };
        serde_json::to_value(step).expect("strings, numbers and JSON serialise")
    }
}

/// RFC 3339, UTC, with milliseconds: the form that OCI uses as well.
pub fn stamp(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

// The published form is kept apart from the read model, so that a change of the one cannot change the other
// unseen.
#[derive(Serialize)]
struct PublishedRun<'a> {
    run_id: RunId,
    workflow: &'a str,
    workflow_version: u32,
    name: &'a str,
    status: RunState,
    interrupted: bool,
    outcome: Option<Outcome>,
    created_at: String,
    finished_at: Option<String>,
    error: Option<String>,
    old_instance_id: Option<&'a String>,
    new_instance_id: Option<&'a String>,
    restored_instance_id: Option<&'a String>,
}

#[derive(Serialize)]
struct PublishedStep<'a> {
    seq: Seq,
    name: &'a str,
    subject: Option<&'a str>,
    status: StepStatus,
    attempts: u32,
    started_at: String,
    finished_at: Option<String>,
    result: Option<&'a Value>,
    error: Option<String>,
    compensation: Option<PublishedUndo>,
}

#[derive(Serialize)]
struct PublishedUndo {
    status: UndoStatus,
    attempts: u32,
    started_at: String,
    finished_at: Option<String>,
    error: Option<String>,
}
