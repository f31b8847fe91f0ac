//! The load balancer as a run found it whose journal is lost, inferred from what is there now: from the backends of the old
//! instance or, where they are gone, from those of the new one.

use super::surroundings::{NewBackend, OldBackend, Surroundings, backends_at, flags_for, targets_of};
use crate::config::BackendTarget;
use crate::oci::BackendName;
use crate::oci::load_balancers::{Backend, Flags, LoadBalancer};
use crate::workflows::balancer;

/// The load balancer before the run, and what of it is inferred, in words. `old` and `new` are the addresses of the two
/// instances; `wanted` is empty if the new one is registered where the old one was.
pub(super) fn surroundings(
    balancer: &LoadBalancer,
    old: &[String],
    new: &[String],
    wanted: &[BackendTarget],
) -> (Surroundings, Vec<String>) {
    let own = backends_at(balancer, new);
    let (before, inferred) = before(backends_at(balancer, old), old, &own);
    let mut targets = wanted.to_vec();
    if targets.is_empty() {
        for target in targets_of(&before).into_iter().chain(targets_of(&own)) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
    }
    let joined = |target: BackendTarget| {
        let is_it =
            |one: &&OldBackend| one.backend_set == target.backend_set && one.backend.port == target.port;
        let flags = own.iter().find(is_it).map(|one| in_service(&one.backend.flags));
        NewBackend {
            flags: flags.unwrap_or_else(|| flags_for(&target, &before)),
            is_checked: balancer::has_listener(balancer, &target.backend_set),
            port: target.port,
            backend_set: target.backend_set,
        }
    };
    let new_ones = targets.into_iter().map(joined).collect();
    let is_one_of_ours = |one: &Backend| old.iter().chain(new).any(|address| *address == one.ip_address);
    let sets = balancer.backend_sets.values();
    let all = sets.flat_map(|set| set.backends.iter().map(move |backend| (set, backend)));
    let others = all.filter(|(_, backend)| !is_one_of_ours(backend));
    let others = others.map(|(set, backend)| format!("{}/{}", set.name, backend.name)).collect();
    // The sets that the run made, if it made some, are there. Nobody knows any more that they were not there before.
    let (missing_sets, emptied) = (Vec::new(), Vec::new());
    (Surroundings { old: before, new: new_ones, missing_sets, emptied, others }, inferred)
}

/// The backends of the old instance before the run, and what of that is inferred. Where the new one is in service, the old
/// one was drained, and removed afterwards; with which flags it served before cannot be seen any more.
fn before(
    there: Vec<OldBackend>,
    addresses: &[String],
    own: &[OldBackend],
) -> (Vec<OldBackend>, Vec<String>) {
    let (mut before, mut inferred) = (Vec::new(), Vec::new());
    let serving: Vec<&OldBackend> = own.iter().filter(|one| one.backend.flags.serves()).collect();
    for mut one in there {
        let is_replaced = serving.iter().any(|new| new.backend_set == one.backend_set);
        if is_replaced && one.backend.flags.drain {
            one.backend.flags.drain = false;
            inferred.push(format!(
                "{}/{} is drained: it is assumed that it was not, before the run",
                one.backend_set, one.backend.name
            ));
        }
        before.push(one);
    }
    for new in serving {
        if before.iter().any(|one| one.backend_set == new.backend_set) {
            continue;
        }
        for address in addresses {
            let port = new.backend.port;
            let name = BackendName::of(address, port);
            inferred.push(format!(
                "{}/{name} is not registered: it is assumed that it was, before the run, with the flags of {}, neither \
                 drained nor offline",
                new.backend_set, new.backend.name
            ));
            let flags = in_service(&new.backend.flags);
            let backend = Backend { name, ip_address: address.clone(), port, flags };
            before.push(OldBackend { backend_set: new.backend_set.clone(), backend });
        }
    }
    (before, inferred)
}

fn in_service(flags: &Flags) -> Flags {
    Flags { drain: false, offline: false, ..flags.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A load balancer whose set `http` has these backends, each with its weight and whether it is drained.
    fn balancer(backends: &[(&str, u32, bool)]) -> LoadBalancer {
        let backend = |(address, weight, drain): &(&str, u32, bool)| {
            json!({"name": format!("{address}:80"), "ipAddress": address, "port": 80, "weight": weight,
                   "drain": drain, "backup": false, "offline": false})
        };
        let backends: Vec<Value> = backends.iter().map(backend).collect();
        let balancer = json!({
            "id": "lb", "displayName": "web", "lifecycleState": "ACTIVE",
            "backendSets": {"http": {"name": "http", "backends": backends}},
        });
        serde_json::from_value(balancer).expect("a load balancer")
    }

    /// What is inferred of `old` and `new`: the old backends with weight and drain, the new ones with their weight, and how
    /// much of it is a guess.
    fn seen(backends: &[(&str, u32, bool)]) -> (Vec<(String, u32, bool)>, Vec<u32>, usize) {
        let addresses = |address: &str| vec![address.to_owned()];
        let (found, inferred) =
            surroundings(&balancer(backends), &addresses("10.0.0.1"), &addresses("10.0.0.2"), &[]);
        let old = found.old.into_iter().map(|one| one.backend);
        let old = old.map(|one| (one.ip_address, one.flags.weight, one.flags.drain)).collect();
        (old, found.new.into_iter().map(|new| new.flags.weight).collect(), inferred.len())
    }

    #[test]
    fn the_old_backends_are_those_that_were_there_wherever_the_run_has_come() {
        let (old, new) = ("10.0.0.1", "10.0.0.2");
        let before = vec![(old.to_owned(), 3, false)];
        for (backends, n_inferred) in [
            (vec![(old, 3, false)], 0),
            (vec![(old, 3, false), (new, 3, true)], 0),
            (vec![(old, 3, false), (new, 3, false)], 0),
            (vec![(old, 3, true), (new, 3, false)], 1),
            (vec![(new, 3, false)], 1),
        ] {
            assert_eq!(seen(&backends), (before.clone(), vec![3], n_inferred), "{backends:?}");
        }
    }

    #[test]
    fn who_was_drained_before_the_new_one_served_was_drained_before_the_run() {
        let found = seen(&[("10.0.0.1", 1, true), ("10.0.0.2", 1, true)]);
        assert_eq!(found, (vec![("10.0.0.1".to_owned(), 1, true)], vec![1], 0));
    }

    #[test]
    fn neither_instance_is_one_of_the_others() {
        let all = [("10.0.0.1", 1, false), ("10.0.0.2", 1, true), ("10.0.0.9", 1, false)];
        let (found, _) =
            surroundings(&balancer(&all), &["10.0.0.1".to_owned()], &["10.0.0.2".to_owned()], &[]);
        assert_eq!(found.others, ["http/10.0.0.9:80"]);
    }
}
