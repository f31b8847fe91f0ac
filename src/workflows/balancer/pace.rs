//! What this process has learnt about a load balancer: how long a change takes, whether one has just ended, and what a guard
//! has just read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{Looks, Took};
use crate::oci::load_balancers::LoadBalancer;
use crate::oci::{Etag, LoadBalancerId};

/// How long a change takes if nothing is known yet (docs/oci.md 2.6).
const USUAL: Duration = Duration::from_secs(10);
/// A change that took longer than this waited for others, and says nothing about the next one.
const MOST: Duration = Duration::from_secs(30);
/// For this long after the end of a change of this run, nothing else counts as under way. If somebody else sends a change in
/// that time, its new version shows it, or it is done first. For as long, what a guard has read is fresh enough for the change
/// that it guards.
const JUST: Duration = Duration::from_secs(2);

/// A load balancer, with the version that all its parts share.
pub(in crate::workflows) type Read = (LoadBalancer, Option<Etag>);

/// What is known about the load balancers that this process changes.
#[derive(Debug, Default)]
pub struct Pace(Mutex<BTreeMap<LoadBalancerId, Known>>);

#[derive(Debug, Default)]
struct Known {
    /// How long the last change took.
    took: Option<Took>,
    /// When it ended. `None` if another one was sent since.
    ended: Option<Instant>,
    /// What a guard has read, and when. `None` if a change was sent since, or somebody has taken it.
    seen: Option<(Instant, Read)>,
}

impl Pace {
    /// Records that a change of this run was sent.
    pub(super) fn begun(&self, id: &LoadBalancerId) {
        let mut known = self.known();
        let known = known.entry(id.clone()).or_default();
        (known.ended, known.seen) = (None, None);
    }

    /// Records that a change of this run has ended. If that was observed, `looks` are the last look that found it unfinished,
    /// and the one that found it ended.
    pub(super) fn ended(&self, id: &LoadBalancerId, looks: Option<(Option<Duration>, Duration)>) {
        let mut known = self.known();
        let known = known.entry(id.clone()).or_default();
        known.ended = Some(Instant::now());
        if let Some((unfinished, most)) = looks {
            // One that had ended at the first look may have ended a little before.
            let before = known.took.map_or(most * 19 / 20, |took| took.least * 99 / 100);
            known.took = Some(Took { least: unfinished.unwrap_or(before).min(most), most });
        }
    }

    /// Whether a change of this run has just ended, and none was sent since.
    pub(super) fn has_just_ended(&self, id: &LoadBalancerId) -> bool {
        let ended = self.known().get(id).and_then(|known| known.ended);
        ended.is_some_and(|ended| ended.elapsed() < JUST)
    }

    /// Keeps what a guard has read for the next read, which need not be made again.
    pub(in crate::workflows) fn hand_on(&self, id: &LoadBalancerId, read: Read) {
        self.known().entry(id.clone()).or_default().seen = Some((Instant::now(), read));
    }

    /// What a guard has just read. Only one read can have it: whoever looks again wants to see something new.
    pub(super) fn handed_on(&self, id: &LoadBalancerId) -> Option<Read> {
        let (at, read) = self.known().get_mut(id)?.seen.take()?;
        (at.elapsed() < JUST).then_some(read)
    }

    /// The waits between the reads of a change that was just sent.
    pub(super) fn looks(&self, id: Option<&LoadBalancerId>, longest: Duration) -> Looks {
        match id.and_then(|id| self.known().get(id)?.took) {
            Some(took) if took.most <= MOST => Looks::as_before(took, longest),
            Some(_) | None => Looks::around(USUAL, longest),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<LoadBalancerId, Known>> {
        // Never held across an await.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
