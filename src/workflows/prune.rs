//! Prune: takes away the instances of a deployment that earlier runs have left behind and that serve nowhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::activities::{FindUnused, Unused};
use super::destroy::{TakingAway, take_away};
use super::elsewhere::Elsewhere;
use super::finders::find_load_balancer;
use super::target::{self, instance_compartment};
use super::world::World;
use crate::config::Deployment;
use crate::engine::{Foresight, Run, Stop, Workflow};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::{Facts, RunId};

/// Takes away what earlier runs have left behind.
#[derive(Debug)]
pub struct Prune;

/// What is looked through, and what stays.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pruning {
    /// The deployment whose instances are looked through.
    pub deployment: Deployment,
    /// Runs that are not over.
    pub open: Vec<RunId>,
    /// Instances that a run which is not over, or a rollback, may need.
    pub needed: Vec<InstanceId>,
    /// How old an instance must be.
    pub older_than: Duration,
}

impl Pruning {
    /// Finds what would be taken away. Changes nothing.
    ///
    /// # Errors
    /// When there is something, and no instance of the deployment serves.
    pub async fn unused(&self, foresight: &Foresight<'_, World>) -> Result<Vec<Unused>, Stop> {
        let nothing = Facts::new();
        let balancer = foresight.look(find_load_balancer(&self.deployment), &nothing).await?.id;
        foresight.look(self.find(&balancer), &nothing).await
    }

    fn find(&self, balancer: &LoadBalancerId) -> FindUnused {
        let deployment = &self.deployment;
        let sets: Vec<&str> = deployment.backends.iter().map(|target| target.backend_set.as_str()).collect();
        let target = target::of(deployment, balancer, &sets).filter(|_| !sets.is_empty());
        FindUnused {
            load_balancer: balancer.clone(),
            compartments: Elsewhere::among(&deployment.compartment_id, &[instance_compartment(deployment)]),
            deployment: target::tag(deployment, target.as_ref()),
            open: self.open.clone(),
            needed: self.needed.clone(),
            older_than: self.older_than,
        }
    }
}

impl Workflow for Prune {
    const NAME: &'static str = "prune";
    const VERSION: u32 = 1;
    type World = World;
    type Input = Pruning;
    type Output = ();

    async fn steps(run: &mut Run<'_, World>, pruning: &Pruning) -> Result<(), Stop> {
        let deployment = &pruning.deployment;
        run.world().oci.mask(deployment.secret_texts());
        let balancer = run.read(find_load_balancer(deployment)).await?.id;
        let own = deployment.lb_compartment.as_ref().unwrap_or(&deployment.compartment_id);
        let elsewhere = Elsewhere::among(own, &run.world().policy.lb_compartments);
        for unused in run.read(pruning.find(&balancer)).await? {
            let taking = TakingAway {
                id: &unused.id,
                balancer: &balancer,
                compartment_id: &deployment.compartment_id,
                elsewhere: Some(elsewhere.clone()),
                only_unused: true,
            };
            take_away(run, taking).await?;
        }
        Ok(())
    }
}
