//! Finds the old instance's backends with all their flags, and checks that the new instance's sets exist.

use serde::{Deserialize, Serialize};

use super::behind;
use super::surroundings::{self, NewBackend, OldBackend, Surroundings};
use crate::config::{BACKENDS_LIMIT, BackendTarget};
use crate::engine::{Activity, Cx, Read};
use crate::oci::LoadBalancerId;
use crate::oci::load_balancers::{Backend, BackendSet, LoadBalancer};
use crate::run::{Facts, Failure};
use crate::workflows::balancer::{self, Place};
use crate::workflows::elsewhere::Elsewhere;
use crate::workflows::{World, guards};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindOldBackends {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) addresses: Vec<String>,
    /// The sets and ports to register the new instance at; empty means those of the old one.
    pub(in crate::workflows) wanted: Vec<BackendTarget>,
    /// Whether the old instance's sets may end up without a backend, as when an instance is destroyed.
    pub(in crate::workflows) may_leave_nothing: bool,
    /// Other load balancers that may send to the old instance. Absent in runs of older versions, which do not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) elsewhere: Option<Elsewhere>,
}

impl Activity for FindOldBackends {
    const NAME: &'static str = "find-old-backends";
    type World = World;
    type Output = Surroundings;

    fn note(found: &Surroundings) -> Option<String> {
        let name = |old: &OldBackend| format!("{}/{}", old.backend_set, old.backend.name);
        let names: Vec<String> = found.old.iter().map(name).collect();
        let mut note = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
        for set in &found.emptied {
            note.extend(["; nobody else serves `", set, "`"]);
        }
        Some(note)
    }

    fn facts(found: &Surroundings) -> Facts {
        balancer::others_fact(&found.others)
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Surroundings, Failure> {
        let (balancer, _) = balancer::when_idle(cx, &self.load_balancer).await?;
        if let Some(elsewhere) = &self.elsewhere {
            Box::pin(elsewhere.refuse(cx, &balancer, &self.addresses)).await?;
        }
        let old = surroundings::backends_at(&balancer, &self.addresses);
        let wanted: Vec<BackendTarget> =
            if self.wanted.is_empty() { surroundings::targets_of(&old) } else { self.wanted.clone() };
        let (others, none) = (self.others(&balancer), Vec::new());
        let mut found =
            Surroundings { old, new: Vec::new(), missing_sets: Vec::new(), emptied: none, others };
        for target in wanted {
            let set = balancer.backend_sets.get(&target.backend_set);
            match (set, &target.create) {
                (Some(set), _) => warn_of_stickiness(cx, set),
                (None, Some(_)) => found.missing_sets.push(target.clone()),
                (None, None) => return Err(self.no_such_set(&target.backend_set, &balancer)),
            }
            let is_checked = balancer::has_listener(&balancer, &target.backend_set);
            if !is_checked {
                cx.warn(format!(
                    "no listener uses the backend set `{}`: no request reaches it, and its backends are not checked",
                    target.backend_set
                ));
            }
            found.new.push(NewBackend {
                flags: surroundings::flags_for(&target, &found.old),
                backend_set: target.backend_set,
                port: target.port,
                is_checked,
            });
        }
        if self.may_leave_nothing {
            found.emptied = Box::pin(emptied(cx, &self.load_balancer, &balancer, &found.old)).await?;
        } else {
            refuse_too_many(&balancer, &found)?;
            let refuse = refuse_to_empty_a_set(cx, &self.load_balancer, &balancer, &found);
            Box::pin(refuse).await?;
        }
        Ok(found)
    }
}

impl FindOldBackends {
    fn others(&self, balancer: &LoadBalancer) -> Vec<String> {
        let sets = balancer.backend_sets.values();
        sets.flat_map(|set| set.backends.iter().map(move |backend| (set, backend)))
            .filter(|(_, backend)| !self.addresses.contains(&backend.ip_address))
            .map(|(set, backend)| format!("{}/{}", set.name, backend.name))
            .collect()
    }

