//! Where the application behind a backend listens.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

use super::app;
use crate::sandbox::lock::lock;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Backend, State};

/// Where the application behind a backend really listens; `None` while it is not up.
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
    // Another request may have been here first while we were binding.
    if let Some(first) = lock(&shared.fleet.apps).get(&key) {
        return Some(*first);
    }
    lock(&shared.fleet.apps).insert(key, address);
    app::serve(shared, listener, &backend.ip);
    Some(address)
}

/// Binds the port itself where that is allowed, or any of the same address, or any of this machine's own.
async fn bind(ip: &str, port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((ip, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => match TcpListener::bind((ip, 0)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        },
    }
}
