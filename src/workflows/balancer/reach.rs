//! Whether any request can reach a set.

use crate::oci::load_balancers::LoadBalancer;

/// Whether any request can reach a set: without a listener its backends are never checked (docs/oci.md 2.5).
pub(in crate::workflows) fn has_listener(balancer: &LoadBalancer, set: &str) -> bool {
    let by_default = balancer.listeners.values().any(|listener| listener.default_backend_set_name == set);
    // The rules are looked into only for the name, whatever their version calls it.
    let quoted = serde_json::Value::from(set).to_string();
    by_default
        || balancer.path_route_sets.to_string().contains(&quoted)
        || balancer.routing_policies.to_string().contains(&quoted)
}
