//! The load balancers' API (docs/oci.md 1.4) over the state. It only accepts changes; `changes` carries them out.

use std::sync::Arc;

use serde_json::{Value, json};

use super::balancer_view::{backend_body, body, etag, set_body};
use super::changes::accept;
use super::healths::{self, Verdicts};
use super::listing::{Listing, Sort, compartment};
use super::replays::spent_token;
use super::{balancer_work, orders};
use crate::sandbox::habits::{IfMatch, Replay, Undocumented};
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Backend, BackendSet, Balancer, Change, State};
use crate::sandbox::wire::{Reply, Request, array, check_version};

pub(super) fn answer(shared: &Arc<Shared>, request: &Request, method: &str, path: &[&str]) -> Option<Reply> {
    let reply = match (method, path) {
        ("GET", ["loadBalancers"]) => list(shared, request).unwrap_or_else(|refusal| refusal),
        ("POST", ["loadBalancers"]) => create(shared, request),
        ("GET", ["loadBalancerWorkRequests", id]) => balancer_work::get(shared, id),
        ("GET", ["loadBalancerHealths"]) => healths::list(shared, request),
        ("GET", ["loadBalancerPolicies"]) => names(shared, request, &orders::POLICIES),
        ("GET", ["loadBalancerProtocols"]) => names(shared, request, &orders::PROTOCOLS),
        ("GET", ["loadBalancerShapes"]) => names(shared, request, &orders::SHAPES),
        (_, ["loadBalancers", id, rest @ ..]) => return of_one(shared, request, method, id, rest),
        _ => return None,
    };
    Some(reply)
}

fn of_one(shared: &Arc<Shared>, request: &Request, method: &str, id: &str, path: &[&str]) -> Option<Reply> {
    if method == "GET" {
        return read(shared, request, id, path);
    }
    {
        let state = shared.state();
        let Some(balancer) = state.balancers.get(id).filter(|balancer| !balancer.is_deleted) else {
            return Some(Reply::not_found());
        };
        if is_version_compared_now(&state, request)
            && let Err(refusal) = check_version(request, &etag(balancer))
        {
            return Some(refusal);
        }
        if let Err(refusal) = check_parts(balancer, method, path) {
            return Some(refusal);
        }
    }
    let refuses = shared.state().habits.undocumented == Undocumented::Refused;
    if let ("PUT", ["backendSets", _], true) = (method, path, refuses)
        && let Err(refusal) = orders::documented(&request.body)
    {
        return Some(refusal);
    }
    let change = match orders::change(method, path, &request.body)? {
        Ok(change) => change,
        Err(refusal) => return Some(refusal),
    };
    Some(accept(shared, request, id, change))
}

/// Otherwise the version is compared when the change has its turn, or not at all, because its token may have been used.
fn is_version_compared_now(state: &State, request: &Request) -> bool {
    let is_replayed = || {
        let token = request.header("opc-retry-token");
        token.is_some_and(|token| state.tokens.contains_key(&spent_token(token)))
    };
    match (state.habits.if_match, state.habits.token_replay) {
        (IfMatch::Applied, _) => false,
        (IfMatch::Accepted, Replay::Original) => true,
        (IfMatch::Accepted, Replay::BeforeVersion | Replay::Refused) => !is_replayed(),
    }
}

/// A part that is changed must exist. Whether a part that is created exists already is only checked when its turn comes.
fn check_parts(balancer: &Balancer, method: &str, path: &[&str]) -> Result<(), Reply> {
    if let (_, ["listeners", name]) = (method, path) {
        return if balancer.listeners.contains_key(*name) { Ok(()) } else { Err(Reply::not_found()) };
    }
    let ["backendSets", set, rest @ ..] = path else { return Ok(()) };
    let set = balancer.sets.get(*set).ok_or_else(Reply::not_found)?;
    match (method, rest) {
        ("PUT" | "DELETE", ["backends", name])
            if !set.backends.iter().any(|backend| backend.name() == **name) =>
        {
            Err(Reply::not_found())
        }
        _ => Ok(()),
    }
}

