//! Chooses the backend for the next request.

use crate::sandbox::state::{Backend, BackendSet};

/// The backend for request number `n` of a client, by the set's policy. `load` returns how many requests a backend is busy
/// with.
///
/// A backend that is not checked yet gets requests, as with real load balancers. Registering one that is not ready therefore
/// loses some requests (docs/design/redeploy.md).
pub(super) fn choose(
    set: &BackendSet,
    n: u64,
    client: u64,
    load: impl Fn(&Backend) -> u64,
) -> Option<&Backend> {
    let may_serve =
        |backend: &&Backend| !backend.drain && !backend.offline && backend.health.is_well != Some(false);
    let mut serving: Vec<&Backend> =
        set.backends.iter().filter(may_serve).filter(|one| !one.backup).collect();
    if serving.is_empty() {
        serving = set.backends.iter().filter(may_serve).collect();
    }
    if set.body["policy"] == "LEAST_CONNECTIONS" {
        return serving
            .into_iter()
            .min_by_key(|backend| load(backend) * 100 / u64::from(backend.weight.max(1)));
    }
    let turn = if set.body["policy"] == "IP_HASH" { client } else { n };
    let total: u64 = serving.iter().map(|backend| u64::from(backend.weight)).sum();
    let mut left = turn.checked_rem(total)?;
    for backend in serving {
        let weight = u64::from(backend.weight);
        if left < weight {
            return Some(backend);
        }
        left -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::state::Health;
    use serde_json::json;

    fn set(flags: &[(u32, bool, bool, bool, Option<bool>)]) -> BackendSet {
        let backends =
            flags.iter().zip(1..).map(|(&(weight, drain, backup, offline, is_well), port)| Backend {
                ip: "127.0.0.1".to_owned(),
                port,
                weight,
                max_connections: None,
                drain,
                backup,
                offline,
                health: Health { is_well, ..Health::default() },
                generation: 0,
            });
        BackendSet { body: json!({"policy": "ROUND_ROBIN"}), backends: backends.collect() }
    }

    fn ports(set: &BackendSet) -> Vec<u16> {
        (0..4).filter_map(|n| choose(set, n, 0, |_| 0)).map(|backend| backend.port).collect()
    }

    #[test]
    fn weights_share_the_requests() {
        let well = Some(true);
        assert_eq!(
            ports(&set(&[(1, false, false, false, well), (3, false, false, false, well)])),
            [1, 2, 2, 2]
        );
    }

    #[test]
    fn drained_offline_and_sick_backends_get_nothing_and_unchecked_ones_do() {
        let (well, sick) = (Some(true), Some(false));
        let set = set(&[
            (1, true, false, false, well),
            (1, false, false, true, well),
            (1, false, false, false, sick),
            (1, false, false, false, None),
        ]);
        assert_eq!(ports(&set), [4, 4, 4, 4]);
    }

    #[test]
    fn the_least_busy_backend_for_its_weight_is_next() {
        let well = Some(true);
        let mut set = set(&[(1, false, false, false, well), (4, false, false, false, well)]);
        set.body = json!({"policy": "LEAST_CONNECTIONS"});
        let busy = |loads: [u64; 2]| choose(&set, 0, 0, |backend| loads[usize::from(backend.port) - 1]);
        assert_eq!(busy([2, 3]).map(|backend| backend.port), Some(2));
        assert_eq!(busy([0, 3]).map(|backend| backend.port), Some(1));
    }

    #[test]
    fn a_backup_serves_only_when_nobody_else_does() {
        let (well, sick) = (Some(true), Some(false));
        let with_primary = set(&[(1, false, false, false, well), (1, false, true, false, well)]);
        assert_eq!(ports(&with_primary), [1, 1, 1, 1]);
        let without = set(&[(1, false, false, false, sick), (1, false, true, false, well)]);
        assert_eq!(ports(&without), [2, 2, 2, 2]);
        assert!(ports(&set(&[(1, true, false, false, well)])).is_empty());
    }
}
