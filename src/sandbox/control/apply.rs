//! Applies a change when its turn comes (docs/oci.md 2.3).

use serde_json::Value;

use super::orders::{self, flags_of};
use crate::sandbox::habits::{Drained, Habits};
use crate::sandbox::state::{Backend, BackendSet, Balancer, Change, Health, Listener};

type Refused = (String, String);

/// The surroundings in which a change is applied.
pub(super) struct Around<'a> {
    pub(super) habits: &'a Habits,
    /// Strangers' backends, which do not serve our requests: `set/address:port`.
    pub(super) guests: &'a [String],
    pub(super) generation: u64,
}

/// Applies the change. Returns the backends that it removed.
pub(super) fn apply(
    around: &Around<'_>,
    balancer: &mut Balancer,
    change: &Change,
    violations: &mut Vec<String>,
) -> Result<Vec<Backend>, Refused> {
    let Around { habits, guests, generation } = *around;
    let bad = |message: String| Err(("BAD_INPUT".to_owned(), message));
    match change {
        Change::Create => {}
        Change::Delete if balancer.head["isDeleteProtectionEnabled"] == true => {
            return bad("load balancer {lb} is protected against deletion".to_owned());
        }
        Change::Delete => balancer.is_deleted = true,
        Change::CreateSet { name, .. } if balancer.sets.contains_key(name) => {
            return bad(format!("Load balancer {{lb}} already has backend set '{name}'"));
        }
        Change::CreateSet { name, body } => {
            let backends = listed(body, generation);
            if let Some(crowded) = crowded(habits, balancer, name, backends.len()) {
                return bad(crowded);
            }
            balancer.sets.insert(name.clone(), BackendSet { body: without_backends(body), backends });
        }
        Change::UpdateSet { name, body } => {
            let backends = listed(body, generation);
            if let Some(crowded) = crowded(habits, balancer, name, backends.len()) {
                return bad(crowded);
            }
            let Some(set) = balancer.sets.get(name) else {
                return bad(format!("no backend set '{name}'"));
            };
            let stays = |new: Backend| match set.backends.iter().find(|old| old.name() == new.name()) {
                Some(old) => still(habits, old, new),
                None => new,
            };
            let kept: Vec<Backend> = backends.into_iter().map(stays).collect();
            violations.extend(nobody_left(guests, balancer, name, &kept));
            let Some(set) = balancer.sets.get_mut(name) else {
                return bad(format!("no backend set '{name}'"));
            };
            let before = std::mem::replace(&mut set.backends, kept);
            set.body = without_backends(body);
            let is_gone = |old: &Backend| !set.backends.iter().any(|new| new.name() == old.name());
            return Ok(before.into_iter().filter(is_gone).collect());
        }
        Change::UpdateHead { fields, .. } => {
            for (name, value) in fields.as_object().into_iter().flatten() {
                balancer.head[name] = value.clone();
            }
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
        Change::CreateListener { name, .. } if balancer.listeners.contains_key(name) => {
            return bad(format!("Load balancer {{lb}} already has listener '{name}'"));
        }
        Change::CreateListener { name, body } | Change::UpdateListener { name, body } => {
            let wanted = body["defaultBackendSetName"].as_str().unwrap_or_default();
            if !balancer.sets.contains_key(wanted) {
                return bad(format!(
                    "listener '{name}' refers to backend set '{wanted}', which does not exist"
                ));
            }
            let mut others = balancer.listeners.iter().filter(|(other, _)| *other != name);
            if let Some((other, _)) = others.find(|(_, other)| other.body["port"] == body["port"]) {
                return bad(format!("port {} is the one of listener '{other}'", body["port"]));
            }
            let port = balancer.listeners.get(name).map_or(0, |listener| listener.port);
            balancer.listeners.insert(name.clone(), Listener { body: body.clone(), port });
        }
        Change::DeleteListener { name } => {
            balancer.listeners.remove(name);
        }
        Change::CreateBackend { set: name, backend } => {
            let full = full(habits, balancer, name);
            let Some(set) = balancer.sets.get_mut(name) else {
                return bad(format!("no backend set '{name}'"));
            };
            if set.backends.iter().any(|one| one.name() == backend.name()) {
                return bad(format!(
                    "Load balancer {{lb}} already has backend '{}' in backend set '{name}'",
                    backend.name()
                ));
            }
            if let Some(full) = full {
                return bad(full);
            }
            set.backends.push(Backend { generation, ..backend.clone() });
        }
        Change::UpdateBackend { set, name, flags } => {
            let Ok(flags) = flags_of(flags) else { return bad("flags".to_owned()) };
            if flags.drain || flags.offline {
                violations.extend(a_last_one(guests, balancer, set, name, "drained"));
            }
            let Some(backend) = find(balancer, set, name) else { return bad(format!("no backend '{name}'")) };
            *backend =
                still(habits, backend, Backend { ip: backend.ip.clone(), port: backend.port, ..flags });
        }
        Change::DeleteBackend { set, name } => {
            violations.extend(a_last_one(guests, balancer, set, name, "removed"));
            let Some(set) = balancer.sets.get_mut(set) else { return bad(format!("no backend set '{set}'")) };
            let place = set.backends.iter().position(|backend| backend.name() == *name);
            return Ok(place.map(|place| set.backends.remove(place)).into_iter().collect());
        }
    }
    Ok(Vec::new())
}

/// The backends in a set's details. They were checked when the change was accepted.
fn listed(body: &Value, generation: u64) -> Vec<Backend> {
    let backends = orders::backends(body).unwrap_or_default();
    backends.into_iter().map(|backend| Backend { generation, ..backend }).collect()
}

fn without_backends(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(body) = body.as_object_mut() {
        body.remove("backends");
    }
    body
}

/// Why a set cannot have this many backends.
fn crowded(habits: &Habits, balancer: &Balancer, name: &str, n_wanted: usize) -> Option<String> {
    let others = balancer.sets.iter().filter(|(other, _)| *other != name);
    let n_others: usize = others.map(|(_, set)| set.backends.len()).sum();
    let most = habits.backends_most;
    (n_others + n_wanted > most)
        .then(|| format!("The limit of {most} backends for this load balancer has been exceeded"))
}

/// A backend with new flags. It is still the same one, so what its health checks have found stays valid.
fn still(habits: &Habits, old: &Backend, new: Backend) -> Backend {
    let mut health = old.health.clone();
    if (old.drain, old.offline, old.weight, old.backup) != (new.drain, new.offline, new.weight, new.backup) {
        // Both nodes start to check again.
        health.n_agreeing = 0;
    }
    if new.drain && habits.drained_backends == Drained::Unchecked {
        health = Health::default();
    }
    Backend { health, generation: old.generation, ..new }
}

/// The message that a set which served is left without a backend that serves.
fn nobody_left(guests: &[String], balancer: &Balancer, name: &str, wanted: &[Backend]) -> Option<String> {
    let stays =
        |one: &Backend| wanted.iter().any(|new| new.name() == one.name() && !new.drain && !new.offline);
    let mut after = balancer.clone();
    let set = after.sets.get_mut(name)?;
    let leaving: Vec<Backend> = set.backends.iter().filter(|one| !stays(one)).cloned().collect();
    // One change admits some and lets others leave, so those who come serve already.
    let come = wanted.iter().filter(|new| !leaving.iter().any(|one| one.name() == new.name()));
    set.backends = come.chain(&leaving).cloned().collect();
    leaving.iter().find_map(|one| {
        let said = a_last_one(guests, &after, name, &one.name(), "replaced");
        after.sets.get_mut(name)?.backends.retain(|other| other.name() != one.name());
        said
    })
}

fn find<'b>(balancer: &'b mut Balancer, set: &str, name: &str) -> Option<&'b mut Backend> {
    balancer.sets.get_mut(set)?.backends.iter_mut().find(|backend| backend.name() == name)
}

