//! How fast things happen: the times of the real service (docs/oci.md 2.6), divided by a scale.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// From acceptance to success of a load balancer's change.
pub(super) const CHANGE: Duration = Duration::from_secs(10);
/// From creation to ACTIVE.
pub(super) const CREATE: Duration = Duration::from_secs(50);
/// From deletion to DELETED.
pub(super) const DELETE: Duration = Duration::from_secs(40);
/// Starting and stopping.
pub(super) const TURN: Duration = Duration::from_secs(30);
/// Until a creation fails that cannot succeed.
pub(super) const FAIL: Duration = Duration::from_secs(20);

/// Until what was made can be seen, where that is not at once.
pub(super) const APPEAR: Duration = Duration::from_secs(5);
/// However fast the sandbox runs, what takes a while can be noticed by a client that looks every 50 ms.
pub(super) const NOTICEABLE: Duration = Duration::from_millis(120);

/// The scale, which may be changed while the sandbox runs.
#[derive(Debug)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    pub(super) const fn new(scale: f64) -> Self {
        Self(AtomicU64::new(scale.to_bits()))
    }

    pub(super) fn set(&self, scale: f64) {
        self.0.store(scale.to_bits(), Ordering::Relaxed);
    }

    /// How long something takes here that takes `real` in the cloud.
    pub(super) fn scaled(&self, real: Duration) -> Duration {
        let scale = f64::from_bits(self.0.load(Ordering::Relaxed)).clamp(0.001, 1e6);
        real.div_f64(scale)
    }
}
