//! The engine: journaled runs of typed, idempotent activities, resumed from their checkpoints and rolled back by
//! their compensations. What they do to which world is not its business.
//!
//! Values go down and come up; the only thing that goes sideways is `tell`, which gets each event after it is
//! committed.

mod abandon;
mod activity;
mod attempt;
mod codec;
mod cx;
mod drive;
mod entry;
mod foresee;
mod forward;
mod ground;
mod heartbeat;
mod leave;
mod mutations;
mod registry;
mod rollback;
mod run;
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