fn read(shared: &Shared, request: &Request, id: &str, path: &[&str]) -> Option<Reply> {
    let state = shared.state();
    if path == ["workRequests"] {
        return Some(balancer_work::list(shared, &state, request, id));
    }
    let Some(balancer) = state.shown_balancers().get(id).filter(|balancer| !balancer.is_deleted) else {
        return Some(Reply::not_found());
    };
    let verdicts = Verdicts { habits: &state.habits, balancer };
    let mut tag = etag(balancer);
    let set = |name: &str| balancer.sets.get_key_value(name);
    let found = match path {
        [] => {
            let (body, its_tag) = match balancer.before.clone().filter(|_| request.is_stale) {
                Some(before) => before,
                None => (body(balancer), tag),
            };
            tag = its_tag;
            Some(body)
        }
        ["backendSets"] => {
            let sets = balancer.sets.iter().map(|(name, set)| set_body(name, set)).collect();
            return Some(array(request, sets, usize::MAX));
        }
        ["health"] => Some(verdicts.of_all()),
        ["backendSets", name] => set(name).map(|(name, set)| set_body(name, set)),
        ["backendSets", name, "health"] => set(name).map(|(name, set)| verdicts.of_set(name, set)),
        ["backendSets", name, "healthChecker"] => set(name).map(|(_, set)| set.body["healthChecker"].clone()),
        ["backendSets", name, "backends"] => {
            let Some((_, set)) = set(name) else { return Some(Reply::not_found()) };
            return Some(array(request, set.backends.iter().map(backend_body).collect(), usize::MAX));
        }
        ["backendSets", name, "backends", backend] => find(balancer, name, backend).map(backend_body),
        ["backendSets", name, "backends", backend, "health"] => {
            let found = set(name).zip(find(balancer, name, backend));
            found.map(|((name, set), backend)| verdicts.of_backend(name, set, backend))
        }
        _ => return None,
    };
    Some(match found {
        Some(found) => Reply::json(200, &found).with("etag", tag),
        None => Reply::not_found(),
    })
}

fn find<'b>(balancer: &'b Balancer, set: &str, name: &str) -> Option<&'b Backend> {
    balancer.sets.get(set)?.backends.iter().find(|backend| backend.name() == name)
}

fn list(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    let compartment = compartment(request)?;
    let state = shared.state();
    let shown = state.shown_balancers().values().filter(|balancer| !balancer.is_deleted);
    let found = shown.map(body).filter(|body| body["compartmentId"] == compartment);
    let listing = Listing {
        filters: &["displayName", "lifecycleState"],
        states: Some(("lifecycleState", &["CREATING", "FAILED", "ACTIVE", "DELETING", "DELETED"])),
        // Unless sorting is asked for, they come in the order of their creation.
        sorts: match request.query("sortBy").or(request.query("sortOrder")) {
            None => &[],
            Some(_) => &[
                Sort::newest_first("TIMECREATED", "timeCreated"),
                Sort::ascending("DISPLAYNAME", "displayName"),
            ],
        },
    };
    Ok(array(request, listing.of(request, found.collect())?, shared.page_size))
}

fn create(shared: &Arc<Shared>, request: &Request) -> Reply {
    if let Err(refusal) = orders::new(&request.body) {
        return refusal;
    }
    let token = request.header("opc-retry-token").map(spent_token);
    if token.is_some_and(|token| shared.state().tokens.contains_key(&token)) {
        // The answer is that of the first request, and nothing is created.
        return accept(shared, request, "", Change::Create);
    }
    let id = shared.change(|state| {
        let id = state.ocid("loadbalancer");
        let mut head = request.body.clone();
        let part_of = |head: &mut Value, name: &str| head.as_object_mut().and_then(|head| head.remove(name));
        let sets = part_of(&mut head, "backendSets");
        let listeners = part_of(&mut head, "listeners");
        let entries = |map: Option<Value>| map.and_then(|map| map.as_object().cloned()).unwrap_or_default();
        let sets = entries(sets).into_iter().map(|(name, body)| {
            let backends = orders::backends(&body).unwrap_or_default();
            (name, BackendSet { body, backends })
        });
        let listeners = entries(listeners).into_iter().map(|(name, mut body)| {
            body["name"] = json!(name);
            (name, crate::sandbox::state::Listener { body, port: 0 })
        });
        let balancer = Balancer {
            id: id.clone(),
            head,
            sets: sets.collect(),
            listeners: listeners.collect(),
            version: 1,
            work: Vec::new(),
            created: shared.now(),
            is_deleted: false,
            before: None,
        };
        state.balancers.insert(id.clone(), balancer);
        id
    });
    accept(shared, request, &id, Change::Create)
}

fn names(shared: &Shared, request: &Request, names: &[&str]) -> Reply {
    array(request, names.iter().map(|name| json!({"name": name})).collect(), shared.page_size)
}
