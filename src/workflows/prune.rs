//! Prune: takes away what earlier runs of a deployment have left behind and what serves nowhere: instances, backends whose
//! instances are gone, and backend sets that nobody uses.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::activities::{
    CreateBackendSet, DeadBackend, DeleteBackendSet, DrainBackend, FindDeadBackends, FindUnused,
    FindUnusedSets, MadeSet, RegisterBackend, Registration, RemoveBackend, Unused, UnusedSet,
};
use super::destroy::{TakingAway, take_away};
use super::elsewhere::Elsewhere;
use super::finders::find_load_balancer;
use super::stages::{self, follow};
use super::target::{self, instance_compartment};
use super::world::World;
use crate::config::Deployment;
use crate::engine::{Activity as _, Foresight, Run, Stop, Workflow};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::{Facts, RunId};

/// The step that registers a backend.
pub const REGISTERS: &str = RegisterBackend::NAME;

/// The step that makes a backend set.
pub const MAKES_SETS: &str = CreateBackendSet::NAME;

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
    /// The backends that runs of this journal have registered, unless they are open.
    pub registrations: Vec<Registration>,
    /// The backend sets that runs of this journal have made, and that no run of it needs.
    pub made: Vec<MadeSet>,
    /// How old an instance, a set or a registration, must be.
    pub older_than: Duration,
}

/// What nobody uses.
#[derive(Debug)]
pub struct Leftovers {
    /// Instances that serve nowhere.
    pub instances: Vec<Unused>,
    /// Backends whose instances are gone.
    pub backends: Vec<DeadBackend>,
    /// Backend sets that nobody uses.
    pub sets: Vec<UnusedSet>,
}

impl Leftovers {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.backends.is_empty() && self.sets.is_empty()
    }
}

impl Pruning {
    /// Finds what would be taken away. Changes nothing.
    ///
    /// # Errors
    /// When there is something, and no instance of the deployment serves.
    pub async fn unused(&self, foresight: &Foresight<'_, World>) -> Result<Leftovers, Stop> {
        let nothing = Facts::new();
        let balancer = foresight.look(find_load_balancer(&self.deployment), &nothing).await?.id;
        let backends = foresight.look(self.find_backends(&balancer), &nothing).await?;
        let sets = foresight.look(self.find_sets(&balancer), &nothing).await?;
        Ok(Leftovers { backends, sets, instances: foresight.look(self.find(&balancer), &nothing).await? })
    }

    fn find_backends(&self, balancer: &LoadBalancerId) -> FindDeadBackends {
        FindDeadBackends {
            load_balancer: balancer.clone(),
            compartments: self.compartments(),
            registrations: self.registrations.clone(),
            older_than: self.older_than,
        }
    }

    fn compartments(&self) -> Vec<String> {
        Elsewhere::among(&self.deployment.compartment_id, &[instance_compartment(&self.deployment)])
    }

    fn find_sets(&self, balancer: &LoadBalancerId) -> FindUnusedSets {
        FindUnusedSets {
            load_balancer: balancer.clone(),
            compartments: self.compartments(),
            deployment: target::tag_of_own_sets(&self.deployment, balancer),
            made: self.made.clone(),
            older_than: self.older_than,
        }
    }

    fn find(&self, balancer: &LoadBalancerId) -> FindUnused {
        FindUnused {
            load_balancer: balancer.clone(),
            compartments: self.compartments(),
            deployment: target::tag_of_own_sets(&self.deployment, balancer),
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
        for dead in run.read(pruning.find_backends(&balancer)).await? {
            remove(run, &balancer, dead).await?;
        }
        for unused in run.read(pruning.find(&balancer)).await? {
            let taking = TakingAway {
                id: &unused.id,
                balancer: &balancer,
                compartment_id: &deployment.compartment_id,
                elsewhere: Some(elsewhere.clone()),
                only_unused: true,
                is_dead: unused.is_dead,
            };
            take_away(run, taking).await?;
        }
        for UnusedSet { name, specification } in run.read(pruning.find_sets(&balancer)).await? {
            run.hold(&target::backend_set(&balancer, &name)).await?;
            let delete =
                DeleteBackendSet { load_balancer: balancer.clone(), name: name.clone(), specification };
            let expected = delete.expected();
            let sent = run.change(delete).await?;
            follow(run, sent, name, expected).await?;
        }
        Ok(())
    }
}

/// Removes a backend whose instance is gone, and drains it first.
async fn remove(run: &mut Run<'_, World>, balancer: &LoadBalancerId, dead: DeadBackend) -> Result<(), Stop> {
    let DeadBackend { place, flags, .. } = dead;
    run.hold(&target::backend_set(balancer, &place.backend_set)).await?;
    let may_leave_nothing = false;
    let (takeover, claim) = (None, None);
    if !flags.drain {
        let drain = DrainBackend {
            place: place.clone(),
            flags: flags.clone(),
            may_leave_nothing,
            takeover: takeover.clone(),
            claim: claim.clone(),
        };
        stages::drain(run, drain).await?;
    }
    stages::remove(run, RemoveBackend { place, flags, may_leave_nothing, takeover, claim }).await
}
