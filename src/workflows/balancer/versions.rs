//! Remembers the version of a load balancer with which our own last change was sent. A read that still shows this version is
//! stale: it shows the state before the change.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::oci::{Etag, LoadBalancerId};

/// The versions that this process's changes have replaced, one per load balancer.
#[derive(Debug, Default)]
pub struct Versions {
    // Never held across an await.
    left: Mutex<BTreeMap<LoadBalancerId, Etag>>,
}

impl Versions {
    /// Records that a change of this version was accepted.
    pub(super) fn leave(&self, id: &LoadBalancerId, version: Etag) {
        self.of().insert(id.clone(), version);
    }

    /// Whether a change of ours has replaced this version.
    pub(super) fn has_left(&self, id: &LoadBalancerId, version: Option<&Etag>) -> bool {
        version.is_some_and(|version| self.of().get(id) == Some(version))
    }

    /// Forgets all versions, because a change may have failed, or the cloud may not give a new version.
    pub(super) fn forget(&self) {
        self.of().clear();
    }

    fn of(&self) -> std::sync::MutexGuard<'_, BTreeMap<LoadBalancerId, Etag>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
