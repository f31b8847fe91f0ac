//! The engine: journaled runs of typed, idempotent activities, resumed from their checkpoints and rolled back by
//! their compensations. What they do to which world is not its business.
//!
//! Values go down and come up; the only thing that goes sideways is `tell`, which gets each event after it is
//! committed.
//!
//! How a thing ended has a word for each thing:
//!
//! | what has ended | how, in this process | as the journal holds it |
//! |---|---|---|
//! | one attempt at a step | a result or a [`Failure`](crate::run::Failure) | `step-retrying`, when another follows |
//! | all attempts at a step | `attempt::Ended` | [`StepStatus`](crate::run::StepStatus) |
//! | a compensation | [`Undone`], for its last part | [`UndoStatus`](crate::run::UndoStatus) |
//! | a workflow, before its end | [`Stop`], passed on with `?` | |
//! | a walk backwards | `rollback::Walked` | |
//! | what a process did with a run | [`End`], in an [`Outcome`] | [`RunState`](crate::run::RunState) |
//! | a run, for who asks what became of it | | [`run::Outcome`](crate::run::Outcome) |

pub mod prelude;

mod abandon;
mod activity;
mod attempt;
mod codec;
mod cx;
mod deadly;
mod drive;
mod entry;
mod foresee;
mod forward;
mod ground;
mod heartbeat;
mod leave;
mod mutations;
mod patch;
mod registry;
mod rollback;
mod run;
mod same;
mod sleep;
mod step;
mod stop;
mod trial;
mod trials;
mod workflow;

pub use abandon::Past;
pub use activity::{Activity, Done, Mutation, Preview, Read, Undone, Wait};
pub use cx::{Cx, Looks};
pub use drive::Engine;
pub use foresee::Foresight;
pub use registry::Registry;
pub use run::{PlannedStep, Run};
pub use serde_json::Value;
pub use stop::{Diverged, End, Outcome, Stop, UnknownWorkflow};
pub use tokio_util::sync::CancellationToken;
pub use trial::Trial;
pub use trials::{Arranged, TrialError, Trials};
pub use workflow::{Started, Workflow};
