//! How fast things happen: the durations of the real service (docs/oci.md 2.6), divided by a scale.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// From the acceptance of a load balancer's change to its success.
pub(super) const CHANGE: Duration = Duration::from_secs(10);
/// From creation to ACTIVE.
pub(super) const CREATE: Duration = Duration::from_secs(50);
/// From deletion to DELETED.
pub(super) const DELETE: Duration = Duration::from_secs(40);
/// Starting or stopping an instance.
pub(super) const TURN: Duration = Duration::from_secs(30);
/// Until the creation of an instance that cannot be created fails.
pub(super) const FAIL: Duration = Duration::from_secs(20);

/// Until a new resource becomes visible, if it is not visible at once.
pub(super) const APPEAR: Duration = Duration::from_secs(5);
/// The shortest duration of a state that a client can notice if it looks every 50 ms, at any speed of the sandbox.
pub(super) const NOTICEABLE: Duration = Duration::from_millis(120);

/// The scale. It can be changed while the sandbox runs.
#[derive(Debug)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    pub(super) const fn new(scale: f64) -> Self {
        Self(AtomicU64::new(scale.to_bits()))
    }

    pub(super) fn set(&self, scale: f64) {
        self.0.store(scale.to_bits(), Ordering::Relaxed);
    }

    /// How long something takes here if it takes `real` in the cloud.
    pub(super) fn scaled(&self, real: Duration) -> Duration {
        let scale = f64::from_bits(self.0.load(Ordering::Relaxed)).clamp(0.001, 1e6);
        real.div_f64(scale)
    }
}
