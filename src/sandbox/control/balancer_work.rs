//! The work requests of load balancers (docs/oci.md 2.3).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::instance_work::is_late;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Balancer, BalancerWork, COMPARTMENT, State};
use crate::sandbox::wire::{Reply, Request, array, stamp};

pub(super) fn get(shared: &Shared, id: &str) -> Reply {
    let state = shared.state();
    let found = state.balancers.values().find_map(|balancer| {
        let work = balancer.work.iter().find(|work| work.id == id)?;
        shown(shared, &state, balancer, work).filter(|_| !is_late(shared, &state, work.accepted))
    });
    match found {
        Some(work) => Reply::json(200, &work),
        None => Reply::not_found(),
    }
}

/// Newest first, or as the habit has it.
pub(super) fn list(shared: &Shared, state: &State, request: &Request, id: &str) -> Reply {
    let Some(balancer) = state.balancers.get(id).filter(|balancer| !balancer.is_deleted) else {
        return Reply::not_found();
    };
    let mut work: Vec<Value> =
        balancer.work.iter().filter_map(|work| shown(shared, state, balancer, work)).collect();
    if !state.habits.oldest_work_first {
        work.reverse();
    }
    array(request, work, shared.page_size)
}

/// A work request as it was a lag ago, if it was there.
fn shown(shared: &Shared, state: &State, balancer: &Balancer, work: &BalancerWork) -> Option<Value> {
    let lag = TimeDelta::milliseconds(i64::try_from(state.habits.work_request_lag_ms).unwrap_or(i64::MAX));
    let at = shared.now().checked_sub_signed(lag)?;
    if lag.is_zero() {
        return Some(body(balancer, work));
    }
    let is_open = work.finished.is_some_and(|finished| finished > at);
    let state = if is_open { "IN_PROGRESS" } else { &work.state };
    let finished = work.finished.filter(|_| !is_open);
    let error = work.error.clone().filter(|_| !is_open);
    let then = BalancerWork { state: state.to_owned(), finished, error, ..work.clone() };
    (work.accepted <= at).then(|| body(balancer, &then))
}

/// The message is a JSON document in a string, as the service sends it.
fn body(balancer: &Balancer, work: &BalancerWork) -> Value {
    let message = json!({
        "loadBalancerId": balancer.id, "workflowName": format!("{}Workflow", work.kind),
        "type": if work.error.is_some() { "FAILURE" } else { "SUCCESS" },
        "message": work.error.as_ref().map_or("OK", |(_, message)| message), "workRequestId": work.id,
    });
    let errors: Vec<Value> =
        work.error.iter().map(|(code, message)| json!({"errorCode": code, "message": message})).collect();
    json!({
        "id": work.id, "loadBalancerId": balancer.id, "type": work.kind, "compartmentId": COMPARTMENT,
        "lifecycleState": work.state, "message": if work.finished.is_some() { message.to_string() } else { String::new() },
        "timeAccepted": stamp(work.accepted), "timeFinished": work.finished.map(stamp), "errorDetails": errors,
    })
}
