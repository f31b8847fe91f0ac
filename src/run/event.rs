//! What happened to a run: the one list of events. Each is committed before it is reported.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::id::{Fence, RunId, Seq};
use super::signal::Signal;
use super::state::RunState;
use super::words::{Effect, Holder, Keep, Resolution, Timestamp};

/// An event, as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The run to which it happened.
    pub run: RunId,
    /// Its number within the run: from 1, without gaps.
    pub n: u32,
    /// When it was committed.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// Everything that can happen to a run. Each variant is stored; what is only shown is [`Update::Progress`].
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
    /// A process took over the run.
    LeaseTaken {
        /// The previous holder, if it is known.
        from: Option<Holder>,
        /// The new holder.
        by: Holder,
        /// The new fence.
        fence: Fence,
    },
    /// A step's intent was committed. Its request may be sent now.
    StepBegun {
        /// The step.
        seq: Seq,
        /// The activity's name.
        name: String,
        /// The subject that the activity acts on, if steps of a kind must be distinguished.
        subject: Option<String>,
        /// Its effect on the world.
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
        /// The delay until that attempt.
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
        /// A short note on the result.
        note: Option<String>,
    },
    /// A step failed for good.
    StepFailed {
        /// The step.
        seq: Seq,
        /// Why it failed.
        failure: Failure,
    },
    /// A warning for the user. Nothing follows from it.
    Warned {
        /// The step that found it.
        seq: Seq,
        /// The warning.
        message: String,
    },
    /// The retry budget is spent. The run waits for `resume`.
    RunSuspended {
        /// The failure that kept occurring.
        failure: Failure,
    },
    /// A person stopped the process. The run waits for `resume`.
    RunInterrupted,
    /// The run failed.
    RunFailed {
        /// Why it failed.
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
        /// The subject that the activity acts on.
        subject: Option<String>,
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// A compensation failed and will be retried.
    UndoRetrying {
        /// The step that is undone.
        seq: Seq,
        /// Why the attempt failed.
        failure: Failure,
        /// The number of the attempt that follows.
        attempt: u32,
        /// The delay until that attempt.
        delay: Duration,
    },
    /// A part of a compensation was carried out and checkpointed. Another part follows.
    UndoAdvanced {
        /// The step that is undone.
        seq: Seq,
        /// A word or two on what was done.
        note: String,
    },
    /// A step is undone.
    UndoCompleted {
        /// The step.
        seq: Seq,
    },
    /// What a compensation had done was taken back again. It is made anew when the run goes on.
    UndoWithdrawn {
        /// The step.
        seq: Seq,
    },
    /// A compensation failed for good. The run is stuck.
    UndoFailed {
        /// The step.
        seq: Seq,
        /// Why it failed.
        failure: Failure,
    },
    /// Processes died in this step again and again. The run waits for a person.
    RunStuck {
        /// The step.
        seq: Seq,
        /// How many processes in a row died.
        failure: Failure,
    },
    /// A person retries the step at which the run stopped.
    RunRetried {
        /// The step.
        seq: Seq,
        /// The person.
        by: String,
    },
    /// A person ends the run: one side is kept, and the other is taken away.
    RunAbandoned {
        /// The side that is kept.
        keep: Keep,
        /// The first of the steps that end the run.
        from: Seq,
        /// The person's reason.
        reason: Option<String>,
        /// The person.
        by: String,
    },
    /// A person recorded what they did to a stuck step.
    StepResolved {
        /// The step.
        seq: Seq,
        /// What they did.
        resolution: Resolution,
        /// The person's reason.
        reason: String,
        /// The person.
        by: String,
    },
    /// The process that drives the run took up what a person asks of it.
    Signalled {
        /// The number of the signal within the run.
        n: u32,
        /// What was asked.
        signal: Signal,
        /// The person's reason.
        reason: Option<String>,
        /// The person.
        by: String,
        /// Why nothing came of it, if nothing did.
        refused: Option<String>,
    },
    /// The run is over.
    RunFinished {
        /// The final state, `succeeded` or `rolled-back`.
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
            Self::UndoWithdrawn { .. } => "undo-withdrawn",
            Self::UndoFailed { .. } => "undo-failed",
            Self::StepResolved { .. } => "step-resolved",
            Self::Signalled { .. } => "signalled",
            Self::RunFinished { .. } => "run-finished",
        }
    }

    /// The step that the event is about, if any.
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
            | Self::UndoWithdrawn { seq }
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
            | Self::Signalled { .. }
            | Self::RunFinished { .. } => None,
        }
    }
}

/// An update for reporters.
#[derive(Clone, Copy, Debug)]
pub enum Update<'a> {
    /// An event that is in the journal.
    Event(&'a Event),
    /// A text to show that is not worth recording, such as the progress of a wait.
    Progress {
        /// The step it is about.
        seq: Seq,
        /// The text.
        text: &'a str,
    },
    /// One of a step's reads failed and will be repeated. It is not recorded, because nothing follows from it.
    Trouble {
        /// The step it is about.
        seq: Seq,
        /// Why it failed.
        failure: &'a Failure,
        /// The delay until the read is repeated.
        delay: Duration,
    },
}
