//! The engine: journaled runs of typed, idempotent activities. Runs are resumed from their checkpoints and rolled back
//! by their compensations. The engine does not know what activities do, or to which world.
//!
//! Values go down and come up. The only thing that goes sideways is `tell`, which gets each event after it is
//! committed.
//!
//! Each thing that ends has its own word for how it ended:
//!
//! | what has ended | how, in this process | as the journal holds it |
//! |---|---|---|
//! | one attempt at a step | a result or a [`Failure`](crate::run::Failure) | `step-retrying`, if another follows |
//! | all attempts at a step | `attempt::Ended` | [`StepStatus`](crate::run::StepStatus) |
//! | a compensation | [`Undone`], for its last part | [`UndoStatus`](crate::run::UndoStatus) |
//! | a workflow, before its end | [`Stop`], passed on with `?` | |
//! | a walk backwards | `rollback::Walked` | |
//! | a process's work on a run | [`End`], in an [`Outcome`] | [`RunState`](crate::run::RunState) |
//! | a run, for a reader of the journal | | [`run::Outcome`](crate::run::Outcome) |

#[doc = include_str!("../../docs/design/doubt.md")]
pub mod doubt {}
#[doc = include_str!("../../docs/library.md")]
pub mod guide {}
pub mod prelude;

mod abandon;
mod abort;
mod activity;
mod attempt;
mod codec;
mod cx;
mod deadly;
mod drive;
mod entry;
mod foresee;
mod forward;
mod gate;
mod ground;
mod heartbeat;
mod inbox;
mod leave;
mod looks;
mod mail;
mod mutations;
mod patch;
mod recall;
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
pub use cx::Cx;
pub use drive::Engine;
pub use foresee::Foresight;
pub use gate::{Opened, Opens};
pub use looks::{Looks, Took};
pub use registry::Registry;
pub use run::{PlannedStep, Run};
pub use serde_json::Value;
pub use stop::{Diverged, End, Outcome, Stop, UnknownWorkflow};
pub use tokio_util::sync::CancellationToken;
pub use trial::Trial;
pub use trials::{Arranged, TrialError, Trials};
pub use workflow::{Started, Workflow};
