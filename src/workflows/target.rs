//! What a run locks, and to which deployment it belongs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::kinship::{BACKEND_SET, INSTANCE, SERVICE};
use super::world::World;
use crate::config::{Deployment, DeploymentTag, DeploymentTarget, Filter};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::Target;

/// The target that a run of `deployment` locks from its first moment, before any call to the cloud. Until the backend sets
/// are known, nothing else shows that two runs were started from the same file.
pub fn claim(deployment: &Deployment) -> Target {
    let sets: Vec<&str> = deployment.backends.iter().map(|target| target.backend_set.as_str()).collect();
    let known = json!([
        deployment.origin,
        deployment.compartment_id,
        deployment.lb_compartment,
        instance_compartment(deployment),
        sorted(&deployment.lb_filter),
        sorted(&deployment.ci_filter),
        sets,
    ]);
    let mut digest = String::new();
    for byte in &Sha256::digest(known.to_string())[..Target::CLAIM_DIGEST_LENGTH / 2] {
        write!(digest, "{byte:02x}").expect("a string takes what is written");
    }
    Target::claim(&deployment.name, &digest)
}

fn sorted(filter: &Filter) -> BTreeMap<&String, &Value> {
    filter.fields.iter().chain(filter.secrets.expose()).collect()
}

/// Completes a deployment's target with the facts that are known only after signing in.
pub async fn complete_origin(deployment: &mut Deployment, world: &World) {
    if let Some(origin) = &mut deployment.origin {
        origin.tenancy = world.oci.tenancy().await;
    }
}

/// The target that a run locks for an instance that it takes away.
pub fn instance(id: &InstanceId) -> Target {
    Target::new(INSTANCE, id.as_str())
}

/// The target that a run locks for a backend set of a load balancer.
pub(super) fn backend_set(balancer: &LoadBalancerId, set: &str) -> Target {
    Target::new(BACKEND_SET, &format!("{balancer}/{set}"))
}

/// The target of `deployment` behind these sets. `None` for a run that was started before deployments had one.
pub fn of(deployment: &Deployment, balancer: &LoadBalancerId, sets: &[&str]) -> Option<DeploymentTarget> {
    let origin = deployment.origin.as_ref()?;
    let compartment = instance_compartment(deployment);
    Some(DeploymentTarget::new(origin, &compartment, balancer.as_str(), sets.iter().copied()))
}

/// The target that a run locks for its deployment, and by which the runs of a deployment are found. `None` if there is no
/// backend set, because nothing then distinguishes two such deployments.
pub(super) fn held(target: &DeploymentTarget) -> Option<Target> {
    let text = serde_json::to_string(target).expect("a target is text");
    (!target.backend_sets().is_empty()).then(|| Target::new(SERVICE, &text))
}

/// The value of the tag of the resources that the deployment creates.
pub(super) fn tag(deployment: &Deployment, target: Option<&DeploymentTarget>) -> String {
    match target {
        Some(target) => DeploymentTag::of(&deployment.name, target).to_string(),
        None => deployment.name.clone(),
    }
}

/// The same behind the sets that the deployment names. Without any, it is known by its name alone.
pub(super) fn tag_of_own_sets(deployment: &Deployment, balancer: &LoadBalancerId) -> String {
    let sets: Vec<&str> = deployment.backends.iter().map(|target| target.backend_set.as_str()).collect();
    let target = of(deployment, balancer, &sets).filter(|_| !sets.is_empty());
    tag(deployment, target.as_ref())
}

/// The compartment in which the new instance is created, and looked for by its tags.
pub(super) fn instance_compartment(deployment: &Deployment) -> String {
    let own = deployment.instance.expose()["compartmentId"].as_str();
    own.unwrap_or(&deployment.compartment_id).to_owned()
}
