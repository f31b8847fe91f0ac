//! Changes of a load balancer: accepted at once, done one after the other, visible only once they have succeeded
//! (OCI.md 2.3).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::sandbox::data;
use crate::sandbox::pace::CHANGE;
use crate::sandbox::server::Shared;
use crate::sandbox::state::{Backend, BackendSet, Balancer, BalancerWork, Change, Listener, State};
use crate::sandbox::wire::{Reply, Request};

/// Accepts a change: 204 with the work request that will do it.
pub(super) fn accept(shared: &Arc<Shared>, request: &Request, id: &str, change: Change) -> Reply {
    let now = shared.now();
    let body = request.body.to_string();
    let digest =
        format!("{:x}", Sha256::digest(format!("{} {} {body}", request.method, request.segments.join("/"))));
    let token = request.header("opc-retry-token").map(|token| format!("change/{token}"));
    let accepted = shared.change(|state| {
        if let Some(token) = &token
            && let Some((before, work)) = state.tokens.get(token)
        {
            let same = *before == digest;
            return if same {
                Ok((work.clone(), false))
            } else {
                Err(Reply::invalid("the retry token was used for another request"))
            };
        }
        let work_id = state.ocid("loadbalancerworkrequest");
        let Some(balancer) = state.balancers.get_mut(id) else { return Err(Reply::not_found()) };
        let is_busy = balancer.work.iter().any(|work| work.finished.is_none());
        balancer.work.push(BalancerWork {
            id: work_id.clone(),
            kind: kind(&change).to_owned(),
            state: "ACCEPTED".to_owned(),
            error: None,
            accepted: now,
            finished: None,
            change,
            fails_with: request.work_fails_with.clone(),
        });
        if is_busy && !request.is_stray {
            state.violations.push(format!("load balancer {id} was given {work_id} while it was busy"));
        }
        if let Some(token) = token {
            state.tokens.insert(token, (digest, work_id.clone()));
        }
        Ok((work_id, true))
    });
    match accepted {
        Err(refusal) => refusal,
        Ok((work, is_new)) => {
            if is_new {
                work_off(shared, id);
            }
            Reply::empty(204).with("opc-work-request-id", work)
        }
    }
}

const fn kind(change: &Change) -> &'static str {
    match change {
        Change::CreateSet { .. } => "CreateBackendSet",
        Change::UpdateSet { .. } => "UpdateBackendSet",
        Change::DeleteSet { .. } => "DeleteBackendSet",
        Change::CreateBackend { .. } => "CreateBackend",
        Change::UpdateBackend { .. } => "UpdateBackend",
        Change::DeleteBackend { .. } => "DeleteBackend",
        Change::UpdateChecker { .. } => "UpdateHealthChecker",
        Change::CreateListener { .. } => "CreateListener",
        Change::DeleteListener { .. } => "DeleteListener",
        Change::Create => "CreateLoadBalancer",
        Change::Delete => "DeleteLoadBalancer",
    }
}

/// What another client does just before a request to a backend set: adds a backend of its own, which gets no requests.
pub(in crate::sandbox) fn intrude(shared: &Shared, request: &Request) {
    let mut segments = request.segments.iter().map(String::as_str).skip_while(|one| *one != "loadBalancers");
    let (Some(id), Some("backendSets"), Some(set)) = (segments.nth(1), segments.next(), segments.next())
    else {
        return;
    };
    shared.change(|state| {
        let generation = state.next();
        let Some(balancer) = state.balancers.get_mut(id) else { return };
        let intruder = Backend { weight: 9, offline: true, generation, ..Backend::at("127.0.0.250", 9) };
        if let Some(set) = balancer.sets.get_mut(set) {
            set.backends.push(intruder);
            balancer.version += 1;
        }
    });
}

/// Does what is first in the queue, then what is next; called once for each change that is accepted.
pub(in crate::sandbox) fn work_off(shared: &Arc<Shared>, id: &str) {
    let task = Arc::clone(shared);
    let id = id.to_owned();
    shared.spawn(async move {
        // Another task is at it when the first is already in progress: that is waited for.
        while let Some((work, is_waiting)) = first_open(&task, &id) {
            if !is_waiting {
                task.sleep(Duration::from_millis(1)).await;
                continue;
            }
            task.change(|state| {
                with_work(state, &id, &work, |work| "IN_PROGRESS".clone_into(&mut work.state));
            });
            task.pass(CHANGE).await;
            finish(&task, &id, &work);
            if let Err(error) = data::open_listeners(&task).await {
                tracing::warn!(%error, "a listener cannot be opened");
            }
        }
    });
}

/// The first change in the queue, and whether nobody has taken it up yet.
fn first_open(shared: &Shared, id: &str) -> Option<(String, bool)> {
    let state = shared.state();
    let open = state.balancers.get(id)?.work.iter().find(|work| work.finished.is_none())?;
    Some((open.id.clone(), open.state == "ACCEPTED"))
}

fn with_work(state: &mut State, id: &str, work: &str, with: impl FnOnce(&mut BalancerWork)) {
    let balancer = state.balancers.get_mut(id);
    if let Some(work) = balancer.and_then(|balancer| balancer.work.iter_mut().find(|one| one.id == work)) {
        with(work);
    }
}

