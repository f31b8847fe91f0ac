//! `/sandbox/…`: the state, the faults, the habits, the tokens, the pace and the counters, for people and tests.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::faults::Rule;
use super::habits::Habits;
use super::lock::lock;
use super::shared::Shared;
use super::state::{AVAILABILITY_DOMAIN, COMPARTMENT, SUBNET, State};
use super::tokens::Wish;
use super::wire::Reply;
use super::{control, data};

pub(super) fn answer(shared: &Arc<Shared>, method: &str, path: &str, body: &[u8]) -> Reply {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    match (method, path) {
        ("GET", "state") => Reply::json(200, &state(shared)),
        ("GET", "audit") => Reply::json(200, &audit(shared)),
        ("GET", "traffic") => Reply::json(200, &data::traffic(shared)),
        ("GET", "faults") => Reply::json(200, &json!(lock(&shared.faults).rules)),
        ("POST", "faults") => match serde_json::from_value::<Rule>(json) {
            Ok(rule) => {
                lock(&shared.faults).rules.push(rule);
                Reply::empty(204)
            }
            Err(error) => Reply::invalid(error.to_string()),
        },
        ("DELETE", "faults") => {
            lock(&shared.faults).rules.clear();
            Reply::empty(204)
        }
        ("GET", "habits") => Reply::json(200, &json!(shared.state().habits)),
        ("POST", "habits") => {
            let changed = shared.change(|state| {
                state.habits = state.habits.with(&json)?;
                Ok::<_, String>(state.habits)
            });
            changed.map_or_else(Reply::invalid, |habits| Reply::json(200, &json!(habits)))
        }
        ("DELETE", "habits") => {
            shared.change(|state| state.habits = Habits::default());
            Reply::empty(204)
        }
        ("DELETE", "tokens") => {
            shared.change(|state| state.tokens.clear());
            Reply::empty(204)
        }
        ("POST", "pace") => match json["scale"].as_f64() {
            Some(scale) if scale > 0.0 => {
                shared.pace.set(scale);
                Reply::empty(204)
            }
            Some(_) | None => Reply::invalid("expected {\"scale\": a positive number}"),
        },
        ("POST", "skew") => match json["seconds"].as_i64() {
            Some(seconds) => {
                shared.set_skew(TimeDelta::seconds(seconds));
                Reply::empty(204)
            }
            None => Reply::invalid("expected {\"seconds\": a number}"),
        },
        ("POST", "tokens") => match serde_json::from_value::<Wish>(json) {
            Ok(wish) => {
                let now = shared.now();
                Reply::json(200, &lock(&shared.tokens).grant(&wish, &shared.identity, now))
            }
            Err(error) => Reply::invalid(error.to_string()),
        },
        ("POST", "crash") => match json["instance"].as_str() {
            Some(instance) => {
                match json["exit-code"].as_i64() {
                    Some(code) => {
                        data::exit(shared, instance, code, json["log"].as_str().unwrap_or_default());
                    }
                    None => data::crash(shared, instance),
                }
                Reply::empty(204)
            }
            None => Reply::invalid(
                "expected {\"instance\": an OCID}, and \"exit-code\" and \"log\" if it is to exit",
            ),
        },
        _ => Reply::error(404, "NotFound", format!("no such place below /sandbox/: {method} {path}")),
    }
}

/// The whole state.
pub(super) fn state(shared: &Shared) -> Value {
    let state = shared.state();
    let instances: Vec<Value> = state
        .instances
        .values()
        .map(|instance| {
            let mut body = control::instance_view::summary(shared, instance);
            body["address"] = json!(instance.address);
            body["isUp"] = json!(instance.is_up);
            body["version"] = json!(instance.containers.first().map(super::state::Container::image_version));
            body
        })
        .collect();
    let balancers: Vec<Value> = state
        .balancers
        .values()
        .map(|balancer| {
            let mut body = control::balancer_view::body(balancer);
            let open = balancer.work.iter().filter(|work| work.finished.is_none()).count();
            body["openWorkRequests"] = json!(open);
            body["listenerAddresses"] = balancer
                .listeners
                .iter()
                .map(|(name, listener)| (name.clone(), json!(format!("127.0.0.1:{}", listener.port))))
                .collect();
            body["health"] = balancer
                .sets
                .values()
                .flat_map(|set| &set.backends)
                .map(|backend| (backend.name(), json!(backend.health.is_well)))
                .collect();
            body
        })
        .collect();
    json!({
        "compartmentId": COMPARTMENT,
        "subnetId": SUBNET,
        "availabilityDomain": AVAILABILITY_DOMAIN,
        "seed": state.seeded,
        "strangers": state.strangers,
        "instances": instances,
        "loadBalancers": balancers,
    })
}

/// The calls, and what went wrong.
pub(super) fn audit(shared: &Shared) -> Value {
    let state = shared.state();
    json!({
        "entries": lock(&shared.audit).entries,
        "violations": state.violations,
        "orphans": orphans(&state),
        "strangersTouched": strangers_touched(&state),
    })
}

/// Instances that a run created and that serve nobody.
fn orphans(state: &State) -> Vec<&str> {
    let serves = |address: &str| {
        state
            .balancers
            .values()
            .flat_map(|balancer| balancer.sets.values())
            .flat_map(|set| &set.backends)
            .any(|backend| backend.ip == address && !backend.drain && !backend.offline)
    };
    state
        .instances
        .values()
        .filter(|instance| instance.freeform_tags.get("deployctl-run").is_some())
        .filter(|instance| !matches!(instance.lifecycle.as_str(), "DELETING" | "DELETED"))
        .filter(|instance| !serves(&instance.address))
        .map(|instance| instance.id.as_str())
        .collect()
}

/// Seeded resources that must never change, but did.
fn strangers_touched(state: &State) -> Vec<&Value> {
    state.strangers.iter().filter(|stranger| !super::scenery::is_as_it_was(state, stranger)).collect()
}
