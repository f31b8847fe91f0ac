//! Why a step did not succeed, as data: a failure is read back after a crash, by another process.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why an activity did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// What follows from it.
    pub kind: FailureKind,
    /// What was being done, such as `creating the folder`.
    pub doing: String,
    /// What went wrong, in words for a person; never a secret.
    pub message: String,
    /// The id of the request that failed, by which the other side finds it.
    pub request_id: Option<String>,
}

/// What follows from a failure. The engine branches on this and on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Worth trying again with the same token; when the budget is spent the run is suspended.
    Transient {
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Trying again would give the same answer: the run fails, and by default is rolled back.
    ///
    /// An activity may return this only when its net effect is nil or its earlier attempts are accounted for;
    /// an unknown outcome is transient (steno issue 66).
    Permanent,
    /// Something that was there is said to be gone, or we are not allowed to see it. It is retried like a transient
    /// failure, because reads and permissions lag. When the budget is spent, a run that goes forwards fails. One that goes
    /// backwards is suspended: there nothing may be given up because of one answer.
    Missing,
    /// Only somebody else can repair it, as when our key was revoked in the middle of the run. Whether the request was
    /// carried out is unknown. A run that has changed anything is suspended at once; one that has not fails.
    Blocked,
    /// A defect of this program or of its machine. The run stops at once and sends nothing more.
    Ours,
}

/// What a machine does not do now it may do later: it is worth another attempt.
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

    /// A failure that another attempt would only repeat.
    pub fn permanent(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Permanent, doing, message)
    }

    /// A failure of what must be there and cannot be seen.
    pub fn missing(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Missing, doing, message)
    }

    /// A failure that only somebody else can mend.
    pub fn blocked(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Blocked, doing, message)
    }

    /// A defect on our side.
    pub fn ours(doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Ours, doing, message)
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
