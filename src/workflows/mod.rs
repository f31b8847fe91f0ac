//! The sequences: redeploy and destroy. The only room that knows both the engine and the cloud.

mod abandon;
mod activities;
mod balancer;
mod beside;
mod by_hand;
mod candidates;
mod destroy;
mod elsewhere;
mod failure;
mod guards;
mod instance;
mod readiness;
mod record;
mod redeploy;
mod successor;
mod target;
mod validation;

use std::time::Duration;

use serde_json::Value;

pub use abandon::{KeepNew, NEW_SIDE, NewSide, Side, old_side};
pub use activities::Unfound;
pub use balancer::Versions;
pub use by_hand::{OldSpecification, RETIRES, Substitute};
pub use destroy::{Destroy, Destruction};
pub use redeploy::Redeploy;
pub use target::{claim, complete_origin, instance as instance_target, locate, of as target_of};
pub use validation::{Lookups, Validation};

use crate::config::{Register, secret_texts};
use crate::engine::Registry;
use crate::oci::Oci;
use activities::{
    AdmitBackend, CreateBackendSet, CreateInstance, DrainBackend, MarkKept, RegisterBackend, RemoveBackend,
    RetireInstance,
};

/// What an activity may touch.
#[derive(Debug)]
pub struct World {
    /// The cloud.
    pub oci: Oci,
    /// The longest between two looks.
    pub poll_interval: Duration,
    /// The longest until an instance is active, also when a compensation makes one.
    pub instance_timeout: Duration,
    /// The longest until a backend is healthy, also when a compensation registers one.
    pub backend_timeout: Duration,
    /// The longest that work on the load balancer is waited for.
    pub work_timeout: Duration,
    /// From draining a backend to removing it, also in a compensation.
    pub drain_delay: Duration,
    /// How backends are registered, also when a compensation registers one.
    pub register: Register,
    /// Which versions of load balancers this process has left behind.
    pub versions: Versions,
}

impl World {
    /// Hides what is secret of an instance's specification, wherever the cloud repeats it from now on.
    fn hide(&self, specification: &Value) {
        self.oci.hide(secret_texts(specification, &[]));
    }
}

/// These workflows, and every mutation of them, by its name in the journal.
pub fn registry() -> Registry<World> {
    Registry::new()
        .workflow::<Redeploy>()
        .workflow::<Destroy>()
        .mutation::<AdmitBackend>()
        .mutation::<CreateBackendSet>()
        .mutation::<CreateInstance>()
        .mutation::<DrainBackend>()
        .mutation::<MarkKept>()
        .mutation::<RegisterBackend>()
        .mutation::<RemoveBackend>()
        .mutation::<RetireInstance>()
}
