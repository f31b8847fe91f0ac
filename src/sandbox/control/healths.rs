//! The health that clients see: of a backend, a set, a load balancer, and all load balancers (docs/oci.md 2.5).

use serde_json::{Value, json};

use crate::sandbox::habits::{Drained, Habits, Nodes, Well};
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Backend, BackendSet, Balancer, Health, SUBNET};
use crate::sandbox::wire::{Reply, Request, array};

/// If the two nodes disagree, the later one needs this many times as many checks.
const LATER: u64 = 3;

/// The verdicts of a load balancer's checks, with this cloud's habits.
pub(super) struct Verdicts<'b> {
    pub(super) habits: &'b Habits,
    pub(super) balancer: &'b Balancer,
}

impl Verdicts<'_> {
    /// One word for a backend that combines both checking nodes.
    fn status(&self, name: &str, set: &BackendSet, backend: &Backend) -> &'static str {
        match backend.health.is_well {
            _ if !self.has_listener(name) || !self.is_checked(backend) => "UNKNOWN",
            None => "UNKNOWN",
            Some(_) if self.is_one_node_late(set, backend) => "WARNING",
            Some(true) if self.habits.health == Well::Warning => "WARNING",
            Some(true) => "OK",
            Some(false) => "CRITICAL",
        }
    }

    fn has_listener(&self, set: &str) -> bool {
        self.balancer.listeners.values().any(|listener| listener.set() == set)
    }

    fn is_checked(&self, backend: &Backend) -> bool {
        !backend.drain || self.habits.drained_backends == Drained::Checked
    }

    fn is_one_node_late(&self, set: &BackendSet, backend: &Backend) -> bool {
        let Health { is_well, n_agreeing, last, .. } = &backend.health;
        let needed = set.body["healthChecker"]["retries"].as_u64().unwrap_or(3).max(1);
        self.habits.health_nodes == Nodes::Disagree
            && last.is_some_and(|(last, _)| Some(last) == *is_well)
            && u64::from(*n_agreeing) < needed * LATER
    }

    pub(super) fn of_backend(&self, name: &str, set: &BackendSet, backend: &Backend) -> Value {
        let Health { last, at, .. } = &backend.health;
        let seen = match last {
            _ if backend.offline => Some("OFFLINE"),
            Some((_, seen)) if self.is_checked(backend) => Some(*seen),
            Some(_) | None => None,
        };
        let status = self.status(name, set, backend);
        let other = match seen {
            Some("OK") if status == "WARNING" => Some("CONNECT_FAILED"),
            Some(_) if status == "WARNING" => Some("OK"),
            Some(_) | None => seen,
        };
        let results: Vec<Value> = [("127.0.0.9", seen), ("127.0.0.10", other)]
            .iter()
            .filter_map(|(node, seen)| {
                Some(json!({"subnetId": SUBNET, "sourceIpAddress": node, "healthCheckStatus": (*seen)?,
                    "timestamp": at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, false))}))
            })
            .collect();
        json!({"status": status, "healthCheckResults": results})
    }

    pub(super) fn of_set(&self, name: &str, set: &BackendSet) -> Value {
        let with = |wanted: &str| -> Vec<String> {
            let backends = set.backends.iter().filter(|one| self.status(name, set, one) == wanted);
            backends.map(Backend::name).collect()
        };
        let (warning, critical, unknown) = (with("WARNING"), with("CRITICAL"), with("UNKNOWN"));
        let n = set.backends.len();
        let n_ok = n - warning.len() - critical.len() - unknown.len();
        let status = match () {
            () if n == 0 || !self.has_listener(name) || unknown.len() * 2 > n => "UNKNOWN",
            () if n_ok == n => "OK",
            () if (n_ok + warning.len()) * 2 >= n => "WARNING",
            () => "CRITICAL",
        };
        json!({
            "status": status, "warningStateBackendNames": warning, "criticalStateBackendNames": critical,
            "unknownStateBackendNames": unknown, "totalBackendCount": n,
        })
    }

    pub(super) fn of_all(&self) -> Value {
        let sets = &self.balancer.sets;
        let with = |wanted: &str| -> Vec<&String> {
            let named = sets.iter().filter(|(name, set)| self.of_set(name, set)["status"] == wanted);
            named.map(|(name, _)| name).collect()
        };
        let (warning, critical, unknown) = (with("WARNING"), with("CRITICAL"), with("UNKNOWN"));
        let status = match (critical.is_empty(), warning.is_empty(), unknown.len() * 2 > sets.len()) {
            (false, _, _) => "CRITICAL",
            (true, _, true) => "UNKNOWN",
            (true, false, false) => "WARNING",
            (true, true, false) => "OK",
        };
        json!({
            "status": status, "warningStateBackendSetNames": warning, "criticalStateBackendSetNames": critical,
            "unknownStateBackendSetNames": unknown, "totalBackendSetCount": sets.len(),
        })
    }
}

pub(super) fn list(shared: &Shared, request: &Request) -> Reply {
    let state = shared.state();
    let habits = &state.habits;
    let all = state.shown_balancers().values().filter(|balancer| !balancer.is_deleted);
    let healths = all.map(|balancer| {
        let health = Verdicts { habits, balancer }.of_all();
        json!({"loadBalancerId": balancer.id, "status": health["status"]})
    });
    array(request, healths.collect(), shared.page_size)
}
