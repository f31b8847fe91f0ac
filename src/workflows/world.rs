//! The world that activities may touch.

use serde_json::Value;

use super::balancer::{Pace, Versions};
use super::instance::Watched;
use super::looked::Looked;
use super::lost::LostRun;
use crate::config::{Policy, secret_texts};
use crate::oci::Oci;

/// The world that an activity may touch.
#[derive(Debug)]
pub struct World {
    /// The cloud.
    pub oci: Oci,
    /// How the run behaves, forwards and back.
    pub policy: Policy,
    /// The versions of load balancers that this process's changes have replaced.
    pub versions: Versions,
    /// What this process has learnt of their work.
    pub pace: Pace,
    /// What this process knows of the instances that it watches.
    pub watched: Watched,
    /// When it first looked for other runs.
    pub looked: Looked,
    /// The run whose journal is lost, while it is being inferred what that run has done.
    pub(super) lost: Option<LostRun>,
}

impl World {
    /// The world of a process that has not learnt anything yet.
    pub fn new(oci: Oci, policy: Policy) -> Self {
        let (versions, pace, watched) = (Versions::default(), Pace::default(), Watched::default());
        Self { oci, policy, versions, pace, watched, looked: Looked::default(), lost: None }
    }

    /// The same world, in which it is to be inferred what a run has done whose journal is lost.
    #[must_use]
    pub fn of_lost(self, run: LostRun) -> Self {
        Self { lost: Some(run), ..self }
    }

    /// The addresses of the instance that the lost run created; `None` while they are not known.
    pub(super) fn addresses_of_lost(&self) -> Option<Vec<String>> {
        self.lost.as_ref().map(|lost| lost.addresses.clone()).filter(|known| !known.is_empty())
    }

    /// Masks the secrets of an instance's specification wherever the cloud repeats them from now on.
    pub(super) fn mask(&self, specification: &Value) {
        self.oci.mask(secret_texts(specification, &[]));
    }
}
