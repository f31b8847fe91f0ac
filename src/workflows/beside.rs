//! Looks for signs of an old instance when the filter finds none. If there are any, the run refuses to put a second version
//! beside it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::candidates::Candidate;
use super::{World, failure};
use crate::config::{Belongs, DEPLOYMENT_TAG, DeploymentTag, Filter};
use crate::engine::Cx;
use crate::oci::load_balancers::LoadBalancer;
use crate::oci::{LoadBalancerId, is_terminated};
use crate::run::{Confidential, Failure};

/// How many instances are read to find the address of a backend. Each read takes two calls.
const LOOKS_LIMIT: usize = 50;
/// How many instances a message lists.
const TOLD_LIMIT: usize = 10;

/// The surroundings of the instance that is looked for. Absent in runs of older versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Around {
    /// `None` if a validation did not find it.
    pub(super) load_balancer: Option<LoadBalancerId>,
    /// The sets in which the new instance will be registered. Empty if they are those of the old one.
    pub(super) backend_sets: Vec<String>,
    /// The value of the deployment's tag.
    pub(super) deployment: String,
    /// The display name of the new instance.
    pub(super) display_name: Confidential<Option<String>>,
    /// The new instance's compartment, if the old one is looked for in another.
    pub(super) other_compartment: Option<String>,
    /// Whether the new instance may be put beside whatever exists.
    pub(super) may_be_missing: bool,
    /// The compartments in which instances of other runs are looked for. Empty in runs of versions that did not look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) searched: Vec<String>,
}

impl Around {
    /// The load balancer in its present state.
    pub(super) async fn balancer(&self, cx: &Cx<'_, World>) -> Result<Option<LoadBalancer>, Failure> {
        let Some(id) = &self.load_balancer else { return Ok(None) };
        let api = cx.world.oci.load_balancers();
        let read = failure::must_look(cx, "looking at the load balancer", || api.get(id)).await?;
        Ok(Some(read.value))
    }

    /// Whether an instance belongs to the deployment, according to its tag.
    pub(super) fn belongs(&self, instance: &Value) -> Belongs {
        belongs(&self.deployment, instance)
    }
}

/// Whether an instance belongs to the deployment with this tag, according to its own.
pub(super) fn belongs(deployment: &str, instance: &Value) -> Belongs {
    let tag = instance["freeformTags"][DEPLOYMENT_TAG].as_str();
    let own = DeploymentTag::parse(deployment);
    tag.map_or(Belongs::Not, |tag| DeploymentTag::parse(tag).belongs_to(&own))
}

/// Looks for signs of an old instance. `listed` are the instances among which the filter looked.
///
/// # Errors
/// Permanent when there is a sign, with each field in which an instance differs from the filter.
pub(super) async fn refuse(
    cx: &Cx<'_, World>,
    around: &Around,
    compartment_id: &str,
    filter: &Filter,
    listed: &[Value],
) -> Result<(), Failure> {
    const DOING: &str = "finding the instance to replace";
    let balancer = around.balancer(cx).await?;
    let mut elsewhere = Vec::new();
    if let Some(other) = &around.other_compartment {
        let api = cx.world.oci.container_instances();
        elsewhere = failure::list_named(cx, DOING, api.list(other)).await?;
    }
    let mut unexplained = in_service(around, balancer.as_ref());
    let mut told = Vec::new();
    let mut instances: Vec<(Kin, &Value)> = listed
        .iter()
        .chain(&elsewhere)
        .filter(|one| !is_terminated(one))
        .map(|one| (kin(around, filter, one), one))
        .collect();
    instances.sort_by_key(|(kin, _)| *kin);
    for (kin, instance) in instances.into_iter().take(LOOKS_LIMIT) {
        if kin == Kin::Stranger && unexplained.is_empty() {
            break;
        }
        let mut candidate = Candidate::of(cx, balancer.as_ref(), instance).await?;
        let is_behind = unexplained.iter().any(|(_, address, _)| candidate.addresses.contains(address));
        unexplained.retain(|(_, address, _)| !candidate.addresses.contains(address));
        let is_registered =
            candidate.registered.iter().any(|place| around.backend_sets.contains(&place.backend_set));
        if kin == Kin::Named || is_behind || (kin == Kin::Namesake && is_registered) {
            candidate.look_closer(cx, filter, compartment_id, instance).await?;
            told.push(candidate.to_string());
        }
    }
    told.extend(unexplained.iter().map(|(set, _, name)| {
        format!(
            "`{set}` has {name}, which takes requests, and is of no instance in compartment {compartment_id}"
        )
    }));
    if told.is_empty() {
        return Ok(());
    }
    let n_more = told.len().saturating_sub(TOLD_LIMIT);
    told.truncate(TOLD_LIMIT);
    if n_more > 0 {
        told.push(format!("and {n_more} more"));
    }
    told.push(
        "mend ci-filter (`match: subset` passes over tags that it does not name); or take the old one as it is with `--replace OCID` (`replace:` in the file), or put the new one \
         beside what is there with `--first` (`first: true`)"
            .to_owned(),
    );
    let message = format!("nothing matches ci-filter {filter}, but there is\n  {}", told.join("\n  "));
    Err(Failure::permanent(DOING, message))
}

/// The backends of the wanted sets that take ordinary requests, as set, address and name. A backup does not count, because it
/// may be somebody's error page for when everything is down.
fn in_service(around: &Around, balancer: Option<&LoadBalancer>) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for name in &around.backend_sets {
        let set = balancer.and_then(|balancer| balancer.backend_sets.get(name));
        for backend in set.into_iter().flat_map(|set| &set.backends) {
            if backend.flags.serves() && !backend.flags.backup {
                found.push((name.clone(), backend.ip_address.clone(), backend.name.to_string()));
            }
        }
    }
    let mut seen = HashSet::new();
    found.retain(|(set, _, name)| seen.insert((set.clone(), name.clone())));
    found
}

/// How closely an instance matches the deployment, closest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kin {
    /// It has the name that is looked for, or our tag.
    Named,
    /// It has the new instance's name, while another name is looked for. It belongs to the deployment only if it is
    /// registered.
    Namesake,
    Stranger,
}

fn kin(around: &Around, filter: &Filter, instance: &Value) -> Kin {
    let name = instance["displayName"].as_str();
    let new_name = around.display_name.expose().as_deref();
    let wanted = filter.wanted("displayName").and_then(Value::as_str).or(new_name);
    let is_ours = around.belongs(instance) != Belongs::Not;
    // If there is no set, only the name can match.
    let is_new_name = name.is_some() && name == new_name;
    if is_ours || (name.is_some() && name == wanted) || (is_new_name && around.backend_sets.is_empty()) {
        Kin::Named
    } else if is_new_name {
        Kin::Namesake
    } else {
        Kin::Stranger
    }
}
