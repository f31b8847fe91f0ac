//! The listeners of the load balancers.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::proxy;
use crate::sandbox::lock::lock;
use crate::sandbox::shared::Shared;

/// Opens a proxy for every listener that has none, and closes the proxies whose listener is gone.
pub(in crate::sandbox) async fn open_listeners(shared: &Arc<Shared>) -> io::Result<()> {
    let wanted: Vec<(String, String, u16)> = {
        let state = shared.state();
        let live = state.balancers.values().filter(|balancer| !balancer.is_deleted);
        live.flat_map(|balancer| {
            let named = balancer.listeners.iter();
            named.map(|(name, listener)| (balancer.id.clone(), name.clone(), listener.port))
        })
        .collect()
    };
    lock(&shared.fleet.open).retain(|(balancer, name), cancel| {
        let is_wanted = wanted.iter().any(|(id, listener, _)| id == balancer && listener == name);
        if !is_wanted {
            cancel.cancel();
        }
        is_wanted
    });
    for (balancer, name, port) in wanted {
        let key = (balancer.clone(), name.clone());
        if lock(&shared.fleet.open).contains_key(&key) {
            continue;
        }
        // An earlier sandbox with this folder used this port. It is used again if it is still free.
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        let port = listener.local_addr()?.port();
        shared.change(|state| {
            let balancer = state.balancers.get_mut(&balancer);
            if let Some(listener) = balancer.and_then(|balancer| balancer.listeners.get_mut(&name)) {
                listener.port = port;
            }
        });
        let cancel = CancellationToken::new();
        lock(&shared.fleet.open).insert(key, cancel.clone());
        proxy::serve(shared, listener, balancer, name, cancel);
    }
    Ok(())
}
