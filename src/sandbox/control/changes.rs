//! Changes of a load balancer: accepted at once, carried out one after the other, and visible only once they have succeeded
//! (docs/oci.md 2.3).

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::apply::{Around, apply, full};
use super::balancer_view::{body, etag};
use super::replays::{replay, spent_token};
use crate::sandbox::data;
use crate::sandbox::habits::{Busy, Habits, IfMatch, NoChange, NoOp, Queue};
use crate::sandbox::pace::CHANGE;
use crate::sandbox::scenery;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Backend, Balancer, BalancerWork, Change, Health, Spent, State};
use crate::sandbox::wire::{Reply, Request, no_match};

/// Accepts a change: 204 with the work request that will carry it out.
pub(super) fn accept(shared: &Arc<Shared>, request: &Request, id: &str, change: Change) -> Reply {
    let now = shared.now();
    let body = request.body.to_string();
    let digest =
        format!("{:x}", Sha256::digest(format!("{} {} {body}", request.method, request.segments.join("/"))));
    let if_match = request.header("if-match").map(|tag| tag.trim_matches('"').to_owned());
    let token = request.header("opc-retry-token").map(spent_token);
    let accepted = shared.change(|state| {
        if let Some(token) = &token
            && let Some(spent) = state.tokens.get(token)
        {
            return replay(&state.habits, spent, &digest, if_match.as_deref()).map(|work| (work, false));
        }
        let work_id = state.ocid("loadbalancerworkrequest");
        let habits = state.habits;
        let Some(balancer) = state.balancers.get_mut(id) else { return Err(Reply::not_found()) };
        let open = balancer.work.iter().find(|work| work.finished.is_none());
        let is_busy = open.is_some();
        if let Some(open) = open.filter(|_| habits.busy == Busy::Refused) {
            return Err(busy(id, &open.id));
        }
        refuse(&habits, balancer, &change)?;
        balancer.work.push(BalancerWork {
            fails_with: request.work_fails_with.clone(),
            expects: if_match.clone().filter(|tag| tag != "*" && habits.if_match == IfMatch::Applied),
            ..accepted(work_id.clone(), change, now)
        });
        if is_busy && !request.is_stray {
            state.violations.push(format!("load balancer {id} was given {work_id} while it was busy"));
        }
        if let Some(token) = token {
            state.tokens.insert(token, Spent(digest, work_id.clone(), if_match));
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

/// The real service's text is unknown. The code is the one that its SDKs retry (docs/oci.md 2.3).
fn busy(balancer: &str, work: &str) -> Reply {
    let message =
        format!("Load balancer {balancer} is being updated by work request {work}; try again later");
    Reply::error(409, "IncorrectState", message)
}

/// The checks that the service makes before it accepts a change.
fn refuse(habits: &Habits, balancer: &Balancer, change: &Change) -> Result<(), Reply> {
    if let Change::CreateBackend { set, backend } = change
        && backend.backup
        && balancer.sets.get(set).is_some_and(|set| set.body["policy"] == "IP_HASH")
    {
        return Err(Reply::invalid("a backend set whose policy is IP_HASH has no backups"));
    }
    if let Change::CreateBackend { set, backend } = change
        && let Some(full) = full(habits, balancer, set)
        && find_in(balancer, set, &backend.name()).is_none()
    {
        return Err(Reply::error(400, "LimitExceeded", full));
    }
    let is_update = matches!(
        change,
        Change::UpdateSet { .. }
            | Change::UpdateBackend { .. }
            | Change::UpdateChecker { .. }
            | Change::UpdateListener { .. }
            | Change::UpdateHead { .. }
    );
    let refuses_all = habits.no_op == NoOp::Refused;
    let refuses = refuses_all || (habits.no_change == NoChange::Refused && is_update);
    if refuses && is_so_already(habits, balancer, change) {
        return Err(Reply::invalid(format!("{} would change nothing", kind(change))));
    }
    Ok(())
}

fn find_in<'b>(balancer: &'b Balancer, set: &str, name: &str) -> Option<&'b Backend> {
    balancer.sets.get(set)?.backends.iter().find(|backend| backend.name() == name)
}

/// Whether the change would change nothing.
fn is_so_already(habits: &Habits, balancer: &Balancer, change: &Change) -> bool {
    let shown = body;
    let mut after = balancer.clone();
    match change {
        Change::CreateBackend { set, backend } => {
            let there = find_in(balancer, set, &backend.name());
            there.is_some_and(|there| {
                let plain =
                    |one: &Backend| Backend { health: Health::default(), generation: 0, ..one.clone() };
                plain(there) == plain(backend)
            })
        }
        // Creating a listener or a set that exists is refused. Whether it already has the wanted form depends on its content.
        Change::CreateSet { name, body } => balancer.sets.get(name).is_some_and(|set| {
            let wanted = body["backends"].as_array().map_or(0, Vec::len);
            wanted == set.backends.len()
                && body
                    .as_object()
                    .into_iter()
                    .flatten()
                    .all(|(key, value)| key == "name" || key == "backends" || set.body[key] == *value)
        }),
        Change::Create | Change::Delete => false,
        _ => {
            let around = Around { habits, guests: &[], generation: 0 };
            apply(&around, &mut after, change, &mut Vec::new()).is_ok() && shown(&after) == shown(balancer)
        }
    }
}

fn kind(change: &Change) -> &str {
    match change {
        Change::CreateSet { .. } => "CreateBackendSet",
        Change::UpdateSet { .. } => "UpdateBackendSet",
        Change::DeleteSet { .. } => "DeleteBackendSet",
        Change::CreateBackend { .. } => "CreateBackend",
        Change::UpdateBackend { .. } => "UpdateBackend",
        Change::DeleteBackend { .. } => "DeleteBackend",
        Change::UpdateChecker { .. } => "UpdateHealthChecker",
        Change::CreateListener { .. } => "CreateListener",
        Change::UpdateListener { .. } => "UpdateListener",
        Change::DeleteListener { .. } => "DeleteListener",
        Change::UpdateHead { kind, .. } => kind,
        Change::Create => "CreateLoadBalancer",
        Change::Delete => "DeleteLoadBalancer",
    }
}

/// Plays another client, which adds a backend of its own just before a request to a backend set. The backend gets no
/// requests. The change is applied at once, or waits for its turn like any other.
pub(in crate::sandbox) fn intrude(shared: &Arc<Shared>, request: &Request, is_waiting: bool) {
    let mut segments = request.segments.iter().map(String::as_str).skip_while(|one| *one != "loadBalancers");
    let (Some(id), Some("backendSets"), Some(set)) = (segments.nth(1), segments.next(), segments.next())
    else {
        return;
    };
    let now = shared.now();
    shared.change(|state| {
        let generation = state.next();
        let Some(balancer) = state.balancers.get_mut(id) else { return };
        let intruder = Backend { weight: 9, offline: true, generation, ..Backend::at("127.0.0.250", 9) };
        if is_waiting {
            let change = Change::CreateBackend { set: set.to_owned(), backend: intruder };
            let id = format!("ocid1.loadbalancerworkrequest.oc1.iad.intruder{generation}");
            balancer.work.push(accepted(id, change, now));
        } else if let Some(set) = balancer.sets.get_mut(set) {
            set.backends.push(intruder);
            balancer.version += 1;
        }
    });
    if is_waiting {
        work_off(shared, id);
    }
}

/// A change that has just been accepted.
fn accepted(id: String, change: Change, now: DateTime<Utc>) -> BalancerWork {
    BalancerWork {
        id,
        kind: kind(&change).to_owned(),
        state: "ACCEPTED".to_owned(),
        error: None,
        accepted: now,
        finished: None,
        change,
        fails_with: None,
        expects: None,
    }
}

/// Carries out the first change in the queue, then the next ones. Called once for each change that is accepted.
pub(in crate::sandbox) fn work_off(shared: &Arc<Shared>, id: &str) {
    let task = Arc::clone(shared);
    let id = id.to_owned();
    shared.spawn(async move {
        // If the first change is already in progress, another task carries it out, and this one waits for that.
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

/// The first change in the queue, and whether no task has taken it up yet.
fn first_open(shared: &Shared, id: &str) -> Option<(String, bool)> {
    let state = shared.state();
    let mut open = state.balancers.get(id)?.work.iter().filter(|work| work.finished.is_none());
    let is_under_way = |work: &&BalancerWork| work.state != "ACCEPTED";
    let first = open.clone().find(is_under_way).or_else(|| match state.habits.queue {
        Queue::FirstFirst => open.next(),
        Queue::LastFirst => open.next_back(),
    })?;
    Some((first.id.clone(), !is_under_way(&first)))
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
        let guests = scenery::guests(state, id);
        let Some(balancer) = state.balancers.get_mut(id) else { return Vec::new() };
        let Some(open) = balancer.work.iter().find(|one| one.id == work) else { return Vec::new() };
        let (change, fails_with, expects) =
            (open.change.clone(), open.fails_with.clone(), open.expects.clone());
        let before = (body(balancer), etag(balancer));
        let done = match (fails_with, expects.filter(|expected| *expected != before.1)) {
            (Some(message), _) => Err(("INTERNAL_ERROR".to_owned(), message)),
            (None, Some(old)) => Err(("BAD_INPUT".to_owned(), no_match(&before.1, &old))),
            (None, None) => {
                let around = Around { habits: &state.habits, guests: &guests, generation };
                apply(&around, balancer, &change, &mut violations)
            }
        };
        let done = done.map_err(|(code, message)| (code, message.replace("{lb}", id)));
        let is_kept = state.habits.no_change == NoChange::KeepsVersion && body(balancer) == before.0;
        if done.is_ok() && !is_kept {
            balancer.version += 1;
            balancer.before = Some(before);
        }
        let removed = done.clone().unwrap_or_default();
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
    for backend in &removed {
        data::cut_off(shared, backend);
    }
}
