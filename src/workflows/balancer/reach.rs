//! Whether any request can reach a set.

use crate::oci::load_balancers::LoadBalancer;

/// Whether any request can reach a set. Without a listener, its backends are never checked (docs/oci.md 2.5).
pub(in crate::workflows) fn has_listener(balancer: &LoadBalancer, set: &str) -> bool {
    let by_default = balancer.listeners.values().any(|listener| listener.default_backend_set_name == set);
    // The rules are only searched for the set's name, whatever their version calls the field.
    let quoted = serde_json::Value::from(set).to_string();
    by_default
        || balancer.path_route_sets.to_string().contains(&quoted)
        || balancer.routing_policies.to_string().contains(&quoted)
}

/// Whether a set has a backend, or a listener is known to send requests to it.
pub(in crate::workflows) fn is_set_used(balancer: &LoadBalancer, set: &str) -> bool {
    let has_backend = balancer.backend_sets.get(set).is_some_and(|set| !set.backends.is_empty());
    has_backend || has_listener(balancer, set)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_is_reached_by_default_by_a_path_and_by_a_policy() {
        let by = |listener: &str, paths: serde_json::Value, policies: serde_json::Value| {
            let balancer = serde_json::from_value(json!({
                "id": "lb", "displayName": "lb", "lifecycleState": "ACTIVE", "backendSets": {},
                "listeners": {"one": {"defaultBackendSetName": listener}},
                "pathRouteSets": paths, "routingPolicies": policies,
            }));
            has_listener(&balancer.expect("a load balancer"), "http")
        };
        assert!(by("http", json!({}), json!({})));
        assert!(!by("other", json!({}), json!({})));
        let route =
            |set: &str| json!({"p": {"name": "p", "pathRoutes": [{"path": "/", "backendSetName": set}]}});
        assert!(by("other", route("http"), json!({})));
        assert!(!by("other", route("http-2"), json!({})), "a longer name is another set");
        let rule = |set: &str| {
            let action = json!({"name": "FORWARD_TO_BACKENDSET", "backendSetName": set});
            json!({"r": {"name": "r", "rules": [{"name": "x", "condition": "all()", "actions": [action]}]}})
        };
        assert!(by("other", json!({}), rule("http")));
        assert!(!by("other", json!({}), rule("other")));
    }
}
