//! The small words that events, rows and the engine share.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A point in time, UTC.
pub type Timestamp = DateTime<Utc>;

/// Small named facts about a run, such as the id of what it created. They must not contain a secret.
pub type Facts = BTreeMap<String, String>;

/// An activity's effect on the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It reads, and changes nothing.
    Read,
    /// It waits for a condition.
    Wait,
    /// It changes the cloud, and declares how the change is undone.
    Mutation,
}

/// The direction of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Towards its end.
    Forward,
    /// Back to where it began.
    Backward,
}

impl Effect {
    /// The word in the journal and in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Wait => "wait",
            Self::Mutation => "mutation",
        }
    }
}

impl Direction {
    /// The direction's name in the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// What happens when a step fails for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The run is rolled back at once.
    Rollback,
    /// The run stops and leaves everything as it is.
    Halt,
}

impl OnFailure {
    /// The name in the journal and in the deployment.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Halt => "halt",
        }
    }
}

/// What a person says about a stuck step that they fixed by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// The step's effect stays: its compensation is skipped.
    Done,
    /// The step's effect is gone: a person undid it.
    Undone,
}

/// Which side of a run a person keeps when they end it by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The new version goes on serving, and the old one is taken away.
    New,
    /// The old version goes on serving, and the new one is taken away.
    Old,
}

impl Keep {
    /// The side's name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
        }
    }
}

/// The process that advances a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Holder {
    /// The machine's host name.
    pub host: String,
    /// The kernel's boot id, which distinguishes a reboot from a pause.
    pub boot_id: String,
    /// The process id.
    pub pid: u32,
    /// When the process took the lease.
    pub since: Timestamp,
    /// The user, for the message that another person reads.
    pub user: String,
}

impl Holder {
    /// The person who started the process.
    pub fn person(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}@{} (pid {}, since {})",
            self.user,
            self.host,
            self.pid,
            self.since.format("%Y-%m-%dT%H:%M:%SZ")
        )
    }
}

/// A word in the journal that is not one of the expected ones.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` names no {thing}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// What the word should name.
    pub thing: &'static str,
}

/// Reads and writes an enum by its `as_str`.
macro_rules! words {
    ($type:ty, $thing:literal: $($variant:ident),+) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $type {
            type Err = $crate::run::UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                [$(Self::$variant),+]
                    .into_iter()
                    .find(|word| word.as_str() == text)
                    .ok_or_else(|| $crate::run::UnknownWord { word: text.to_owned(), thing: $thing })
            }
        }
    };
}
pub(super) use words;

words!(Effect, "effect": Read, Wait, Mutation);
words!(Direction, "direction": Forward, Backward);
words!(OnFailure, "answer to a failure": Rollback, Halt);