/// The message that a set with a listener is left without a healthy backend for the same kind of requests. A stranger's
/// backend serves something else, though at the same address.
fn a_last_one(guests: &[String], balancer: &Balancer, set: &str, name: &str, what: &str) -> Option<String> {
    let backends = &balancer.sets.get(set)?.backends;
    let serves = |one: &&Backend| !one.drain && !one.offline && one.health.is_well == Some(true);
    let leaving = backends.iter().filter(serves).find(|one| one.name() == name)?;
    let has_others = backends.iter().filter(serves).any(|one| {
        let is_guest = guests.contains(&format!("{set}/{}", one.name()));
        one.name() != name && !is_guest && (!one.backup || leaving.backup)
    });
    let has_listener = balancer.listeners.values().any(|listener| listener.set() == set);
    let is_last = !has_others && has_listener;
    is_last.then(|| format!("the last healthy backend {name} of the set {set} was {what}"))
}

/// Why there is no room for another backend.
pub(super) fn full(habits: &Habits, balancer: &Balancer, set: &str) -> Option<String> {
    let most = habits.backends_most;
    let n_all: usize = balancer.sets.values().map(|set| set.backends.len()).sum();
    let n_own = balancer.sets.get(set).map_or(0, |set| set.backends.len());
    if n_own >= most {
        return Some(format!("The limit of {most} backends for backend set '{set}' has been exceeded"));
    }
    (n_all >= most).then(|| format!("The limit of {most} backends for this load balancer has been exceeded"))
}
