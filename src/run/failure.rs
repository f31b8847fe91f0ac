//! Why a step did not succeed, as data: after a crash, another process reads the failure back.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::RunId;

/// Why an activity did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// What the engine does about it.
    pub kind: FailureKind,
    /// What was being done, such as `creating the folder`.
    pub doing: String,
    /// What went wrong, in words for a person. It must not contain a secret.
    pub message: String,
    /// The id of the failed request, by which the other side can find it.
    pub request_id: Option<String>,
}

/// What the engine does about a failure. It branches on this and on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// It is retried with the same token. When the budget is spent, the run is suspended.
    Transient {
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
    },
    /// A retry would give the same answer. The run fails, and by default is rolled back.
    ///
    /// An activity may return this only if it changed nothing in the end, or its earlier attempts are accounted for. An
    /// unknown outcome is transient (steno issue 66).
    Permanent,
    /// A resource that existed is reported as gone, or we may not see it. It is retried like a transient failure,
    /// because reads and permissions lag. When the budget is spent, a run that goes forwards fails. A run that goes
    /// backwards is suspended, because on the way back nothing may be given up because of one answer.
    Missing,
    /// Only somebody else can fix it, for example when our key was revoked in the middle of the run. Whether the
    /// request was carried out is unknown. A run that has changed anything is suspended at once; a run that has not
    /// fails.
    Blocked,
    /// Somebody else drives the run by now, where the journal cannot see it. The process stops at once: it sends nothing
    /// more, and undoes nothing.
    TakenOver,
    /// Another run has what this one is for. A run that goes forwards fails and takes back what it changed, also if it is
    /// set to halt, because there is nothing to look into. A run that goes backwards is suspended.
    Held {
        /// The other run, if it is known.
        by: Option<RunId>,
    },
    /// Nothing failed: the run waits at a gate that a person opens, and needs no process meanwhile. It is suspended.
    Gate,
    /// Nothing failed: a person has paused the run, and it needs no process meanwhile. It is suspended.
    Paused,
    /// A defect of this program or of its machine. The run stops at once and sends nothing more.
    Ours,
}

/// An IO error may pass, so it is worth another attempt.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::transient("asking the operating system", error.to_string())
    }
}

impl Failure {
    /// A failure that is worth another attempt.
    pub fn transient(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Transient { retry_after: None }, doing, message)
    }

    /// A failure that every other attempt would repeat.
    pub fn permanent(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Permanent, doing, message)
    }

    /// A failure because something that must exist cannot be seen.
    pub fn missing(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Missing, doing, message)
    }

    /// A failure that only somebody else can fix.
    pub fn blocked(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Blocked, doing, message)
    }

    /// Somebody else drives the run by now.
    pub fn taken_over(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::TakenOver, doing, message)
    }

    /// A failure because another run has what this one is for.
    pub fn held(by: Option<RunId>, doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Held { by }, doing, message)
    }

    /// A wait at a gate, without a process.
    pub fn gate(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Gate, doing, message)
    }

    /// A pause, without a process.
    pub fn paused(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Paused, doing, message)
    }

    /// A defect of this program or of its machine.
    pub fn ours(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Ours, doing, message)
    }

    /// Whether another run has what this one is for.
    pub const fn is_held(&self) -> bool {
        matches!(self.kind, FailureKind::Held { .. })
    }

    /// What the run waits for, if nothing failed: a `gate`, or the end of a pause.
    pub const fn waits(&self) -> Option<&'static str> {
        match self.kind {
            FailureKind::Gate => Some("gate"),
            FailureKind::Paused => Some("paused"),
            FailureKind::Transient { .. }
            | FailureKind::Permanent
            | FailureKind::Missing
            | FailureKind::Blocked
            | FailureKind::TakenOver
            | FailureKind::Held { .. }
            | FailureKind::Ours => None,
        }
    }

    fn of(kind: FailureKind, doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), message: message.into(), request_id: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.doing, self.message)?;
        match &self.request_id {
            Some(id) if !self.message.contains(id.as_str()) => write!(formatter, " (request id {id})"),
            Some(_) | None => Ok(()),
        }
    }
}
