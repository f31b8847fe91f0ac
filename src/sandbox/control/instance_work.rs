//! The work requests of container instances (OCI.md 2.2).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::sandbox::habits::Fresh;
use crate::sandbox::pace::{APPEAR, NOTICEABLE};
use crate::sandbox::server::Shared;
use crate::sandbox::state::{COMPARTMENT, State, Work};
use crate::sandbox::wire::{Reply, Request, collection, stamp};

fn body(work: &Work) -> Value {
    let action = match (work.status.as_str(), work.operation.split('_').next().unwrap_or_default()) {
        ("SUCCEEDED", "CREATE") => "CREATED",
        ("SUCCEEDED", "DELETE") => "DELETED",
        ("SUCCEEDED", _) => "UPDATED",
        ("FAILED", _) => "FAILED",
        _ => "IN_PROGRESS",
    };
    let percent = match work.status.as_str() {
        "ACCEPTED" => 0.0,
        "IN_PROGRESS" => 25.0,
        _ => 100.0,
    };
    json!({
        "operationType": work.operation, "status": work.status, "id": work.id,
        "compartmentId": COMPARTMENT,
        "resources": [{"entityType": "containerInstance", "actionType": action, "identifier": work.instance,
            "entityUri": format!("/20210415/containerInstances/{}", work.instance)}],
        "percentComplete": percent, "timeAccepted": stamp(work.accepted), "timeStarted": stamp(work.accepted),
        "timeFinished": work.finished.map(stamp),
    })
}

/// Whether a work request of that time is too fresh to be read.
pub(super) fn is_late(shared: &Shared, state: &State, accepted: DateTime<Utc>) -> bool {
    let age = (shared.now() - accepted).to_std().unwrap_or_default();
    state.habits.work_requests == Fresh::Late && age < shared.pace.scaled(APPEAR).max(NOTICEABLE)
}

fn find<'s>(shared: &Shared, state: &'s State, id: &str) -> Option<&'s Work> {
    state.work.get(id).filter(|work| !is_late(shared, state, work.accepted))
}

pub(super) fn get(shared: &Shared, id: &str) -> Reply {
    match find(shared, &shared.state(), id) {
        Some(work) => Reply::json(200, &body(work)).with("retry-after", "1"),
        None => Reply::not_found(),
    }
}

pub(super) fn list(shared: &Shared, request: &Request) -> Reply {
    let state = shared.state();
    let wanted = request.query("resourceId");
    let found = state.work.values().filter(|work| wanted.is_none_or(|id| id == work.instance)).map(body);
    collection(request, found.collect(), shared.page_size)
}

pub(super) fn errors(shared: &Shared, request: &Request, id: &str) -> Reply {
    let state = shared.state();
    let Some(work) = find(shared, &state, id) else { return Reply::not_found() };
    let at = stamp(work.finished.unwrap_or(work.accepted));
    let errors =
        work.errors.iter().map(|(code, message)| json!({"code": code, "message": message, "timestamp": at}));
    collection(request, errors.collect(), shared.page_size)
}

pub(super) fn logs(shared: &Shared, request: &Request, id: &str) -> Reply {
    let state = shared.state();
    let Some(work) = find(shared, &state, id) else { return Reply::not_found() };
    let entry = json!({"message": work.status, "timestamp": stamp(work.accepted)});
    collection(request, vec![entry], shared.page_size)
}
