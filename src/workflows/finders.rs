//! Finds what a deployment names before anything is changed. Every workflow uses this.

use super::activities::{
    FindLoadBalancer, FindLostRuns, FindOldBackends, FindOldInstance, FindQuiet, OldInstance, Which,
};
use super::beside::Around;
use super::elsewhere::Elsewhere;
use super::lost::LostRun;
use super::stages;
use super::target::{self, instance_compartment};
use super::world::World;
use crate::config::{Deployment, Disposal, Policy, Predecessor};
use crate::engine::{Foresight, Stop};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::{Confidential, Facts};

/// Finds the load balancer of a deployment.
///
/// # Errors
/// When none matches, or several do.
pub async fn locate(
    foresight: &Foresight<'_, World>,
    deployment: &Deployment,
) -> Result<LoadBalancerId, Stop> {
    Ok(foresight.look(find_load_balancer(deployment), &Facts::new()).await?.id)
}

/// The runs of a deployment that are not over, according to what they have made. Those of this journal are among them.
///
/// # Errors
/// Whatever stops the look.
pub async fn lost_runs(
    foresight: &Foresight<'_, World>,
    deployment: &Deployment,
) -> Result<Vec<LostRun>, Stop> {
    let balancer = locate(foresight, deployment).await?;
    let policy = Policy::default();
    let around = around(deployment, &policy, Some(&balancer), true);
    let mut compartments = vec![deployment.compartment_id.clone()];
    compartments.extend(around.other_compartment.clone());
    let FindOldInstance { which, .. } = find_old_instance(deployment, &policy, Some(&balancer));
    let look = FindLostRuns { which, compartments, load_balancer: balancer, around };
    foresight.look(look, &Facts::new()).await
}

/// Waits until the process of `lost` is surely gone.
///
/// # Errors
/// [`Stop::TakenOver`] when it may be alive, and whatever stops the look.
pub async fn quiet(foresight: &Foresight<'_, World>, lost: &LostRun) -> Result<(), Stop> {
    let load_balancer = lost.load_balancer.clone();
    let instances = lost.replaces.iter().chain([&lost.instance]).cloned().collect();
    foresight.look(FindQuiet { run: lost.run, load_balancer, instances }, &Facts::new()).await
}

/// Whether `lost` was made of the specification in `deployment`.
pub fn is_specified(lost: &LostRun, deployment: &Deployment) -> bool {
    lost.specification.as_deref() == Some(&stages::digest(&deployment.told_apart()))
}

/// Finds the old instance of a deployment, unless another run is in the way.
///
/// # Errors
/// [`Held`](crate::run::FailureKind::Held) if one is.
pub async fn look_for_others(
    foresight: &Foresight<'_, World>,
    deployment: &Deployment,
    policy: &Policy,
) -> Result<(), Stop> {
    let balancer = locate(foresight, deployment).await?;
    foresight.look(find_old_instance(deployment, policy, Some(&balancer)), &Facts::new()).await.map(drop)
}

pub(super) fn find_load_balancer(deployment: &Deployment) -> FindLoadBalancer {
    FindLoadBalancer {
        compartment_id: deployment.lb_compartment.as_ref().unwrap_or(&deployment.compartment_id).clone(),
        filter: deployment.lb_filter.clone(),
    }
}

/// Finds the old instance, with its surroundings as far as they are known.
pub(super) fn find_old_instance(
    deployment: &Deployment,
    policy: &Policy,
    balancer: Option<&LoadBalancerId>,
) -> FindOldInstance {
    let secrets = deployment.instance.expose()["imagePullSecrets"].as_array().cloned().unwrap_or_default();
    let which = match &deployment.predecessor {
        Predecessor::Named(id) => Which::Id(InstanceId::from(id.as_str())),
        Predecessor::AsBefore | Predecessor::Expected | Predecessor::MayBeMissing => Which::Filter {
            compartment_id: deployment.compartment_id.clone(),
            filter: deployment.ci_filter.clone(),
        },
    };
    let around = match &deployment.predecessor {
        Predecessor::AsBefore => None,
        Predecessor::Named(_) if !policy.gives_way => None,
        Predecessor::Named(_) | Predecessor::Expected => Some(around(deployment, policy, balancer, false)),
        Predecessor::MayBeMissing => Some(around(deployment, policy, balancer, true)),
    };
    FindOldInstance { which, pull_secrets: Confidential::new(secrets), around }
}

/// The compartments in which instances of the deployment are.
pub(super) fn compartments(deployment: &Deployment) -> Vec<String> {
    let mut compartments = vec![deployment.compartment_id.clone(), instance_compartment(deployment)];
    compartments.dedup();
    compartments
}

fn around(
    deployment: &Deployment,
    policy: &Policy,
    balancer: Option<&LoadBalancerId>,
    may_be_missing: bool,
) -> Around {
    let display_name = deployment.instance.expose()["displayName"].as_str().map(ToOwned::to_owned);
    let made_in = instance_compartment(deployment);
    let sets: Vec<&str> = deployment.backends.iter().map(|target| target.backend_set.as_str()).collect();
    // Without sets of its own, the deployment uses those of the old instance, and so does its target.
    let balancer_of_target = balancer.filter(|_| !deployment.backends.is_empty());
    let target = balancer_of_target.and_then(|balancer| target::of(deployment, balancer, &sets));
    Around {
        load_balancer: balancer.cloned(),
        backend_sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        deployment: target::tag(deployment, target.as_ref()),
        display_name: Confidential::new(display_name),
        other_compartment: (made_in != deployment.compartment_id).then(|| made_in.clone()),
        may_be_missing,
        searched: if policy.gives_way { compartments(deployment) } else { Vec::new() },
    }
}

pub(super) fn find_old_backends(
    deployment: &Deployment,
    policy: &Policy,
    balancer: &LoadBalancerId,
    old: Option<&OldInstance>,
) -> FindOldBackends {
    FindOldBackends {
        load_balancer: balancer.clone(),
        addresses: old.map(|old| old.addresses.clone()).unwrap_or_default(),
        wanted: deployment.backends.clone(),
        may_leave_nothing: false,
        elsewhere: elsewhere(deployment, policy, old),
    }
}

/// Where else the old instance could be a backend. A run of an older version does not look.
pub(super) fn elsewhere(
    deployment: &Deployment,
    policy: &Policy,
    old: Option<&OldInstance>,
) -> Option<Elsewhere> {
    let own = deployment.lb_compartment.as_ref().unwrap_or(&deployment.compartment_id);
    (!policy.is_of_before()).then(|| Elsewhere {
        compartments: Elsewhere::among(own, &policy.lb_compartments),
        ipv6_addresses: old.map(|old| old.ipv6_addresses.clone()).unwrap_or_default(),
        is_kept: policy.old_instance == Disposal::Keep,
    })
}
