//! Finds backends that runs of this journal registered, and whose instances are gone. A backend has no tag, so only the journal
//! says whose it was.

use serde::{Deserialize, Serialize};

use crate::engine::{Activity, Cx, Read};
use crate::oci::load_balancers::{Flags, HealthStatus};
use crate::oci::network::is_same_address;
use crate::oci::{InstanceId, LoadBalancerId, is_terminated, printable};
use crate::run::{Failure, Timestamp};
use crate::workflows::balancer::{self, Place};
use crate::workflows::candidates::Candidate;
use crate::workflows::{World, failure, instance};

const DOING: &str = "looking for backends without an instance";

/// A backend that a run of this journal has registered, and that no open run needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Registration {
    /// The load balancer and the set, as `LOAD-BALANCER/SET`.
    pub backend_set: String,
    /// The place, as `SET/ADDRESS:PORT`.
    pub subject: String,
    /// The instance that was behind it.
    pub instance: InstanceId,
    /// When it was registered.
    pub at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindDeadBackends {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) compartments: Vec<String>,
    pub(in crate::workflows) registrations: Vec<Registration>,
    pub(in crate::workflows) older_than: std::time::Duration,
}

/// A backend whose instance is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeadBackend {
    pub(in crate::workflows) place: Place,
    pub(in crate::workflows) flags: Flags,
    /// The instance that was behind it.
    pub instance: InstanceId,
}

impl DeadBackend {
    /// The place, as users know it: `SET/ADDRESS:PORT`.
    pub fn subject(&self) -> String {
        self.place.subject()
    }

    /// Whether it is in service, according to its flags.
    pub fn is_in_service(&self) -> bool {
        self.flags.serves()
    }
}

impl Activity for FindDeadBackends {
    const NAME: &'static str = "find-dead-backends";
    type World = World;
    type Output = Vec<DeadBackend>;

    fn note(found: &Vec<DeadBackend>) -> Option<String> {
        let names: Vec<String> = found.iter().map(DeadBackend::subject).collect();
        Some(if names.is_empty() { "nothing".to_owned() } else { names.join(" ") })
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Vec<DeadBackend>, Failure> {
        let balancers = cx.world.oci.load_balancers();
        let balancer = failure::must_look(cx, DOING, || balancers.get(&self.load_balancer)).await?.value;
        let mut found: Vec<DeadBackend> = Vec::new();
        for set in balancer.backend_sets.values() {
            for backend in &set.backends {
                let place = Place::of(&self.load_balancer, &set.name, backend);
                if let Some(of) = self.of_a_run(cx, &place) {
                    found.push(DeadBackend {
                        place,
                        flags: backend.flags.clone(),
                        instance: of.instance.clone(),
                    });
                }
            }
        }
        if found.is_empty() {
            return Ok(found);
        }
        let alive = self.addresses(cx).await?;
        found.retain(|one| !alive.iter().any(|at| is_same_address(at, &one.place.address)));
        let mut dead = Vec::new();
        for one in found {
            // Somebody else may have the address by now.
            let (status, _) = balancer::health(cx, &one.place).await?;
            if matches!(status, HealthStatus::Critical | HealthStatus::Unknown)
                && is_gone(cx, &one.instance).await?
            {
                dead.push(one);
            }
        }
        Ok(dead)
    }
}

impl Read for FindDeadBackends {}

impl FindDeadBackends {
    /// The last registration of this backend, if it is old enough.
    fn of_a_run(&self, cx: &Cx<'_, World>, place: &Place) -> Option<&Registration> {
        let set = format!("{}/{}", place.load_balancer, place.backend_set);
        let is_it = |one: &&Registration| one.backend_set == set && one.subject == place.subject();
        let last = self.registrations.iter().filter(is_it).max_by_key(|one| one.at)?;
        cx.clock.has_passed(last.at, self.older_than).then_some(last)
    }

    /// The addresses of all instances that are there, whoever made them.
    async fn addresses(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let listed = instance::listed(cx, DOING, &self.compartments).await?;
        let mut addresses = Vec::new();
        for one in listed.iter().filter(|one| !is_terminated(one)) {
            addresses.extend(Candidate::of(cx, None, one).await?.addresses);
        }
        Ok(addresses)
    }
}

/// Whether an instance is gone. The lists have not shown it, so a 404 counts.
async fn is_gone(cx: &Cx<'_, World>, id: &InstanceId) -> Result<bool, Failure> {
    let api = cx.world.oci.container_instances();
    match failure::look(cx, DOING, || api.get(id)).await? {
        Ok(found) => Ok(found.value.lifecycle_state.is_terminated()),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) => Err(failure::of(format!("{DOING}: {}", printable(id.as_str())), &error)),
    }
}
