//! The place of a backend.

use serde::{Deserialize, Serialize};

use crate::oci::load_balancers::{Backend, LoadBalancer};
use crate::oci::network::is_same_address;
use crate::oci::{BackendName, LoadBalancerId};

/// A backend of a set of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Place {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) backend_set: String,
    pub(in crate::workflows) address: String,
    pub(in crate::workflows) port: u16,
}

impl Place {
    /// The place of a backend that a load balancer has shown.
    pub(in crate::workflows) fn of(balancer: &LoadBalancerId, set: &str, backend: &Backend) -> Self {
        Self {
            load_balancer: balancer.clone(),
            backend_set: set.to_owned(),
            address: backend.ip_address.clone(),
            port: backend.port,
        }
    }

    pub(in crate::workflows) fn name(&self) -> BackendName {
        BackendName::of(&self.address, self.port)
    }

    /// The name that users know: `set/address:port`.
    pub(in crate::workflows) fn subject(&self) -> String {
        format!("{}/{}", self.backend_set, self.name())
    }

    /// The same backend at another address.
    pub(in crate::workflows) fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    pub(in crate::workflows) fn find<'b>(&self, balancer: &'b LoadBalancer) -> Option<&'b Backend> {
        let set = balancer.backend_sets.get(&self.backend_set)?;
        set.backends
            .iter()
            .find(|backend| is_same_address(&backend.ip_address, &self.address) && backend.port == self.port)
    }
}