fn finish(shared: &Arc<Shared>, id: &str, work: &str) {
    let now = shared.now();
    let removed = shared.change(|state| {
        let generation = state.next();
        let mut violations = Vec::new();
        let balancer = state.balancers.get_mut(id)?;
        let open = balancer.work.iter().find(|one| one.id == work)?;
        let (change, fails_with) = (open.change.clone(), open.fails_with.clone());
        let before = (super::balancers::body(balancer), super::balancers::etag(balancer));
        let done = match fails_with {
            Some(message) => Err(("INTERNAL_ERROR".to_owned(), message)),
            None => apply(balancer, &change, generation, &mut violations),
        };
        let done = done.map_err(|(code, message)| (code, message.replace("{lb}", id)));
        if done.is_ok() {
            balancer.version += 1;
            balancer.before = Some(before);
        }
        let removed = done.clone().ok().flatten();
        with_work(state, id, work, |work| {
            work.finished = Some(now);
            match done {
                Ok(_) => "SUCCEEDED".clone_into(&mut work.state),
                Err(error) => {
                    "FAILED".clone_into(&mut work.state);
                    work.error = Some(error);
                }
            }
        });
        state.violations.extend(violations);
        removed
    });
    if let Some(backend) = removed {
        data::cut_off(shared, &backend);
    }
}

type Refused = (String, String);

/// Makes the change; returns the backend that it removed.
fn apply(
    balancer: &mut Balancer,
    change: &Change,
    generation: u64,
    violations: &mut Vec<String>,
) -> Result<Option<Backend>, Refused> {
    let bad = |message: String| Err(("BAD_INPUT".to_owned(), message));
    match change {
        Change::Create => {}
        Change::Delete => balancer.is_deleted = true,
        Change::CreateSet { name, .. } if balancer.sets.contains_key(name) => {
            return bad(format!("Load balancer {{lb}} already has backend set '{name}'"));
        }
        Change::CreateSet { name, body } => {
            balancer.sets.insert(name.clone(), BackendSet { body: body.clone(), backends: Vec::new() });
        }
        Change::UpdateSet { name, body } => {
            let Some(set) = balancer.sets.get_mut(name) else {
                return bad(format!("no backend set '{name}'"));
            };
            set.body = body.clone();
        }
        Change::DeleteSet { name } => {
            if balancer.listeners.values().any(|listener| listener.set() == name) {
                return bad(format!("backend set '{name}' is used by a listener"));
            }
            balancer.sets.remove(name);
        }
        Change::UpdateChecker { set, body } => {
            if let Some(set) = balancer.sets.get_mut(set) {
                set.body["healthChecker"] = body.clone();
            }
        }
        Change::CreateListener { name, body } => {
            balancer.listeners.insert(name.clone(), Listener { body: body.clone(), port: 0 });
        }
        Change::DeleteListener { name } => {
            balancer.listeners.remove(name);
        }
        Change::CreateBackend { set: name, backend } => {
            let Some(set) = balancer.sets.get_mut(name) else {
                return bad(format!("no backend set '{name}'"));
            };
            if set.backends.iter().any(|one| one.name() == backend.name()) {
                return bad(format!(
                    "Load balancer {{lb}} already has backend '{}' in backend set '{name}'",
                    backend.name()
                ));
            }
            set.backends.push(Backend { generation, ..backend.clone() });
        }
        Change::UpdateBackend { set, name, flags } => {
            let Ok(flags) = flags_of(flags) else { return bad("flags".to_owned()) };
            if flags.drain || flags.offline {
                note_a_last_one(balancer, set, name, "drained", violations);
            }
            let Some(backend) = find(balancer, set, name) else { return bad(format!("no backend '{name}'")) };
            let Backend { ip, port, health, generation, .. } = backend.clone();
            *backend = Backend { ip, port, health, generation, ..flags };
        }
        Change::DeleteBackend { set, name } => {
            note_a_last_one(balancer, set, name, "removed", violations);
            let Some(set) = balancer.sets.get_mut(set) else { return bad(format!("no backend set '{set}'")) };
            let place = set.backends.iter().position(|backend| backend.name() == *name);
            return Ok(place.map(|place| set.backends.remove(place)));
        }
    }
    Ok(None)
}

fn find<'b>(balancer: &'b mut Balancer, set: &str, name: &str) -> Option<&'b mut Backend> {
    balancer.sets.get_mut(set)?.backends.iter_mut().find(|backend| backend.name() == name)
}

/// Records that a set with a listener was left without a healthy backend.
fn note_a_last_one(balancer: &Balancer, set: &str, name: &str, what: &str, violations: &mut Vec<String>) {
    let Some(backends) = balancer.sets.get(set).map(|set| &set.backends) else { return };
    let serves = |one: &&Backend| !one.drain && !one.offline && one.health.is_well == Some(true);
    let is_serving = backends.iter().filter(serves).any(|one| one.name() == name);
    let has_others = backends.iter().filter(serves).any(|one| one.name() != name);
    let has_listener = balancer.listeners.values().any(|listener| listener.set() == set);
    if is_serving && !has_others && has_listener {
        violations.push(format!("the last healthy backend {name} of the set {set} was {what}"));
    }
}

/// The flags of a backend, checked (OCI.md 2.4).
pub(super) fn flags_of(body: &Value) -> Result<Backend, Reply> {
    let flag = |name: &str| body[name].as_bool().unwrap_or(false);
    let weight = body.get("weight").filter(|weight| !weight.is_null()).map_or(Some(1), Value::as_u64);
    let weight = weight.and_then(|weight| u32::try_from(weight).ok()).filter(|weight| *weight >= 1);
    let max_connections = match body.get("maxConnections").unwrap_or(&json!(null)).as_u64() {
        None | Some(0) => None,
        Some(n @ 256..) => u32::try_from(n).ok(),
        Some(_) => return Err(Reply::invalid("maxConnections must be at least 256")),
    };
    let Some(weight) = weight else { return Err(Reply::invalid("weight must be at least 1")) };
    let (drain, backup, offline) = (flag("drain"), flag("backup"), flag("offline"));
    Ok(Backend { weight, max_connections, drain, backup, offline, ..Backend::at("", 0) })
}
