//! Where the new instance is registered.

use super::deployment::BackendTarget;
use super::node::{Node, Tree};
use super::problem::Findings;
use super::schema::{BACKEND, BACKEND_SET};
use super::shape::{Shaper, join, not_a_port, port};

/// The most backends that a set may have, and that a load balancer may have. Drained ones count.
pub const BACKENDS_LIMIT: usize = 512;

/// Reads the list of backends.
pub(super) fn backends(node: &Node, findings: &mut Findings) -> Vec<BackendTarget> {
    let Tree::List(items) = &node.tree else {
        let message = format!("expected a list, found {}", node.kind());
        findings.problems.push(node.problem("backends", message));
        return Vec::new();
    };
    if items.len() > BACKENDS_LIMIT {
        let message =
            format!("has {} entries, and a load balancer takes {BACKENDS_LIMIT} backends", items.len());
        findings.problems.push(node.problem("backends", message));
    }
    let mut targets: Vec<BackendTarget> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let path = format!("backends[{n}]");
        if let Some(target) = backend(item, &path, findings) {
            let is_double = targets
                .iter()
                .any(|other| other.port == target.port && other.backend_set == target.backend_set);
            if is_double {
                findings.problems.push(item.problem(&path, "is there twice"));
            }
            targets.push(target);
        }
    }
    targets
}

fn backend(node: &Node, path: &str, findings: &mut Findings) -> Option<BackendTarget> {
    if !matches!(node.tree, Tree::Map(_)) {
        findings.problems.push(node.problem(path, format!("expected a map, found {}", node.kind())));
        return None;
    }
    findings.refuse_unknown_keys(node, path, &BACKEND);
    let mut missing = |name: &str| findings.problems.push(node.problem(&join(path, name), "is missing"));
    let written_port = node.get("port");
    let set = node.get("backend-set");
    if written_port.is_none() {
        missing("port");
    }
    if set.is_none() {
        missing("backend-set");
    }
    let (written_port, set) = (written_port?, set?);
    let Some(number) = port(written_port) else {
        findings.problems.push(written_port.problem(&join(path, "port"), not_a_port(written_port)));
        return None;
    };
    let Some(backend_set) = set.text().filter(|set| !set.is_empty()) else {
        let found = format!("expected a string, found {}", set.kind());
        findings.problems.push(set.problem(&join(path, "backend-set"), found));
        return None;
    };
    let create = node.get("create").map(|create| {
        let path = join(path, "create");
        let most = create.get("backendMaxConnections");
        if let Some(most) = most.filter(|most| matches!(most.tree, Tree::Int(1..=255))) {
            // From the SDK's documentation of `CreateBackendSetDetails.backend_max_connections`.
            let message = format!("expected 0 or at least 256, found {}", most.quoted());
            findings.problems.push(most.problem(&join(&path, "backend-max-connections"), message));
        }
        Shaper { findings }.model(create, &path, &BACKEND_SET)
    });
    Some(BackendTarget { port: number, backend_set: backend_set.to_owned(), create })
}
