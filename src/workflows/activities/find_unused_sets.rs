//! Finds backend sets that runs of this journal made, and that nobody uses. A set has no tag, so only the journal says whose it
//! was.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Belongs;
use crate::engine::{Activity, Cx, Read};
use crate::oci::load_balancers::LoadBalancer;
use crate::oci::{LoadBalancerId, is_terminated};
use crate::run::{Failure, Timestamp};
use crate::workflows::balancer;
use crate::workflows::beside::belongs;
use crate::workflows::candidates::{Candidate, is_kept};
use crate::workflows::{World, failure, instance};

const DOING: &str = "looking for backend sets that nobody uses";

/// A backend set that a run of this journal has made, and that no run of it needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MadeSet {
    /// The load balancer and the set, as `LOAD-BALANCER/SET`.
    pub backend_set: String,
    /// When it was made.
    pub at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindUnusedSets {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) compartments: Vec<String>,
    /// The value of the deployment's tag.
    pub(in crate::workflows) deployment: String,
    pub(in crate::workflows) made: Vec<MadeSet>,
    pub(in crate::workflows) older_than: Duration,
}

/// A backend set without backends, which no listener uses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnusedSet {
    /// Its name.
    pub name: String,
    pub(in crate::workflows) specification: Value,
}

impl Activity for FindUnusedSets {
    const NAME: &'static str = "find-unused-sets";
    type World = World;
    type Output = Vec<UnusedSet>;

    fn note(found: &Vec<UnusedSet>) -> Option<String> {
        let names: Vec<&str> = found.iter().map(|set| set.name.as_str()).collect();
        Some(if names.is_empty() { "nothing".to_owned() } else { names.join(" ") })
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Vec<UnusedSet>, Failure> {
        let balancers = cx.world.oci.load_balancers();
        let balancer = failure::must_look(cx, DOING, || balancers.get(&self.load_balancer)).await?.value;
        let is_ours = |name: &str| {
            let full = format!("{}/{name}", self.load_balancer);
            self.made
                .iter()
                .any(|made| made.backend_set == full && cx.clock.has_passed(made.at, self.older_than))
        };
        let is_free = |name: &str| is_ours(name) && !balancer::is_set_used(&balancer, name);
        let free = balancer.backend_sets.values().filter(|set| is_free(&set.name));
        let found: Vec<UnusedSet> = free
            .map(|set| UnusedSet { name: set.name.clone(), specification: set.with_flags(|_| None) })
            .collect();
        // A run of another journal may be about to register its instance.
        if found.is_empty() || self.is_another_run_open(cx, &balancer).await? {
            return Ok(Vec::new());
        }
        Ok(found)
    }
}

impl Read for FindUnusedSets {}

impl FindUnusedSets {
    /// Whether a run has an instance that serves nowhere.
    async fn is_another_run_open(
        &self,
        cx: &Cx<'_, World>,
        balancer: &LoadBalancer,
    ) -> Result<bool, Failure> {
        let listed = instance::listed(cx, DOING, &self.compartments).await?;
        for one in listed.iter().filter(|one| !is_terminated(one) && !is_kept(one)) {
            let is_of_a_run =
                instance::made_by(one).is_some() && belongs(&self.deployment, one) != Belongs::Not;
            if is_of_a_run && !Candidate::of(cx, Some(balancer), one).await?.serves() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
