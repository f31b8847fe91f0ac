//! The published JSON of runs, on which scripts depend, in types of its own.
//!
//! These types are separate from the read model and from what the journal holds, so that a change of those cannot
//! change the published JSON unnoticed. Names of runs and steps are in `snake_case`; names inside events are in
//! `kebab-case`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::event::{Event, EventKind};
use super::failure::{Failure, FailureKind};
use super::id::{RunId, Seq};
use super::record::{RunRecord, StepRecord};
use super::signal::Signal;
use super::state::{Outcome, RunState, StepStatus, UndoStatus};
use super::words::{Effect, Holder, Keep, Resolution, Timestamp};

impl RunRecord {
    /// The published JSON of the run, with its steps and with these of its facts.
    pub fn to_json(&self, facts: &[&str]) -> Value {
        let mut published = self.to_json_without_steps(facts);
        published["warnings"] = self.warnings.as_slice().into();
        published["steps"] = self.steps.iter().map(StepRecord::to_json).collect();
        published
    }

    /// The published JSON of the run, for a list of runs. A fact that the run has not learned is `null`.
    pub fn to_json_without_steps(&self, facts: &[&str]) -> Value {
        let waits = self.waits();
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
            why: waits,
            error: self.error.as_ref().filter(|_| waits.is_none()).map(Failure::to_string),
            facts: facts.iter().map(|name| (name.replace('-', "_"), json!(self.facts.get(*name)))).collect(),
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

impl Event {
    /// The published JSON of the event: flat, with the event's name under `event`.
    pub fn to_json(&self) -> Value {
        let kind = serde_json::to_value(PublishedEvent::from(&self.kind));
        let mut published = json!({"n": self.n, "at": stamp(self.at)});
        if let (Value::Object(published), Ok(Value::Object(kind))) = (&mut published, kind) {
            published.extend(kind);
        }
        published
    }
}

/// A time in RFC 3339, UTC, with milliseconds.
pub fn stamp(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A time that [`stamp`] or the cloud has written, in RFC 3339. `None` if it is none.
pub fn time_of(text: &str) -> Option<Timestamp> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

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
    /// Why it is suspended, if nothing failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    error: Option<String>,
    #[serde(flatten)]
    facts: Map<String, Value>,
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

/// What happened. The names are those of [`EventKind::name`]. A delay is in seconds.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum PublishedEvent<'a> {
    RunStarted { workflow: &'a str, version: u32, name: &'a str },
    LeaseTaken { from: Option<PublishedHolder<'a>>, by: PublishedHolder<'a>, fence: i64 },
    StepBegun { seq: Seq, name: &'a str, subject: Option<&'a str>, effect: Effect, attempt: u32 },
    StepRetrying { seq: Seq, failure: PublishedFailure<'a>, attempt: u32, delay: f64 },
    StepAdopted { seq: Seq },
    StepCompleted { seq: Seq, note: Option<&'a str> },
    StepFailed { seq: Seq, failure: PublishedFailure<'a> },
    Warned { seq: Seq, message: &'a str },
    RunSuspended { failure: PublishedFailure<'a> },
    RunInterrupted,
    RunFailed { failure: PublishedFailure<'a> },
    RollbackStarted,
    UndoBegun { seq: Seq, name: &'a str, subject: Option<&'a str>, attempt: u32 },
    UndoRetrying { seq: Seq, failure: PublishedFailure<'a>, attempt: u32, delay: f64 },
    UndoAdvanced { seq: Seq, note: &'a str },
    UndoCompleted { seq: Seq },
    UndoWithdrawn { seq: Seq },
    UndoFailed { seq: Seq, failure: PublishedFailure<'a> },
    RunStuck { seq: Seq, failure: PublishedFailure<'a> },
    RunRetried { seq: Seq, by: &'a str },
    RunAbandoned { keep: Keep, from: Seq, reason: Option<&'a str>, by: &'a str },
    StepResolved { seq: Seq, resolution: Resolution, reason: &'a str, by: &'a str },
    Signalled { n: u32, signal: Signal, reason: Option<&'a str>, by: &'a str, refused: Option<&'a str> },
    RunFinished { state: RunState },
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PublishedFailure<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<RunId>,
    doing: &'a str,
    message: &'a str,
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PublishedHolder<'a> {
    host: &'a str,
    boot_id: &'a str,
    pid: u32,
    since: String,
    user: &'a str,
}

impl<'a> From<&'a EventKind> for PublishedEvent<'a> {
    fn from(kind: &'a EventKind) -> Self {
        match kind {
            EventKind::RunStarted { workflow, version, name } => {
                Self::RunStarted { workflow, version: *version, name }
            }
            EventKind::LeaseTaken { from, by, fence } => {
                Self::LeaseTaken { from: from.as_ref().map(Into::into), by: by.into(), fence: fence.get() }
            }
            EventKind::StepBegun { seq, name, subject, effect, attempt } => Self::StepBegun {
                seq: *seq,
                name,
                subject: subject.as_deref(),
                effect: *effect,
                attempt: *attempt,
            },
            EventKind::StepRetrying { seq, failure, attempt, delay } => Self::StepRetrying {
                seq: *seq,
                failure: failure.into(),
                attempt: *attempt,
                delay: delay.as_secs_f64(),
            },
            EventKind::StepAdopted { seq } => Self::StepAdopted { seq: *seq },
            EventKind::StepCompleted { seq, note } => {
                Self::StepCompleted { seq: *seq, note: note.as_deref() }
            }
            EventKind::StepFailed { seq, failure } => Self::StepFailed { seq: *seq, failure: failure.into() },
            EventKind::Warned { seq, message } => Self::Warned { seq: *seq, message },
            EventKind::RunSuspended { failure } => Self::RunSuspended { failure: failure.into() },
            EventKind::RunInterrupted => Self::RunInterrupted,
            EventKind::RunFailed { failure } => Self::RunFailed { failure: failure.into() },
            EventKind::RollbackStarted => Self::RollbackStarted,
            EventKind::UndoBegun { seq, name, subject, attempt } => {
                Self::UndoBegun { seq: *seq, name, subject: subject.as_deref(), attempt: *attempt }
            }
            EventKind::UndoRetrying { seq, failure, attempt, delay } => Self::UndoRetrying {
                seq: *seq,
                failure: failure.into(),
                attempt: *attempt,
                delay: delay.as_secs_f64(),
            },
            EventKind::UndoAdvanced { seq, note } => Self::UndoAdvanced { seq: *seq, note },
            EventKind::UndoCompleted { seq } => Self::UndoCompleted { seq: *seq },
            EventKind::UndoWithdrawn { seq } => Self::UndoWithdrawn { seq: *seq },
            EventKind::UndoFailed { seq, failure } => Self::UndoFailed { seq: *seq, failure: failure.into() },
            EventKind::RunStuck { seq, failure } => Self::RunStuck { seq: *seq, failure: failure.into() },
            EventKind::RunRetried { seq, by } => Self::RunRetried { seq: *seq, by },
            EventKind::RunAbandoned { keep, from, reason, by } => {
                Self::RunAbandoned { keep: *keep, from: *from, reason: reason.as_deref(), by }
            }
            EventKind::StepResolved { seq, resolution, reason, by } => {
                Self::StepResolved { seq: *seq, resolution: *resolution, reason, by }
            }
            EventKind::Signalled { n, signal, reason, by, refused } => Self::Signalled {
                n: *n,
                signal: *signal,
                reason: reason.as_deref(),
                by,
                refused: refused.as_deref(),
            },
            EventKind::RunFinished { state } => Self::RunFinished { state: *state },
        }
    }
}

impl<'a> From<&'a Failure> for PublishedFailure<'a> {
    fn from(failure: &'a Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Transient { .. } => "transient",
            FailureKind::Permanent => "permanent",
            FailureKind::Missing => "missing",
            FailureKind::Blocked => "blocked",
            FailureKind::TakenOver => "taken-over",
            FailureKind::Held { .. } => "held",
            FailureKind::Gate => "gate",
            FailureKind::Paused => "paused",
            FailureKind::Ours => "ours",
        };
        let held_by = match failure.kind {
            FailureKind::Held { by } => by,
            FailureKind::Transient { .. }
            | FailureKind::Permanent
            | FailureKind::Missing
            | FailureKind::Blocked
            | FailureKind::TakenOver
            | FailureKind::Gate
            | FailureKind::Paused
            | FailureKind::Ours => None,
        };
        let request_id = failure.request_id.as_deref();
        Self { kind, held_by, doing: &failure.doing, message: &failure.message, request_id }
    }
}

impl<'a> From<&'a Holder> for PublishedHolder<'a> {
    fn from(holder: &'a Holder) -> Self {
        let Holder { host, boot_id, pid, since, user } = holder;
        Self { host, boot_id, pid: *pid, since: stamp(*since), user }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::run::{Direction, Facts, UndoRecord, one_event_of_each_kind};

    #[test]
    fn each_event_is_flat_and_named() {
        let events = one_event_of_each_kind();
        let lines: Vec<String> = events.iter().map(|event| event.to_json().to_string()).collect();
        insta::assert_snapshot!(lines.join("\n"));
        for event in &events {
            assert_eq!(event.to_json()["event"], event.kind.name());
        }
        let names: BTreeSet<_> = events.iter().map(|event| event.kind.name()).collect();
        assert_eq!(names.len(), 24, "of each kind there is one: {names:?}");
    }

    fn at(second: u8) -> Timestamp {
        format!("2026-03-01T09:00:{second:02}.250Z").parse().expect("a time")
    }

    fn record() -> RunRecord {
        let failure =
            Failure { request_id: Some("AB12".to_owned()), ..Failure::permanent("creating", "409 Conflict") };
        let facts =
            [("old-instance-id", "ocid1.old"), ("new-instance-id", "ocid1.new"), ("other", "unpublished")];
        let undone = StepRecord {
            seq: Seq::FIRST,
            name: "create-instance".to_owned(),
            subject: None,
            effect: Effect::Mutation,
            status: StepStatus::Completed,
            attempts: 2,
            started_at: at(1),
            finished_at: Some(at(2)),
            result: Some(json!({"id": "ocid1.new"})),
            error: None,
            compensation: Some(UndoRecord {
                status: UndoStatus::Completed,
                attempts: 1,
                started_at: at(5),
                finished_at: Some(at(6)),
                error: None,
            }),
        };
        let failed = StepRecord {
            seq: Seq::FIRST.next(),
            name: "register-backend".to_owned(),
            subject: Some("http/10.0.0.3:80".to_owned()),
            status: StepStatus::Failed,
            attempts: 1,
            finished_at: None,
            result: None,
            error: Some(failure.clone()),
            compensation: None,
            ..undone.clone()
        };
        RunRecord {
            id: "1b2c3d4e-0000-4000-8000-000000000001".parse().expect("an id"),
            workflow: "redeploy".to_owned(),
            workflow_version: 1,
            name: "web".to_owned(),
            state: RunState::RolledBack,
            direction: Direction::Backward,
            interrupted: false,
            holder: None,
            created_at: at(0),
            finished_at: Some(at(7)),
            error: Some(failure),
            facts: facts
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect::<Facts>(),
            steps: vec![undone, failed],
            outcome: Some(Outcome::FailedAndUndone),
            warnings: vec!["its container has restarted once".to_owned()],
        }
    }

    const FACTS: [&str; 3] = ["old-instance-id", "new-instance-id", "restored-instance-id"];

    #[test]
    fn a_run_is_published_with_its_steps() {
        insta::assert_snapshot!(format!("{:#}", record().to_json(&FACTS)));
    }

    #[test]
    fn a_run_in_a_list_is_published_without_them() {
        insta::assert_snapshot!(format!("{:#}", record().to_json_without_steps(&FACTS)));
    }
}
