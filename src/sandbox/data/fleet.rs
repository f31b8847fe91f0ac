//! The running parts: the applications, the connections to them, and the counters of requests.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio_util::sync::CancellationToken;

use super::pool::Pool;
use crate::sandbox::lock::lock;
use crate::sandbox::state::Backend;

/// The running parts: the applications by address, the pooled connections, and the counters of requests.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Fleet {
    /// The real socket address for the address and port of a container. The real port may differ, because ports below 1024
    /// may be forbidden here.
    pub(super) apps: Mutex<HashMap<(String, u16), SocketAddr>>,
    /// Ends every socket of an instance, by its address.
    pub(super) closers: Mutex<HashMap<String, CancellationToken>>,
    /// Ends every connection to a backend, by name and generation.
    pub(super) cutters: Mutex<HashMap<(String, u64), CancellationToken>>,
    /// How many requests each backend is busy with, by name.
    busy: Mutex<HashMap<String, u64>>,
    pub(in crate::sandbox) pool: Pool,
    pub(super) traffic: Mutex<BTreeMap<String, Counted>>,
    /// The open listeners, by load balancer and name.
    pub(super) open: Mutex<HashMap<(String, String), CancellationToken>>,
}

/// The requests through a listener.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) n_requests: u64,
    pub(super) by_version: BTreeMap<String, u64>,
    pub(super) failures: BTreeMap<&'static str, u64>,
}

impl Fleet {
    pub(super) fn closer(&self, address: &str) -> CancellationToken {
        lock(&self.closers).entry(address.to_owned()).or_default().clone()
    }

    pub(super) fn cutter(&self, backend: &Backend) -> CancellationToken {
        lock(&self.cutters).entry((backend.name(), backend.generation)).or_default().clone()
    }

    /// Counts a request to a backend for as long as the guard lives.
    pub(super) fn occupy(&self, name: String) -> Occupied<'_> {
        *lock(&self.busy).entry(name.clone()).or_default() += 1;
        Occupied { fleet: self, name }
    }

    pub(super) fn load(&self, name: &str) -> u64 {
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
pub(super) struct Occupied<'f> {
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
