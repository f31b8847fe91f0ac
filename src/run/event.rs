//! What happened to a run: the one list of events, each committed before it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::id::{Fence, RunId, Seq};
use super::state::RunState;

/// A point in time, UTC.
pub type Timestamp = DateTime<Utc>;

/// Small named facts about a run, such as the id of the instance it made. Never secret.
pub type Facts = BTreeMap<String, String>;

/// Something that happened, as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The run it happened to.
    pub run: RunId,
    /// Its number within the run, from 1 without a gap.
    pub n: u32,
    /// When it was committed.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What an activity does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Looks, and changes nothing.
    Read,
    /// Waits until something is so.
    Wait,
    /// Changes the cloud, and declares how that is undone.
    Mutation,
}

/// Which way a run is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Towards the new version.
    Forward,
    /// Back to the old one.
    Backward,
}

impl Direction {
    /// The direction, as the journal holds it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// What follows when a step fails for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Roll back at once.
    Rollback,
    /// Stop there and leave everything as it is.
    Halt,
}

impl OnFailure {
    /// What follows, as the journal and the deployment name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Halt => "halt",
        }
    }
}

/// What a person says about a stuck step that they mended by hand.
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
    /// The side, as the command line names it.
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
    /// The kernel's boot id, which tells a reboot from a pause.
    pub boot_id: String,
    /// The process id.
    pub pid: u32,
    /// When the process took the lease.
    pub since: Timestamp,
    /// The user, for the message that another person reads.
    pub user: String,
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

/// Everything that can happen to a run. Each variant is stored; what is merely shown is [`Update::Progress`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum EventKind {
    /// The run was created, together with its target and its first lease.
    RunStarted {
        /// The workflow's name.
        workflow: String,
        /// The workflow's version.
        version: u32,
        /// The deployment's name.
        name: String,
    },
    /// A process took the run over.
    LeaseTaken {
        /// Who held it before, when that is known.
        from: Option<Holder>,
        /// Who holds it now.
        by: Holder,
        /// The new fence.
        fence: Fence,
    },
    /// A step's intent was committed; its request may leave now.
    StepBegun {
        /// The step.
        seq: Seq,
        /// The activity's name.
        name: String,
        /// What the activity acts on, when one step of a kind must be told from another.
        subject: Option<String>,
        /// What it does to the world.
        effect: Effect,
        /// From 1; higher when the step is repeated after a crash.
        attempt: u32,
    },
    /// An attempt failed and another will follow.
    StepRetrying {
        /// The step.
        seq: Seq,
        /// Why the attempt failed.
        failure: Failure,
        /// The number of the attempt that follows.
        attempt: u32,
        /// How long until then.
        delay: Duration,
    },
    /// A step that was in doubt turned out to have happened.
    StepAdopted {
        /// The step.
        seq: Seq,
    },
    /// A step's result is checkpointed.
    StepCompleted {
        /// The step.
        seq: Seq,
        /// What came of it, in a few words.
        note: Option<String>,
    },
    /// A step failed for good.
    StepFailed {
        /// The step.
        seq: Seq,
        /// Why.
        failure: Failure,
    },
    /// A warning that the user should see; nothing follows from it.
    Warned {
        /// The step that found it.
        seq: Seq,
        /// What is unusual.
        message: String,
    },
    /// The retry budget is spent: the run waits for `resume`.
    RunSuspended {
        /// What kept failing.
        failure: Failure,
    },
    /// A person stopped the process; the run waits for `resume`.
    RunInterrupted,
    /// The run failed.
    RunFailed {
        /// Why.
        failure: Failure,
    },
    /// The run turned round.
    RollbackStarted,
    /// A compensation's intent was committed.
    UndoBegun {
        /// The step that is undone.
        seq: Seq,
        /// The activity's name.
        name: String,
        /// What the activity acts on.
        subject: Option<String>,
        /// From 1.
        attempt: u32,
    },
    /// A compensation failed and will be tried again.
    UndoRetrying {
        /// The step that is undone.
        seq: Seq,
        /// Why the attempt failed.
        failure: Failure,
        /// The number of the attempt that follows.
        attempt: u32,
        /// How long until then.
        delay: Duration,
    },
    /// A part of a compensation was carried out and is checkpointed; another follows.
    UndoAdvanced {
        /// The step that is undone.
        seq: Seq,
        /// What was done, in a word or two.
        note: String,
    },
    /// A step is undone.
    UndoCompleted {
        /// The step.
        seq: Seq,
    },
    /// A compensation failed for good: the run is stuck.
    UndoFailed {
        /// The step.
        seq: Seq,
        /// Why.
        failure: Failure,
    },
    /// A person ends the run: one side is kept, and the other one is taken away.
    RunAbandoned {
        /// The side that is kept.
        keep: Keep,
        /// From this step on, the steps are those that end the run.
        from: Seq,
        /// Why, in their words.
        reason: Option<String>,
        /// Who.
        by: String,
    },
    /// A person recorded what they did to a stuck step.
    StepResolved {
        /// The step.
        seq: Seq,
        /// What they did.
        resolution: Resolution,
        /// Why, in their words.
        reason: String,
        /// Who.
        by: String,
    },
    /// The run is over.
    RunFinished {
        /// `succeeded` or `rolled-back`.
        state: RunState,
    },
}

impl EventKind {
    /// The step that the event is about, when it is about one.
    pub const fn step(&self) -> Option<Seq> {
        match self {
            Self::StepBegun { seq, .. }
            | Self::StepRetrying { seq, .. }
            | Self::StepAdopted { seq }
            | Self::StepCompleted { seq, .. }
            | Self::StepFailed { seq, .. }
            | Self::Warned { seq, .. }
            | Self::UndoBegun { seq, .. }
            | Self::UndoRetrying { seq, .. }
            | Self::UndoAdvanced { seq, .. }
            | Self::UndoCompleted { seq }
            | Self::UndoFailed { seq, .. }
            | Self::StepResolved { seq, .. } => Some(*seq),
            Self::RunStarted { .. }
            | Self::LeaseTaken { .. }
            | Self::RunSuspended { .. }
            | Self::RunInterrupted
            | Self::RunFailed { .. }
            | Self::RollbackStarted
            | Self::RunAbandoned { .. }
            | Self::RunFinished { .. } => None,
        }
    }
}

/// What a reporter gets.
#[derive(Clone, Copy, Debug)]
pub enum Update<'a> {
    /// Something that is in the journal.
    Event(&'a Event),
    /// Something to show that is not worth recording, such as the state of a wait.
    Progress {
        /// The step it is about.
        seq: Seq,
        /// What to show.
        text: &'a str,
    },
    /// One of a step's reads failed, and is made again. Not recorded, as nothing follows from it.
    Trouble {
        /// The step it is about.
        seq: Seq,
        /// Why it failed.
        failure: &'a Failure,
        /// Until it is made again.
        delay: Duration,
    },
}
