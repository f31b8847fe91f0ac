//! The load balancer before a run changes it: the old instance's backends, and where the new one is registered.

use serde::{Deserialize, Serialize};

use crate::config::BackendTarget;
use crate::oci::LoadBalancerId;
use crate::oci::load_balancers::{Backend, Flags, LoadBalancer};
use crate::oci::network::is_same_address;
use crate::workflows::balancer::Place;

/// The load balancer before anything is changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Surroundings {
    pub(in crate::workflows) old: Vec<OldBackend>,
    pub(in crate::workflows) new: Vec<NewBackend>,
    pub(in crate::workflows) missing_sets: Vec<BackendTarget>,
    /// The sets that nobody serves once the old instance has left, if that is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::workflows) emptied: Vec<String>,
    /// All other backends, as `set/address:port`. If one has the address that the new instance gets, an earlier instance left
    /// it behind. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::workflows) others: Vec<String>,
}

/// A backend of the old instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct OldBackend {
    pub(in crate::workflows) backend_set: String,
    pub(in crate::workflows) backend: Backend,
}

impl OldBackend {
    pub(in crate::workflows) fn place(&self, balancer: &LoadBalancerId) -> Place {
        Place::of(balancer, &self.backend_set, &self.backend)
    }
}

/// Where the new instance will be registered, and its final flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct NewBackend {
    pub(in crate::workflows) backend_set: String,
    pub(in crate::workflows) port: u16,
    /// The flags of the old backend in the same set, so that the share of the traffic stays the same.
    pub(in crate::workflows) flags: Flags,
    /// Whether any request can reach the set. Otherwise it is never checked.
    pub(in crate::workflows) is_checked: bool,
}

/// The backends at these addresses.
pub(super) fn backends_at(balancer: &LoadBalancer, addresses: &[String]) -> Vec<OldBackend> {
    let sets = balancer.backend_sets.values();
    sets.flat_map(|set| set.backends.iter().map(move |backend| (set, backend)))
        .filter(|(_, backend)| addresses.iter().any(|address| is_same_address(address, &backend.ip_address)))
        .map(|(set, backend)| OldBackend { backend_set: set.name.clone(), backend: backend.clone() })
        .collect()
}

/// The sets and ports of these backends.
pub(super) fn targets_of(old: &[OldBackend]) -> Vec<BackendTarget> {
    old.iter()
        .map(|old| BackendTarget {
            port: old.backend.port,
            backend_set: old.backend_set.clone(),
            create: None,
        })
        .collect()
}

/// The flags of the new backend once it is admitted: those of the old one in the same set, in service.
pub(super) fn flags_for(target: &BackendTarget, old: &[OldBackend]) -> Flags {
    let same_set = || old.iter().filter(|old| old.backend_set == target.backend_set);
    let predecessor = same_set().find(|old| old.backend.port == target.port).or_else(|| same_set().next());
    let flags = predecessor.map(|old| old.backend.flags.clone()).unwrap_or_default();
    Flags { drain: false, offline: false, ..flags }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_new_backend_is_in_service_with_the_weight_of_the_old_one() {
        let flags = Flags { weight: 7, drain: true, backup: true, offline: true, max_connections: Some(300) };
        let backend = json!({"name": "10.0.0.1:80", "ipAddress": "10.0.0.1", "port": 80, "weight": 7,
                             "drain": true, "backup": true, "offline": true, "maxConnections": 300});
        let backend: Backend = serde_json::from_value(backend).expect("a backend");
        assert_eq!(backend.flags, flags);
        let old = OldBackend { backend_set: "http".to_owned(), backend };
        let target = |set: &str| BackendTarget { port: 81, backend_set: set.to_owned(), create: None };
        let expected = Flags { drain: false, offline: false, ..flags };
        assert_eq!(flags_for(&target("http"), std::slice::from_ref(&old)), expected);
        assert_eq!(flags_for(&target("other"), &[old]), Flags::default(), "another set is another matter");
    }
}
