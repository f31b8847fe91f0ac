//! Strangers around the web server, as on a load balancer that several teams share, and the check that nothing has changed
//! them.

use serde_json::{Value, json};

use super::made::{address, balancer, ready_instance, serving};
use super::shared::Shared;
use super::state::{Backend, Health, State};

/// Puts strangers beside the web server, and into its set.
pub(super) fn crowd(shared: &Shared, state: &mut State, shared_balancer: &str) {
    let theirs = json!({"team": "other"});
    let guest = ready_instance(shared, state, "guest", "guest", &theirs);
    let untagged = ready_instance(shared, state, "batch", "untagged", &json!({}));
    let namesake = ready_instance(shared, state, "webserver", "namesake", &json!({"env": "staging"}));
    let guests = [
        serving(&address(state, &guest), 80),
        Backend { backup: true, weight: 2, ..serving(&address(state, &untagged), 80) },
    ];
    let second = state.ocid("loadbalancer");
    let own = vec![serving(&address(state, &namesake), 80)];
    let body = balancer(&second, "lb-2", &theirs, [("http", own, 80)], shared.now());
    state.balancers.insert(second.clone(), body);
    if let Some(set) = state.balancers.get_mut(shared_balancer).and_then(|one| one.sets.get_mut("http")) {
        set.backends.extend(guests.clone());
    }
    state.strangers.extend([guest, untagged, namesake].map(|id| json!({"instance": id})));
    state.strangers.extend(
        guests.map(|guest| {
            json!({"loadBalancer": shared_balancer, "backendSet": "http", "name": guest.name(), "guest": guest})
        }),
    );
    state.strangers.push(json!({"loadBalancer": second, "version": 1}));
}

/// Strangers' backends in sets that are not theirs alone, as `set/address:port`.
pub(super) fn guests(state: &State, balancer: &str) -> Vec<String> {
    let guests = state.strangers.iter().filter(|stranger| stranger["loadBalancer"] == balancer);
    let named = guests.filter_map(|guest| Some((guest["backendSet"].as_str()?, guest["name"].as_str()?)));
    named.map(|(set, name)| format!("{set}/{name}")).collect()
}

/// Whether a stranger's resource is unchanged since the sandbox began.
pub(super) fn is_as_it_was(state: &State, stranger: &Value) -> bool {
    if let Some(id) = stranger["instance"].as_str() {
        let instance = state.instances.get(id);
        return instance.is_some_and(|instance| instance.lifecycle == "ACTIVE" && instance.version == 1);
    }
    let Some(balancer) = stranger["loadBalancer"].as_str().and_then(|id| state.balancers.get(id)) else {
        return false;
    };
    if let Some(version) = stranger["version"].as_u64() {
        return balancer.version == version && balancer.work.is_empty() && !balancer.is_deleted;
    }
    let set = balancer.sets.get(stranger["backendSet"].as_str().unwrap_or_default());
    let plain = |backend: &Backend| Backend { health: Health::default(), ..backend.clone() };
    let found: Vec<Backend> = set.map(|set| set.backends.iter().map(plain).collect()).unwrap_or_default();
    let wanted = |name: &str| serde_json::from_value::<Backend>(stranger[name].clone()).ok();
    match wanted("guest") {
        Some(guest) => found.contains(&guest),
        None => Some(found) == wanted("backend").map(|only| vec![only]),
    }
}
