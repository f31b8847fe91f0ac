//! Finds the real address of the application behind a backend.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

use super::app;
use crate::sandbox::lock::lock;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Backend, State};

/// The real address of the application behind a backend. `None` while the application is not up.
pub(super) async fn reach(shared: &Arc<Shared>, backend: &Backend) -> Option<SocketAddr> {
    let key = (backend.ip.clone(), backend.port);
    let is_up = |state: &State| {
        state.instances.values().any(|instance| instance.address == backend.ip && instance.is_up)
    };
    if !is_up(&shared.state()) {
        return None;
    }
    if let Some(address) = lock(&shared.fleet.apps).get(&key) {
        return Some(*address);
    }
    let listener = bind(&backend.ip, backend.port).await.ok()?;
    let address = listener.local_addr().ok()?;
    // Another request may have bound the port first.
    if let Some(first) = lock(&shared.fleet.apps).get(&key) {
        return Some(*first);
    }
    lock(&shared.fleet.apps).insert(key, address);
    app::serve(shared, listener, &backend.ip);
    Some(address)
}

/// Binds the port itself if that is allowed; otherwise any port of the same address; otherwise any port of this machine's own
/// address.
async fn bind(ip: &str, port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((ip, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => match TcpListener::bind((ip, 0)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        },
    }
}
