//! The work requests of container instances (docs/oci.md 2.2).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::listing::{Listing, Sort, compartment};
use crate::sandbox::habits::Fresh;
use crate::sandbox::pace::{APPEAR, NOTICEABLE};
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{COMPARTMENT, State, Work};
use crate::sandbox::wire::{Reply, Request, collection, stamp};

const STATES: [&str; 6] = ["ACCEPTED", "IN_PROGRESS", "FAILED", "SUCCEEDED", "CANCELING", "CANCELED"];
/// How the errors and the logs of a work request are listed.
const ENTRIES: Listing<'static> =
    Listing { filters: &[], states: None, sorts: &[Sort::ascending("timestamp", "timestamp")] };

fn body(work: &Work) -> Value {
    let action = match (work.status.as_str(), work.operation.split('_').next().unwrap_or_default()) {
        ("SUCCEEDED", "CREATE") => "CREATED",
        ("SUCCEEDED", "DELETE") => "DELETED",
        ("SUCCEEDED", _) => "UPDATED",
        ("FAILED", _) => "FAILED",
        _ => "IN_PROGRESS",
    };
    let (kind, place) = match work.operation.as_str() {
        "UPDATE_CONTAINER" => ("container", "containers"),
        _ => ("containerInstance", "containerInstances"),
    };
    let percent = match work.status.as_str() {
        "ACCEPTED" => 0.0,
        "IN_PROGRESS" => 25.0,
        _ => 100.0,
    };
    json!({
        "operationType": work.operation, "status": work.status, "id": work.id,
        "compartmentId": COMPARTMENT,
        "resources": [{"entityType": kind, "actionType": action, "identifier": work.instance,
            "entityUri": format!("/20210415/{place}/{}", work.instance)}],
        "percentComplete": percent, "timeAccepted": stamp(work.accepted), "timeStarted": stamp(work.accepted),
        "timeFinished": work.finished.map(stamp),
    })
}

/// Whether a work request accepted at that time is still too new to be read.
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

pub(super) fn list(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    compartment(request)?;
    let state = shared.state();
    let wanted = request.query("resourceId");
    let named = request.query("workRequestId");
    let found = state.work.values().filter(|work| wanted.is_none_or(|id| id == work.instance));
    let found = found.filter(|work| named.is_none_or(|id| id == work.id)).map(body).collect();
    let listing = Listing {
        filters: &["status"],
        states: Some(("status", &STATES)),
        sorts: &[Sort::newest_first("timeAccepted", "timeAccepted")],
    };
    Ok(collection(request, listing.of(request, found)?, shared.page_size))
}

pub(super) fn errors(shared: &Shared, request: &Request, id: &str) -> Result<Reply, Reply> {
    let state = shared.state();
    let work = find(shared, &state, id).ok_or_else(Reply::not_found)?;
    let at = stamp(work.finished.unwrap_or(work.accepted));
    let errors =
        work.errors.iter().map(|(code, message)| json!({"code": code, "message": message, "timestamp": at}));
    Ok(collection(request, ENTRIES.of(request, errors.collect())?, shared.page_size))
}

pub(super) fn logs(shared: &Shared, request: &Request, id: &str) -> Result<Reply, Reply> {
    let state = shared.state();
    let work = find(shared, &state, id).ok_or_else(Reply::not_found)?;
    let ended = work.finished.map(|at| json!({"message": work.status, "timestamp": stamp(at)}));
    let entries = [json!({"message": "ACCEPTED", "timestamp": stamp(work.accepted)})];
    let entries = ENTRIES.of(request, entries.into_iter().chain(ended).collect())?;
    Ok(collection(request, entries, shared.page_size))
}
