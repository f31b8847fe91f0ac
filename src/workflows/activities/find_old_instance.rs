//! Finds the instance that is to be replaced, and records what is needed to make it again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fact;
use crate::config::Filter;
use crate::engine::{Activity, Cx, Read};
use crate::oci::InstanceId;
use crate::oci::container_instances::{ContainerInstance, InstanceState};
use crate::run::{Confidential, Facts, Failure};
use crate::workflows::{World, failure, instance, record};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindOldInstance {
    pub(in crate::workflows) which: Which,
    /// The deployment's pull secrets: the cloud does not tell those of an existing instance.
    pub(in crate::workflows) pull_secrets: Confidential<Vec<Value>>,
}

/// How the instance is named.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) enum Which {
    /// By what it looks like, in a compartment; it is allowed to be missing.
    Filter { compartment_id: String, filter: Filter },
    /// By its OCID; it must be there.
    Id(InstanceId),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct OldInstance {
    pub(in crate::workflows) id: InstanceId,
    pub(in crate::workflows) addresses: Vec<String>,
    /// From which it can be made again.
    pub(in crate::workflows) specification: Confidential<Value>,
}

impl Activity for FindOldInstance {
    const NAME: &'static str = "find-old-instance";
    type World = World;
    type Output = Option<OldInstance>;

    fn note(found: &Option<OldInstance>) -> Option<String> {
        Some(match found {
            Some(old) => format!("{} {}", old.id, old.addresses.join(" ")),
            None => "none: nothing will be drained or deleted".to_owned(),
        })
    }

    fn facts(found: &Option<OldInstance>) -> Facts {
        found.as_ref().map(|old| fact("old-instance-id", &old.id)).unwrap_or_default()
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Option<OldInstance>, Failure> {
        const DOING: &str = "finding the instance to replace";
        let Some(id) = self.find(cx).await? else { return Ok(None) };
        let api = cx.world.oci.container_instances();
        let get = async || api.get_raw(&id).await;
        let raw = match &self.which {
            Which::Id(_) => {
                failure::look(cx, DOING, get).await?.map_err(|error| failure::of_named(DOING, &error))
            }
            Which::Filter { .. } => failure::must_look(cx, DOING, get).await,
        };
        let raw = raw?.value;
        let typed: ContainerInstance = serde_json::from_value(raw.clone())
            .map_err(|error| Failure::permanent(DOING, format!("{id} cannot be read: {error}")))?;
        if typed.lifecycle_state.is_terminated() {
            return Err(Failure::permanent(DOING, format!("{id} is {}", typed.lifecycle_state)));
        }
        let addresses = match instance::addresses(cx, &typed).await? {
            Some(addresses) => addresses,
            // A failed instance may never have had one.
            None if typed.lifecycle_state == InstanceState::Failed => Vec::new(),
            None => return Err(Failure::missing(DOING, format!("{id} has no address yet"))),
        };
        let record::Recorded { specification, unknown } =
            record::of(cx, &raw, self.pull_secrets.expose()).await?;
        if !unknown.is_empty() {
            let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
            cx.warn(format!(
                "{id} has what this version does not know ({}): once it is deleted, a rollback would create it \
                 again without (use `old-instance: stop`)",
                unknown.join(", ")
            ));
        }
        if let Some(registry) = record::missing_to_recreate(&specification) {
            cx.warn(format!(
                "the pull secret of {id} for {registry} is not known: once it is deleted, a rollback could not \
                 create it again (use `old-instance: stop`, or put the secret into ci-config)"
            ));
        }
        let specification = Confidential::new(specification);
        Ok(Some(OldInstance { id, addresses, specification }))
    }
}

impl FindOldInstance {
    async fn find(&self, cx: &Cx<'_, World>) -> Result<Option<InstanceId>, Failure> {
        const DOING: &str = "finding the instance to replace";
        let (compartment_id, filter) = match &self.which {
            Which::Id(id) => return Ok(Some(id.clone())),
            Which::Filter { compartment_id, filter } => (compartment_id, filter),
        };
        if let Some(doubt) = filter.doubt() {
            return Err(Failure::permanent(DOING, format!("ci-filter {filter} is not obeyed: {doubt}")));
        }
        let api = cx.world.oci.container_instances();
        let listed = failure::look_all_named(cx, DOING, api.list(compartment_id)).await?;
        let matching: Vec<&str> = listed
            .iter()
            .filter(|instance| filter.matches(instance))
            .filter_map(|instance| instance["id"].as_str())
            .collect();
        match matching.as_slice() {
            [] => Ok(None),
            [id] => Ok(Some(InstanceId::from(*id))),
            several => Err(Failure::permanent(
                DOING,
                format!("ci-filter {filter} matches {} instances: {}", several.len(), several.join(", ")),
            )),
        }
    }
}

impl Read for FindOldInstance {}
