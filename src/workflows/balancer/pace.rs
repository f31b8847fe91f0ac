//! What this process has learnt of a load balancer's work: how long a change takes, and whether one has just ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Looks;
use crate::oci::LoadBalancerId;

/// What a change takes where nothing is known yet (docs/oci.md 2.6).
const USUAL: Duration = Duration::from_secs(10);
/// For so long after the end of a change of this run, nothing else is taken to be under way. A change that somebody else
/// sends just then is told by the version, or is done first.
const JUST: Duration = Duration::from_secs(2);

/// What is known of the load balancers that this process changes.
#[derive(Debug, Default)]
pub struct Pace(Mutex<BTreeMap<LoadBalancerId, Known>>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// How long the last change took.
    took: Option<Duration>,
    /// When it ended, unless another one was sent since.
    ended: Option<Instant>,
}

impl Pace {
    /// Notes that a change of this run was sent.
    pub(super) fn begun(&self, id: &LoadBalancerId) {
        self.known().entry(id.clone()).or_default().ended = None;
    }

    /// Notes that a change of this run has come to its end, and how long it took if that was seen.
    pub(super) fn ended(&self, id: &LoadBalancerId, took: Option<Duration>) {
        let mut known = self.known();
        let known = known.entry(id.clone()).or_default();
        (known.took, known.ended) = (took.or(known.took), Some(Instant::now()));
    }

    /// Whether a change of this run has ended just now, and none was sent since.
    pub(super) fn has_just_ended(&self, id: &LoadBalancerId) -> bool {
        let ended = self.known().get(id).and_then(|known| known.ended);
        ended.is_some_and(|ended| ended.elapsed() < JUST)
    }

    /// When to look at a change that was sent just now: how long to wait before the first look, and the waits after it.
    pub(super) fn looks(&self, id: Option<&LoadBalancerId>, longest: Duration) -> (Duration, Looks) {
        match id.and_then(|id| self.known().get(id)?.took) {
            Some(took) => (took / 2, Looks::as_before(took, longest)),
            None => (Duration::ZERO, Looks::around(USUAL, longest)),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<LoadBalancerId, Known>> {
        // Never held across an await.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
