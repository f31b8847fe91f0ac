//! The sequences: redeploy and destroy. The only room that knows both the engine and the cloud.

mod abandon;
mod activities;
mod again;
mod arbiter;
mod balancer;
mod beside;
mod by_hand;
mod candidates;
mod context;
mod destroy;
mod elsewhere;
mod failure;
mod finders;
mod guards;
mod instance;
mod joining;
mod kinship;
mod looked;
mod lost;
mod phase;
mod predecessors;
mod prune;
mod readiness;
mod record;
mod redeploy;
mod registry;
mod rivals;
mod service;
mod stages;
mod successor;
mod take_over;
mod target;
mod unchanged;
mod unfinished;
mod validation;
mod world;

pub use abandon::{KeepNew, NEW_SIDE, NewSide, Side, old_side};
pub use activities::{
    DeadBackend, MadeSet, Registration, Seen, Service, ServiceSet, Serving, Unfound, Unused, UnusedSet,
};
pub use again::again;
pub use balancer::{Pace, Versions};
pub use by_hand::{OldSpecification, RETIRES, Substitute};
pub use context::{Context, Process};
pub use destroy::{Destroy, Destruction};
pub use finders::{is_specified, locate, look_for_others, lost_runs, quiet};
pub use instance::Watched;
pub use kinship::{
    BACKEND_SET, IN_SERVICE_AT, JOB_URL, KINSHIP, NEW_IMAGE, NEW_INSTANCE, OLD_IMAGE, OLD_INSTANCE,
    PUBLISHED, REPEATS, RESTORED_INSTANCE, ROLLBACK_REASON, ROLLED_BACK_BY, SERVICE, START_REASON,
    STARTED_BY,
};
pub use looked::Looked;
pub use lost::LostRun;
pub use phase::Phase;
pub use prune::{Leftovers, MAKES_SETS, Prune, Pruning, REGISTERS};
pub use redeploy::{REGISTERED, Redeploy};
pub use registry::registry;
pub use service::{Drift, Expected};
pub use take_over::take_over;
pub use target::{claim, complete_origin, instance as instance_target, of as target_of};
pub use unchanged::{Compared, compared, has_same_pull_secrets};
pub use validation::{Lookups, Validation};
pub use world::World;
