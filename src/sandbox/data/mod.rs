//! The data plane: containers that answer HTTP, health checks, and a proxy for each listener.

mod app;
mod balance;
pub(super) mod health;
mod proxy;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::server::{Shared, lock};
use super::state::Backend;

/// What runs: the applications by address, the pooled connections, and what went through.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// Where an address and port of a container really listens: ports below 1024 may be forbidden here.
    apps: Mutex<HashMap<(String, u16), SocketAddr>>,
    /// Ends every socket of an instance, by its address.
    closers: Mutex<HashMap<String, CancellationToken>>,
    /// Ends every connection to a backend, by name and generation.
    cutters: Mutex<HashMap<(String, u64), CancellationToken>>,
    /// How many requests each backend is busy with, by name.
    busy: Mutex<HashMap<String, u64>>,
    pub(super) pool: proxy::Pool,
    traffic: Mutex<BTreeMap<String, Counted>>,
    /// The listeners that are open, by load balancer and name.
    open: Mutex<HashMap<(String, String), CancellationToken>>,
}

/// What went through a listener.
#[derive(Clone, Debug, Default)]
struct Counted {
    n_requests: u64,
    by_version: BTreeMap<String, u64>,
    failures: BTreeMap<&'static str, u64>,
}

impl Fleet {
    pub(super) fn closer(&self, address: &str) -> CancellationToken {
        lock(&self.closers).entry(address.to_owned()).or_default().clone()
    }

    pub(super) fn cutter(&self, backend: &Backend) -> CancellationToken {
        lock(&self.cutters).entry((backend.name(), backend.generation)).or_default().clone()
    }

    /// Counts a request to a backend for as long as the guard lives.
    fn occupy(&self, name: String) -> Occupied<'_> {
        *lock(&self.busy).entry(name.clone()).or_default() += 1;
        Occupied { fleet: self, name }
    }

    fn load(&self, name: &str) -> u64 {
        lock(&self.busy).get(name).copied().unwrap_or_default()
    }

    pub(super) fn count(&self, listener: &str, outcome: Result<&str, &'static str>) {
        let mut traffic = lock(&self.traffic);
        let counted = traffic.entry(listener.to_owned()).or_default();
        counted.n_requests += 1;
        match outcome {
            Ok(version) => *counted.by_version.entry(version.to_owned()).or_default() += 1,
            Err(kind) => *counted.failures.entry(kind).or_default() += 1,
        }
    }
}

/// A request that a backend is busy with.
struct Occupied<'f> {
    fleet: &'f Fleet,
    name: String,
}

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        if let Some(n) = lock(&self.fleet.busy).get_mut(&self.name) {
            *n -= 1;
        }
    }
}

/// What went through each listener since the sandbox was started.
pub(super) fn traffic(shared: &Shared) -> Value {
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

/// Closes every socket of an instance: its process is gone.
pub(super) fn close(shared: &Shared, instance: &str) {
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
pub(super) fn crash(shared: &Shared, instance: &str) {
    close(shared, instance);
    shared.change(|state| {
        if let Some(instance) = state.instances.get_mut(instance) {
            instance.is_up = false;
        }
    });
}

/// Ends the processes of an instance with this code and these last words, as when a program gives up. One that its
/// restart policy starts again does not come up.
pub(super) fn exit(shared: &Shared, instance: &str, code: i64, log: &str) {
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
pub(super) fn cut_off(shared: &Shared, backend: &Backend) {
    if let Some(cutter) = lock(&shared.fleet.cutters).remove(&(backend.name(), backend.generation)) {
        cutter.cancel();
    }
    shared.fleet.pool.forget(&backend.name(), backend.generation);
}

/// Where the application behind a backend really listens; `None` while it is not up.
async fn reach(shared: &Arc<Shared>, backend: &Backend) -> Option<SocketAddr> {
    let key = (backend.ip.clone(), backend.port);
    let is_up = |state: &super::state::State| {
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

/// Opens a proxy for every listener that has none, and closes those whose listener is gone.
pub(super) async fn open_listeners(shared: &Arc<Shared>) -> io::Result<()> {
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
        // The port of an earlier sandbox with this folder, if it is still free.
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
