//! Changes of existing instances and containers: names and tags, the compartment, and starts and stops.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::demands;
use super::instance_view::{etag, is_seen};
use super::making::start_work;
use crate::sandbox::habits::{Habits, IdleTurns, NoChange, NoOp};
use crate::sandbox::lifecycle::{self, Turn};
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Instance, State, is_compartment};
use crate::sandbox::wire::{Reply, Request, check_version};

/// The fields of an instance and of a container that can be changed. No others can (docs/oci.md 5).
const CHANGEABLE: [&str; 3] = ["displayName", "freeformTags", "definedTags"];

pub(super) fn instance(shared: &Shared, request: &Request, id: &str) -> Reply {
    let now = shared.now();
    let done = shared.change(|state| {
        let habits = state.habits;
        let instance = changeable(state, request, id)?;
        check(&request.body)?;
        let shown = |one: &Instance| {
            json!([one.display_name, one.freeform_tags, one.specification.get("definedTags")])
        };
        let before = shown(instance);
        if let Some(name) = request.body["displayName"].as_str() {
            name.clone_into(&mut instance.display_name);
        }
        if let Some(tags) = request.body.get("freeformTags") {
            instance.freeform_tags = tags.clone();
        }
        if let Some(tags) = request.body.get("definedTags") {
            instance.specification["definedTags"] = tags.clone();
        }
        let is_changed = before != shown(instance);
        note(&habits, instance, is_changed, now)?;
        Ok(finished_work(state, "UPDATE_CONTAINER_INSTANCE", id, now))
    });
    accepted(done)
}

pub(super) fn container(shared: &Shared, request: &Request, id: &str) -> Reply {
    let now = shared.now();
    let done = shared.change(|state| {
        let habits = state.habits;
        let owner = state.instances.values().find(|one| one.containers.iter().any(|own| own.id == id));
        let owner = owner.map(|owner| owner.id.clone()).ok_or_else(Reply::not_found)?;
        let instance = changeable(state, request, &owner)?;
        check(&request.body)?;
        let own = instance.containers.iter_mut().find(|own| own.id == id).ok_or_else(Reply::not_found)?;
        let before = (own.display_name.clone(), own.specification.clone());
        if let Some(name) = request.body["displayName"].as_str() {
            name.clone_into(&mut own.display_name);
        }
        for name in ["freeformTags", "definedTags"] {
            if let Some(tags) = request.body.get(name) {
                own.specification[name] = tags.clone();
            }
        }
        let is_changed = before != (own.display_name.clone(), own.specification.clone());
        note(&habits, instance, is_changed, now)?;
        Ok(finished_work(state, "UPDATE_CONTAINER", id, now))
    });
    accepted(done)
}

pub(super) fn compartment(shared: &Shared, request: &Request, id: &str) -> Reply {
    let now = shared.now();
    let done = shared.change(|state| {
        let instance = changeable(state, request, id)?;
        let wanted = request.body["compartmentId"].as_str().ok_or_else(|| Reply::missing("compartmentId"))?;
        if !is_compartment(wanted) {
            return Err(Reply::not_found());
        }
        instance.specification["compartmentId"] = json!(wanted);
        instance.touch(now);
        Ok(finished_work(state, "MOVE_CONTAINER_INSTANCE", id, now))
    });
    accepted(done)
}

pub(super) fn turn(shared: &Arc<Shared>, request: &Request, id: &str, turn: Turn) -> Reply {
    let now = shared.now();
    let started = shared.change(|state| {
        let seen = state.instances.get(id).filter(|instance| is_seen(&state.habits, instance));
        let Some(instance) = seen else { return Err(Reply::not_found()) };
        check_version(request, &etag(instance))?;
        let refuses_no_op = state.habits.no_op == NoOp::Refused;
        match (turn, instance.lifecycle.as_str()) {
            (Turn::Start, "ACTIVE") | (Turn::Stop, "INACTIVE") | (Turn::Delete, "DELETING")
                if refuses_no_op =>
            {
                return Err(Reply::invalid(format!("{} would change nothing", turn.operation())));
            }
            (Turn::Start, "ACTIVE") | (Turn::Stop, "INACTIVE")
                if state.habits.idle_turns == IdleTurns::NoEffect =>
            {
                return Ok((finished_work(state, turn.operation(), id, now), false));
            }
            (_, "DELETED") => return Err(Reply::not_found()),
            (_, "DELETING") => return Err(incorrect_state(id, "DELETING")),
            (Turn::Delete, _) | (Turn::Start, "INACTIVE") | (Turn::Stop | Turn::Restart, "ACTIVE") => {}
            (Turn::Create | Turn::Start | Turn::Stop | Turn::Restart, other) => {
                return Err(incorrect_state(id, other));
            }
        }
        if turn == Turn::Delete {
            lifecycle::note_a_delete_in_service(state, id);
        }
        Ok((start_work(state, turn.operation(), id, now), true))
    });
    accepted(started.map(|(work, has_effect)| {
        if has_effect {
            lifecycle::begin(shared, id, &work, turn, request.work_fails_with.clone());
        }
        work
    }))
}

/// The instance, if it can be changed and has the version that the client expects.
fn changeable<'s>(state: &'s mut State, request: &Request, id: &str) -> Result<&'s mut Instance, Reply> {
    let instance = state.instances.get_mut(id).ok_or_else(Reply::not_found)?;
    match instance.lifecycle.as_str() {
        "DELETED" => return Err(Reply::not_found()),
        "DELETING" => return Err(incorrect_state(id, "DELETING")),
        _ => {}
    }
    check_version(request, &etag(instance))?;
    Ok(instance)
}

fn check(body: &Value) -> Result<(), Reply> {
    let mut names = body.as_object().into_iter().flat_map(serde_json::Map::keys);
    if let Some(name) = names.find(|name| !CHANGEABLE.contains(&name.as_str())) {
        return Err(Reply::invalid(format!("{name} cannot be updated")));
    }
    demands::named(body)
}

/// Records an update, with this cloud's habits.
fn note(habits: &Habits, instance: &mut Instance, is_changed: bool, now: DateTime<Utc>) -> Result<(), Reply> {
    if !is_changed && (habits.no_change == NoChange::Refused || habits.no_op == NoOp::Refused) {
        return Err(Reply::invalid("the update would change nothing"));
    }
    if is_changed || habits.no_change == NoChange::Accepted {
        instance.touch(now);
    }
    Ok(())
}

/// A work request that has already ended.
fn finished_work(state: &mut State, operation: &str, of: &str, now: DateTime<Utc>) -> String {
    let id = start_work(state, operation, of, now);
    if let Some(work) = state.work.get_mut(&id) {
        "SUCCEEDED".clone_into(&mut work.status);
        work.finished = Some(now);
    }
    id
}

fn accepted(done: Result<String, Reply>) -> Reply {
    done.map_or_else(|refusal| refusal, |work| Reply::empty(202).with("opc-work-request-id", work))
}

fn incorrect_state(id: &str, state: &str) -> Reply {
    Reply::error(409, "IncorrectState", format!("Resource {id} is in an invalid state {state}"))
}
