//! Continues the work that an earlier sandbox left unfinished.

use std::sync::Arc;

use super::control::changes;
use super::lifecycle::{Turn, begin};
use super::shared::Shared;

/// Continues the work that an earlier sandbox left unfinished in its folder.
pub(super) fn resume(shared: &Arc<Shared>) {
    let open: Vec<(String, String, Turn)> = {
        let state = shared.state();
        let open = state.work.values().filter(|work| work.finished.is_none());
        open.filter_map(|work| Some((work.instance.clone(), work.id.clone(), Turn::of(&work.operation)?)))
            .collect()
    };
    for (instance, work, turn) in open {
        begin(shared, &instance, &work, turn, None);
    }
    let balancers: Vec<String> = shared.change(|state| {
        for work in state.balancers.values_mut().flat_map(|balancer| &mut balancer.work) {
            if work.finished.is_none() {
                "ACCEPTED".clone_into(&mut work.state);
            }
        }
        state.balancers.keys().cloned().collect()
    });
    for balancer in balancers {
        changes::work_off(shared, &balancer);
    }
}
