//! What this process has learnt about a load balancer's work: how long a change takes, and whether one has just ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Looks;
use crate::oci::LoadBalancerId;

/// How long a change takes if nothing is known yet (docs/oci.md 2.6).
const USUAL: Duration = Duration::from_secs(10);
/// For this long after the end of a change of this run, nothing else counts as under way. If somebody else sends a change in
/// that time, its new version shows it, or it is done first.
const JUST: Duration = Duration::from_secs(2);

/// What is known about the load balancers that this process changes.
#[derive(Debug, Default)]
pub struct Pace(Mutex<BTreeMap<LoadBalancerId, Known>>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// How long the last change took.
    took: Option<Duration>,
    /// When it ended. `None` if another one was sent since.
    ended: Option<Instant>,
}

impl Pace {
    /// Records that a change of this run was sent.
    pub(super) fn begun(&self, id: &LoadBalancerId) {
        self.known().entry(id.clone()).or_default().ended = None;
    }

    /// Records that a change of this run has ended, and how long it took if that was observed.
    pub(super) fn ended(&self, id: &LoadBalancerId, took: Option<Duration>) {
        let mut known = self.known();
        let known = known.entry(id.clone()).or_default();
        (known.took, known.ended) = (took.or(known.took), Some(Instant::now()));
    }

    /// Whether a change of this run has just ended, and none was sent since.
    pub(super) fn has_just_ended(&self, id: &LoadBalancerId) -> bool {
        let ended = self.known().get(id).and_then(|known| known.ended);
        ended.is_some_and(|ended| ended.elapsed() < JUST)
    }

    /// The waits between the reads of a change that was just sent.
    pub(super) fn looks(&self, id: Option<&LoadBalancerId>, longest: Duration) -> Looks {
        match id.and_then(|id| self.known().get(id)?.took) {
            Some(took) => Looks::as_before(took, longest),
            None => Looks::around(USUAL, longest),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<LoadBalancerId, Known>> {
        // Never held across an await.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
