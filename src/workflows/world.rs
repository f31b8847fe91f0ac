//! What activities may touch.

use std::time::Duration;

use serde_json::Value;

use super::balancer::Versions;
use crate::config::{Register, secret_texts};
use crate::oci::Oci;

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
    pub(super) fn hide(&self, specification: &Value) {
        self.oci.hide(secret_texts(specification, &[]));
    }
}
