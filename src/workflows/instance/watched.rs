//! What this process knows of the instances that it watches: their containers, when each instance was last seen running, and
//! since when each of their backends is healthy.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::oci::InstanceId;
use crate::oci::container_instances::ContainerInstance;

/// For so long, one look serves several guards of the same change.
pub(in crate::workflows) const A_MOMENT: Duration = Duration::from_secs(2);

/// The instances that this process watches.
#[derive(Debug, Default)]
pub struct Watched {
    // Never held across an await.
    instances: Mutex<BTreeMap<InstanceId, Known>>,
    begun: Mutex<BTreeMap<InstanceId, Instant>>,
    /// The backends that were healthy whenever they were looked at, by subject.
    well: Mutex<BTreeMap<String, Well>>,
}

/// Since when a backend was healthy, and when it was last looked at.
#[derive(Clone, Copy, Debug)]
struct Well {
    since: Instant,
    seen_at: Instant,
}

#[derive(Debug)]
struct Known {
    /// An instance keeps its containers for life.
    containers: Vec<String>,
    ran_at: Instant,
}

impl Watched {
    /// How long this process has been waiting for an instance, since the first time that it asked.
    pub(super) fn waited_for(&self, id: &InstanceId) -> Duration {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.entry(id.clone()).or_insert_with(Instant::now).elapsed()
    }

    /// Records that an instance and its containers were seen running.
    pub(super) fn runs(&self, instance: &ContainerInstance) {
        let containers = instance.containers.iter().map(|one| one.container_id.clone()).collect();
        self.known().insert(instance.id.clone(), Known { containers, ran_at: Instant::now() });
    }

    /// Records that its containers were seen running once more.
    pub(super) fn runs_still(&self, id: &InstanceId) {
        if let Some(known) = self.known().get_mut(id) {
            known.ran_at = Instant::now();
        }
    }

    /// The containers of an instance that was seen running.
    pub(super) fn containers(&self, id: &InstanceId) -> Vec<String> {
        self.known().get(id).map(|known| known.containers.clone()).unwrap_or_default()
    }

    /// Whether an instance was seen running so short a time ago.
    pub(in crate::workflows) fn ran_within(&self, id: &InstanceId, time: Duration) -> bool {
        self.known().get(id).is_some_and(|known| known.ran_at.elapsed() < time)
    }

    /// Since when a backend is healthy, as far as that is known. A fall of its verdict and a rise take some time; if nobody
    /// has looked for as long as a fall alone takes, nothing is known.
    pub(in crate::workflows) fn well_since(&self, backend: &str, fall: Duration) -> Option<Instant> {
        let well = self.well().get(backend).copied()?;
        (well.seen_at.elapsed() < fall).then_some(well.since)
    }

    /// Whether a backend was seen healthy a moment ago, so that the guard of a change need not look again.
    pub(in crate::workflows) fn was_just_well(&self, backend: &str) -> bool {
        self.was_seen_well_within(backend, A_MOMENT)
    }

    /// Whether the last look at a backend found it healthy, and was so short a time ago.
    pub(in crate::workflows) fn was_seen_well_within(&self, backend: &str, time: Duration) -> bool {
        self.well().get(backend).is_some_and(|well| well.seen_at.elapsed() < time)
    }

    /// Records that a backend was seen healthy.
    pub(in crate::workflows) fn is_well(&self, backend: &str, since: Instant) {
        self.well().insert(backend.to_owned(), Well { since, seen_at: Instant::now() });
    }

    /// Records that a backend was not seen healthy.
    pub(in crate::workflows) fn is_unwell(&self, backend: &str) {
        self.well().remove(backend);
    }

    fn well(&self) -> MutexGuard<'_, BTreeMap<String, Well>> {
        self.well.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Known>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
