//! Looks at what serves a deployment: its sets with their backends, and the instances behind them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{Belongs, Filter};
use crate::engine::{Activity, Cx, Read};
use crate::oci::load_balancers::{Backend, HealthStatus, LoadBalancer};
use crate::oci::{InstanceId, LoadBalancerId, is_terminated, printable};
use crate::run::Failure;
use crate::workflows::balancer::{self, Place};
use crate::workflows::beside::belongs;
use crate::workflows::candidates::Candidate;
use crate::workflows::{World, instance};

const DOING: &str = "looking at what serves";

/// How many instances are read. Each read takes two calls and more.
const LOOKS_LIMIT: usize = 50;

/// What serves a deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Service {
    /// The load balancer.
    pub load_balancer: LoadBalancerId,
    /// Its display name.
    pub load_balancer_name: String,
    /// The deployment's backend sets.
    pub sets: Vec<ServiceSet>,
    /// Its instances, wherever they serve, and the others that have a backend in those sets.
    pub instances: Vec<Seen>,
}

/// A backend set of the deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceSet {
    /// Its name.
    pub name: String,
    /// Whether the load balancer has it.
    pub is_there: bool,
    /// Whether a listener sends requests to it.
    pub is_reached: bool,
    /// Its backends.
    pub backends: Vec<Serving>,
}

/// A backend.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Serving {
    /// The backend with its flags.
    pub backend: Backend,
    /// Its health.
    pub health: HealthStatus,
    /// What its checks have found.
    pub checks: String,
    /// The instance that has its address, if there is one in the compartments of the deployment.
    pub instance: Option<InstanceId>,
}

/// An instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// Its OCID.
    pub id: InstanceId,
    /// Its display name.
    pub name: String,
    /// Its state in the cloud.
    pub state: String,
    /// Its images.
    pub image: Option<String>,
    /// The run that created it, according to its tag.
    pub run: Option<String>,
    /// The run that took it out of service and kept it.
    pub kept_by: Option<String>,
    /// When it was created, in RFC 3339.
    pub created_at: Option<String>,
    /// Its private addresses.
    pub addresses: Vec<String>,
    /// The backend sets in which it is registered.
    pub backend_sets: Vec<String>,
    /// Whether it belongs to the deployment.
    pub is_own: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct LookAtService {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    /// The deployment's own sets. Without any, those in which its instances are.
    pub(in crate::workflows) backend_sets: Vec<String>,
    pub(in crate::workflows) compartments: Vec<String>,
    /// The value of the deployment's tag.
    pub(in crate::workflows) deployment: String,
    pub(in crate::workflows) filter: Filter,
    /// An instance that is the deployment's, whatever its tags are.
    pub(in crate::workflows) expected: Option<InstanceId>,
}

impl Activity for LookAtService {
    const NAME: &'static str = "look-at-service";
    type World = World;
    type Output = Service;

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Service, Failure> {
        let balancer = balancer::now(cx, &self.load_balancer).await?;
        let listed = instance::listed(cx, DOING, &self.compartments).await?;
        let there = listed.iter().filter(|one| !is_terminated(one));
        let (own, others): (Vec<&Value>, Vec<&Value>) = there.partition(|one| self.is_own(one));
        let mut instances = Vec::new();
        for one in own.into_iter().take(LOOKS_LIMIT) {
            instances.push(seen(cx, &balancer, one, true).await?);
        }
        let sets = self.sets(&instances);
        let mut unexplained: Vec<&str> =
            backends(&balancer, &sets).map(|backend| &*backend.ip_address).collect();
        unexplained.retain(|address| !instances.iter().any(|one| is_at(one, address)));
        for one in others.into_iter().take(LOOKS_LIMIT) {
            if unexplained.is_empty() {
                break;
            }
            let stranger = seen(cx, &balancer, one, false).await?;
            let n_before = unexplained.len();
            unexplained.retain(|address| !is_at(&stranger, address));
            if unexplained.len() < n_before {
                instances.push(stranger);
            }
        }
        let mut shown = Vec::new();
        for name in sets {
            shown.push(self.set(cx, &balancer, &instances, name).await?);
        }
        Ok(Service {
            load_balancer: self.load_balancer.clone(),
            load_balancer_name: printable(&balancer.display_name),
            sets: shown,
            instances,
        })
    }
}

impl Read for LookAtService {}

impl LookAtService {
    fn is_own(&self, listed: &Value) -> bool {
        let is_expected = self.expected.as_ref().is_some_and(|id| listed["id"] == id.as_str());
        is_expected || self.filter.matches(listed) || belongs(&self.deployment, listed) != Belongs::Not
    }

    fn sets(&self, instances: &[Seen]) -> Vec<String> {
        if !self.backend_sets.is_empty() {
            return self.backend_sets.clone();
        }
        let mut sets: Vec<String> = instances.iter().flat_map(|one| one.backend_sets.clone()).collect();
        sets.sort_unstable();
        sets.dedup();
        sets
    }

    async fn set(
        &self,
        cx: &Cx<'_, World>,
        balancer: &LoadBalancer,
        instances: &[Seen],
        name: String,
    ) -> Result<ServiceSet, Failure> {
        let mut serving = Vec::new();
        for backend in backends(balancer, std::slice::from_ref(&name)) {
            let place = Place::of(&self.load_balancer, &name, backend);
            let (health, checks) = balancer::health(cx, &place).await?;
            let behind = instances.iter().find(|one| is_at(one, &backend.ip_address));
            serving.push(Serving {
                backend: backend.clone(),
                health,
                checks,
                instance: behind.map(|one| one.id.clone()),
            });
        }
        Ok(ServiceSet {
            is_there: balancer.backend_sets.contains_key(&name),
            is_reached: balancer::has_listener(balancer, &name),
            name,
            backends: serving,
        })
    }
}

fn is_at(instance: &Seen, address: &str) -> bool {
    instance.addresses.iter().any(|own| own == address)
}

fn backends<'b>(balancer: &'b LoadBalancer, sets: &[String]) -> impl Iterator<Item = &'b Backend> {
    let sets: Vec<_> = sets.iter().filter_map(|name| balancer.backend_sets.get(name)).collect();
    sets.into_iter().flat_map(|set| &set.backends)
}

async fn seen(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    listed: &Value,
    is_own: bool,
) -> Result<Seen, Failure> {
    let mut candidate = Candidate::of(cx, Some(balancer), listed).await?;
    candidate.look_at_images(cx).await?;
    let image = Some(candidate.images.join(", ")).filter(|images| !images.is_empty());
    let text = |name: &str| listed[name].as_str().map(printable);
    Ok(Seen {
        id: candidate.id,
        name: candidate.name,
        state: candidate.state,
        image,
        run: candidate.made_by,
        kept_by: candidate.kept_by,
        created_at: text("timeCreated"),
        addresses: candidate.addresses,
        backend_sets: candidate.registered.into_iter().map(|place| place.backend_set).collect(),
        is_own,
    })
}
