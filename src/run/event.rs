//! What happened to a run: the one list of events, each committed before it is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::id::{Fence, RunId, Seq};
use super::state::RunState;
use super::words::{Effect, Holder, Keep, Resolution, Timestamp};

/// Something that happened, as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The process has died in this step time and again: the run waits for a person.
    RunStuck {
        /// The step.
        seq: Seq,
        /// How often, in a row.
        failure: Failure,
    },
    /// A person has the step tried again at which the run stopped.
    RunRetried {
        /// The step.
        seq: Seq,
        /// Who.
        by: String,
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
    /// The event's name, as it is stored.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run-started",
            Self::LeaseTaken { .. } => "lease-taken",
            Self::StepBegun { .. } => "step-begun",
            Self::StepRetrying { .. } => "step-retrying",
            Self::StepAdopted { .. } => "step-adopted",
            Self::StepCompleted { .. } => "step-completed",
            Self::StepFailed { .. } => "step-failed",
            Self::Warned { .. } => "warned",
            Self::RunSuspended { .. } => "run-suspended",
            Self::RunInterrupted => "run-interrupted",
            Self::RunFailed { .. } => "run-failed",
            Self::RollbackStarted => "rollback-started",
            Self::RunStuck { .. } => "run-stuck",
            Self::RunRetried { .. } => "run-retried",
            Self::RunAbandoned { .. } => "run-abandoned",
            Self::UndoBegun { .. } => "undo-begun",
            Self::UndoRetrying { .. } => "undo-retrying",
            Self::UndoAdvanced { .. } => "undo-advanced",
            Self::UndoCompleted { .. } => "undo-completed",
            Self::UndoFailed { .. } => "undo-failed",
            Self::StepResolved { .. } => "step-resolved",
            Self::RunFinished { .. } => "run-finished",
        }
    }

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
            | Self::RunStuck { seq, .. }
            | Self::RunRetried { seq, .. }
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
