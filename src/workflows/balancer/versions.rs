//! Which version of a load balancer our own last change was sent with. A read that still shows that one is of before the
//! change: it lags, and is no news.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::oci::{Etag, LoadBalancerId};

/// The versions that this process has left behind, one a load balancer.
#[derive(Debug, Default)]
pub struct Versions {
    // Never held across an await.
    left: Mutex<BTreeMap<LoadBalancerId, Etag>>,
}

impl Versions {
    /// Notes that a change of this version was accepted.
    pub(super) fn leave(&self, id: &LoadBalancerId, version: Etag) {
        self.of().insert(id.clone(), version);
    }

    /// Whether this version was left behind.
    pub(super) fn has_left(&self, id: &LoadBalancerId, version: Option<&Etag>) -> bool {
        version.is_some_and(|version| self.of().get(id) == Some(version))
    }

    /// Forgets what was left behind: a change may have failed, or the cloud may keep its versions.
    pub(super) fn forget(&self) {
        self.of().clear();
    }

    fn of(&self) -> std::sync::MutexGuard<'_, BTreeMap<LoadBalancerId, Etag>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
