//! A run whose journal is lost, as the cloud shows it: by the tags of the instance that it created, and by the backends at
//! that instance's addresses.

use serde::{Deserialize, Serialize};

use super::phase::Phase;
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::{RunId, Timestamp};

/// A run that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LostRun {
    /// The run.
    pub run: RunId,
    /// The instance that it created.
    pub instance: InstanceId,
    /// What it replaces, as far as that is there: one instance, or none. If several are here, nobody knows which.
    pub replaces: Vec<InstanceId>,
    /// The addresses of what it replaces.
    pub old_addresses: Vec<String>,
    /// The load balancer that it changes.
    pub load_balancer: LoadBalancerId,
    /// When it created the instance, by the cloud's clock.
    pub since: Option<Timestamp>,
    /// How far it has come.
    pub phase: Phase,
    /// The addresses of the instance; empty until they are known.
    pub addresses: Vec<String>,
    /// The mark under which this machine takes the run over; `None` before it has.
    pub mark: Option<String>,
    /// The digest of the specification of which the instance was made.
    pub specification: Option<String>,
}
