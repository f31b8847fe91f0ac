//! What a person asks of a run that any process may drive.

use serde::{Deserialize, Serialize};

use super::words::{Timestamp, words};

/// The name of the steps at which a run waits for a person, or for some time. Their subject is the gate.
pub const GATE: &str = "gate";

/// Something that a person asks of a run. Any process may leave it; the process that drives the run takes it up and journals
/// what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// Open the gate at which the run waits.
    Promote,
    /// Open that gate, and every later one.
    PromoteFully,
    /// Stop after the present step, and hold.
    Pause,
    /// Go on after a pause.
    Unpause,
    /// Go back.
    Abort,
}

/// A signal that was left for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number within the run: from 1.
    pub n: u32,
    /// What is asked.
    pub signal: Signal,
    /// The person.
    pub by: String,
    /// When the person asked.
    pub at: Timestamp,
    /// The person's reason.
    pub reason: Option<String>,
}

impl Signal {
    /// The signal's name in the journal and in the JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::PromoteFully => "promote-fully",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Abort => "abort",
        }
    }
}

words!(Signal, "signal": Promote, PromoteFully, Pause, Unpause, Abort);