    fn no_such_set(&self, set: &str, balancer: &LoadBalancer) -> Failure {
        let existing: Vec<&str> = balancer.backend_sets.keys().map(String::as_str).collect();
        Failure::permanent(
            "finding the backend sets",
            format!(
                "load balancer {} has no backend set `{set}`; it has {} (or say under `create` how to make it)",
                self.load_balancer,
                existing.join(", ")
            ),
        )
    }
}

impl Read for FindOldBackends {
    /// What the run has changed since is left out, as far as it can be inferred.
    async fn recall(&self, cx: &Cx<'_, World>) -> Result<Surroundings, Failure> {
        let Some(lost) = &cx.world.lost else { return self.execute(cx).await };
        let (balancer, _) = balancer::when_idle(cx, &self.load_balancer).await?;
        let (found, inferred) =
            behind::surroundings(&balancer, &self.addresses, &lost.addresses, &self.wanted);
        for text in inferred {
            cx.warn(text);
        }
        Ok(found)
    }
}

/// Warns of sticky sessions: a pinned client keeps using a drained backend, and fails when it goes (docs/oci.md 2.4).
fn warn_of_stickiness(cx: &Cx<'_, World>, set: &BackendSet) {
    let by_application = set.session_persistence_configuration.as_ref().filter(|value| !value.is_null());
    let by_cookie = set.lb_cookie_session_persistence_configuration.as_ref().filter(|value| !value.is_null());
    if let Some(persistence) = by_application.or(by_cookie) {
        let fails = persistence["disableFallback"] == true;
        cx.warn(format!(
            "the backend set `{}` pins clients to their backend: they stay on the old instance until it is removed{}",
            set.name,
            if fails { ", and then get errors, because its fallback is disabled" } else { "" }
        ));
    }
}

/// The sets that nobody else serves. A warning names each of them.
async fn emptied(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    balancer: &LoadBalancer,
    old: &[OldBackend],
) -> Result<Vec<String>, Failure> {
    let mut emptied = Vec::new();
    for old in old {
        let place = Place {
            load_balancer: id.clone(),
            backend_set: old.backend_set.clone(),
            address: old.backend.ip_address.clone(),
            port: old.backend.port,
        };
        if guards::is_last(cx, balancer, &place).await? && !emptied.contains(&place.backend_set) {
            cx.warn(format!(
                "{} is the last backend in service of the set `{}`: without it no request to the set is answered",
                old.backend.name, place.backend_set
            ));
            emptied.push(place.backend_set);
        }
    }
    Ok(emptied)
}

/// Makes sure that old and new backends fit side by side, before anything is begun: drained backends count as well
/// (docs/oci.md 2.4).
fn refuse_too_many(balancer: &LoadBalancer, found: &Surroundings) -> Result<(), Failure> {
    let refuse = |what: String, n_there: usize, n_new: usize| {
        let message = format!(
            "{what} has {n_there} backends, drained ones among them, and {n_new} more make more than the \
             {BACKENDS_LIMIT} that it takes: remove some that nobody needs"
        );
        Err(Failure::permanent("checking the backends", message))
    };
    for (name, set) in &balancer.backend_sets {
        let n_new = found.new.iter().filter(|new| new.backend_set == *name).count();
        if n_new > 0 && set.backends.len() + n_new > BACKENDS_LIMIT {
            return refuse(format!("the backend set `{name}`"), set.backends.len(), n_new);
        }
    }
    let n_there = balancer.backend_sets.values().map(|set| set.backends.len()).sum();
    if !found.new.is_empty() && n_there + found.new.len() > BACKENDS_LIMIT {
        return refuse("the load balancer".to_owned(), n_there, found.new.len());
    }
    Ok(())
}

/// Makes sure that every set which the old instance serves is served afterwards, by the new instance or by a backend that
/// takes the same requests.
async fn refuse_to_empty_a_set(
    cx: &Cx<'_, World>,
    id: &LoadBalancerId,
    balancer: &LoadBalancer,
    found: &Surroundings,
) -> Result<(), Failure> {
    for old in &found.old {
        let flags = &old.backend.flags;
        let joins = found.new.iter().filter(|new| new.backend_set == old.backend_set);
        let stays = |set: &BackendSet| {
            let is_old =
                |other: &Backend| found.old.iter().any(|old| old.backend.ip_address == other.ip_address);
            let others = set.backends.iter().filter(|other| !is_old(other)).cloned();
            others.collect::<Vec<Backend>>()
        };
        let others = balancer.backend_sets.get(&old.backend_set).map(stays).unwrap_or_default();
        let takers = joins.map(|new| &new.flags).chain(others.iter().map(|other| &other.flags));
        if !flags.serves() || takers.into_iter().any(|taker| taker.why_no_standin_for(flags).is_none()) {
            continue;
        }
        let place = Place {
            load_balancer: id.clone(),
            backend_set: old.backend_set.clone(),
            address: old.backend.ip_address.clone(),
            port: old.backend.port,
        };
        if guards::is_reached(cx, balancer, &place).await? {
            let (set, port) = (&old.backend_set, old.backend.port);
            let backups = if others.iter().any(|other| other.flags.backup) { " but a backup" } else { "" };
            return Err(Failure::permanent(
                "checking the backends",
                format!(
                    "the set `{set}` would be left without a backend{backups}: add it to `backends`, as port {port}"
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oci::load_balancers::Flags;

    /// A load balancer with so many backends in each of its sets, and what a deployment adds to `http`.
    fn refused(n_http: usize, n_other: usize, n_new: usize) -> Option<String> {
        let backends = |n_backends: usize| -> Vec<_> {
            let backend = |n: usize| {
                json!({"name": format!("10.0.{}.{}:80", n / 250, n % 250), "ipAddress": "10.0.0.1", "port": 80,
                       "weight": 1, "drain": true, "backup": false, "offline": false})
            };
            (0..n_backends).map(backend).collect()
        };
        let balancer = serde_json::from_value(json!({
            "id": "lb", "displayName": "web", "lifecycleState": "ACTIVE",
            "backendSets": {"http": {"name": "http", "backends": backends(n_http)},
                            "other": {"name": "other", "backends": backends(n_other)}},
        }));
        let none = Flags { weight: 1, drain: false, backup: false, offline: false, max_connections: None };
        let new = NewBackend { backend_set: "http".to_owned(), port: 80, flags: none, is_checked: true };
        let found = Surroundings {
            old: Vec::new(),
            new: vec![new; n_new],
            missing_sets: Vec::new(),
            emptied: Vec::new(),
            others: Vec::new(),
        };
        refuse_too_many(&balancer.expect("a load balancer"), &found).err().map(|failure| failure.message)
    }

    #[test]
    fn old_and_new_backends_must_fit_at_once() {
        assert_eq!(refused(511, 0, 1), None);
        assert_eq!(refused(300, 211, 1), None);
        assert_eq!(refused(512, 1, 0), None, "what adds nothing takes no room");
        let set = refused(512, 0, 1).expect("refused");
        assert!(set.starts_with("the backend set `http` has 512 backends, drained ones among them"), "{set}");
        let all = refused(300, 211, 2).expect("refused");
        assert!(all.starts_with("the load balancer has 511 backends"), "{all}");
    }
}
