//! Ends connections and processes, and counts the requests until then.

use serde_json::{Value, json};

use crate::sandbox::lock::lock;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::Backend;

/// The requests through each listener since the sandbox was started.
pub(in crate::sandbox) fn traffic(shared: &Shared) -> Value {
    let traffic = lock(&shared.fleet.traffic);
    traffic
        .iter()
        .map(|(listener, counted)| {
            let body = json!({
                "requests": counted.n_requests, "byVersion": counted.by_version, "failures": counted.failures,
            });
            (listener.clone(), body)
        })
        .collect()
}

/// Closes every socket of an instance, because its process is gone.
pub(in crate::sandbox) fn close(shared: &Shared, instance: &str) {
    let Some(address) = shared.state().instances.get(instance).map(|instance| instance.address.clone())
    else {
        return;
    };
    if let Some(closer) = lock(&shared.fleet.closers).remove(&address) {
        closer.cancel();
    }
    lock(&shared.fleet.apps).retain(|(app, _), _| *app != address);
}

/// Kills the application of an instance, which stays ACTIVE.
pub(in crate::sandbox) fn crash(shared: &Shared, instance: &str) {
    close(shared, instance);
    shared.change(|state| {
        if let Some(instance) = state.instances.get_mut(instance) {
            instance.is_up = false;
        }
    });
}

/// Ends the processes of an instance with this exit code and these last log lines, as if its program gave up. If the restart
/// policy starts the container again, the application stays down.
pub(in crate::sandbox) fn exit(shared: &Shared, instance: &str, code: i64, log: &str) {
    close(shared, instance);
    let now = shared.now();
    shared.change(|state| {
        let Some(instance) = state.instances.get_mut(instance) else { return };
        instance.exit(code, now);
        for container in &mut instance.containers {
            log.clone_into(&mut container.log);
        }
    });
}

/// Ends every connection to a backend that was removed.
pub(in crate::sandbox) fn cut_off(shared: &Shared, backend: &Backend) {
    if let Some(cutter) = lock(&shared.fleet.cutters).remove(&(backend.name(), backend.generation)) {
        cutter.cancel();
    }
    shared.fleet.pool.forget(&backend.name(), backend.generation);
}
