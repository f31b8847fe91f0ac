//! Chooses an address for a new instance that is not in use.

use std::collections::HashSet;

use crate::sandbox::state::State;

/// How many addresses a sandbox has for instances.
pub(super) const N_ADDRESSES: usize = 250;

/// The next address, in turn, that no instance has and at which no backend is registered, so that a released address is not
/// given out again at once. With `reuse-addresses`, an address that only a backend still uses comes first. `None` if all are in
/// use: the addresses beyond belong to other sandboxes of this machine.
pub(super) fn next(state: &State) -> Option<String> {
    let of_instances: HashSet<&str> = state
        .instances
        .values()
        .filter(|instance| instance.lifecycle != "DELETED")
        .map(|instance| instance.address.as_str())
        .collect();
    let sets = state.balancers.values().flat_map(|balancer| balancer.sets.values());
    let of_backends: HashSet<&str> =
        sets.flat_map(|set| &set.backends).map(|backend| backend.ip.as_str()).collect();
    let (middle, low) = state.network;
    let n_made = state.instances.len();
    let in_turn =
        || (0..N_ADDRESSES).map(|n| format!("127.{middle}.{low}.{}", (n_made + n) % N_ADDRESSES + 2));
    if state.habits.reuse_addresses {
        let mut left = in_turn()
            .filter(|one| of_backends.contains(one.as_str()) && !of_instances.contains(one.as_str()));
        if let Some(left) = left.next() {
            return Some(left);
        }
    }
    let is_free = |one: &String| !of_instances.contains(one.as_str()) && !of_backends.contains(one.as_str());
    in_turn().find(is_free)
}
