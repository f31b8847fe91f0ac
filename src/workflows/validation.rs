//! Validation: checks whether everything that a deployment names exists. It changes nothing, and is only ever planned.

use serde_json::Value;

use super::World;
use super::activities::{LookUp, Unfound};
use super::finders::{find_load_balancer, find_old_backends, find_old_instance};
use super::target::instance_compartment;
use crate::config::Deployment;
use crate::engine::{Run, Stop, Workflow};
use crate::oci::Reference;
use crate::run::FailureKind;

/// Checks everything that a deployment names, and returns all problems at once.
#[derive(Debug)]
pub struct Validation;

impl Workflow for Validation {
    const NAME: &'static str = "validation";
    const VERSION: u32 = 1;
    type World = World;
    type Input = Deployment;
    type Output = Vec<Unfound>;

    async fn steps(run: &mut Run<'_, World>, deployment: &Deployment) -> Result<Vec<Unfound>, Stop> {
        let mut problems = missing(run, deployment).await?;
        let balancer = kept(run.read(find_load_balancer(deployment)).await, &mut problems)?;
        let id = balancer.as_ref().map(|balancer| &balancer.id);
        let find = find_old_instance(deployment, &run.world().policy, id);
        let old = kept(run.read(find).await, &mut problems)?;
        if let (Some(balancer), Some(old)) = (balancer, old) {
            let find = find_old_backends(deployment, &run.world().policy, &balancer.id, old.as_ref());
            kept(run.read(find).await, &mut problems)?;
        }
        Ok(problems)
    }
}

/// The part of [`Validation`] that the steps of a redeploy do not check: what the specification names.
#[derive(Debug)]
pub struct Lookups;

impl Workflow for Lookups {
    const NAME: &'static str = "lookups";
    const VERSION: u32 = 1;
    type World = World;
    type Input = Deployment;
    type Output = Vec<Unfound>;

    async fn steps(run: &mut Run<'_, World>, deployment: &Deployment) -> Result<Vec<Unfound>, Stop> {
        missing(run, deployment).await
    }
}

/// Everything that the specification names and that does not exist in the cloud.
async fn missing(run: &mut Run<'_, World>, deployment: &Deployment) -> Result<Vec<Unfound>, Stop> {
    run.world().oci.mask(deployment.secret_texts());
    let mut problems = Vec::new();
    for look_up in named(deployment) {
        let found = kept(run.read(look_up).await, &mut problems)?.unwrap_or_default();
        problems.extend(found);
    }
    Ok(problems)
}

/// Collects a failure, and passes on any other stop.
fn kept<T>(result: Result<T, Stop>, problems: &mut Vec<Unfound>) -> Result<Option<T>, Stop> {
    match result {
        Ok(value) => Ok(Some(value)),
        // A refused key is refused everywhere, so one message is enough.
        Err(Stop::Failed(failure)) if failure.kind != FailureKind::Blocked && !failure.is_held() => {
            problems.push(Unfound { path: None, message: failure.to_string() });
            Ok(None)
        }
        Err(stop) => Err(stop),
    }
}

/// Everything that the specification names and that the cloud can look up. It cannot look up images: their registries need
/// credentials that only the instance has.
fn named(deployment: &Deployment) -> Vec<LookUp> {
    let instance = deployment.instance.expose();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let compartment_id = instance_compartment(deployment);
    let availability_domain = text(&instance["availabilityDomain"]);
    let config = &instance["shapeConfig"];
    let mut named = vec![
        LookUp::Domains {
            compartment_id: compartment_id.clone(),
            availability_domain: availability_domain.clone(),
            fault_domain: instance["faultDomain"].as_str().map(ToOwned::to_owned),
        },
        LookUp::Shape {
            compartment_id,
            availability_domain: availability_domain.clone(),
            name: text(&instance["shape"]),
            ocpus: config["ocpus"].as_f64().unwrap_or_default(),
            memory: config["memoryInGBs"].as_f64(),
        },
    ];
    let mut refer = |reference, place: String, id: &Value| {
        if let Some(id) = id.as_str() {
            let (id, availability_domain) = (id.to_owned(), availability_domain.clone());
            named.push(LookUp::Resource { reference, place, id, availability_domain });
        }
    };
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for (n, vnic) in all(&instance["vnics"]).iter().enumerate() {
        refer(Reference::Subnet, format!("vnics[{n}].subnet-id"), &vnic["subnetId"]);
        for (m, id) in all(&vnic["nsgIds"]).iter().enumerate() {
            refer(Reference::SecurityGroup, format!("vnics[{n}].nsg-ids[{m}]"), id);
        }
    }
    for (n, volume) in all(&instance["volumes"]).iter().enumerate() {
        let place = |name: &str| format!("volumes[{n}].{name}");
        refer(Reference::MountTarget, place("mount-target.id"), &volume["mountTarget"]["id"]);
        refer(Reference::Export, place("export.id"), &volume["export"]["id"]);
        refer(Reference::Subnet, place("subnet-id"), &volume["subnetId"]);
    }
    for (n, secret) in all(&instance["imagePullSecrets"]).iter().enumerate() {
        refer(Reference::Secret, format!("image-pull-secrets[{n}].secret-id"), &secret["secretId"]);
    }
    for (n, vnic) in all(&instance["vnics"]).iter().enumerate() {
        if let (Some(subnet), Some(label)) = (vnic["subnetId"].as_str(), vnic["hostnameLabel"].as_str()) {
            named.push(LookUp::HostnameLabel {
                place: format!("vnics[{n}].hostname-label"),
                subnet_id: subnet.to_owned(),
                label: label.to_owned(),
            });
        }
    }
    named
}
