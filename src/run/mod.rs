//! The vocabulary: what a run is, the states of a run and its steps, and what can happen to them.
//!
//! Pure data at the bottom of the house: no async, no IO, no clock. The journal stores these words, the engine moves
//! between them, and the command line prints them.

mod confidential;
mod event;
mod failure;
mod fold;
mod half;
mod id;
mod kinship;
mod published;
mod record;
#[cfg(test)]
mod samples;
mod secrets;
mod signal;
mod standing;
mod state;
mod transitions;
mod words;

pub use confidential::{Confidential, MASK, marker, mask};
pub use event::{Event, EventKind, Update};
pub use failure::{Failure, FailureKind};
pub use fold::{Folded, FoldedStep, Unfoldable};
pub use half::Half;
pub use id::{Fence, RetryToken, RunId, RunSelector, SelectorError, Seq, StepId, Target};
pub use kinship::Kinship;
pub use published::{stamp, time_of};
pub use record::{RunRecord, StepRecord, UndoRecord};
#[cfg(test)]
pub(crate) use samples::one_event_of_each_kind;
pub use secrets::{Cut, Secrets, passwords};
pub use signal::{GATE, Sent, Signal};
pub use standing::{RunStanding, StepStanding};
pub use state::{Outcome, RunState, StepState, StepStatus, UndoStatus};
pub use transitions::IllegalTransition;
pub use words::{Direction, Effect, Facts, Holder, Keep, OnFailure, Resolution, Timestamp, UnknownWord};
