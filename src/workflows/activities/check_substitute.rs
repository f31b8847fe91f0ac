//! Makes sure that an instance which a person created by hand can take the old one's place, and reads its addresses.

use serde::{Deserialize, Serialize};

use super::left;
use crate::engine::{Activity, Cx, Read};
use crate::oci::InstanceId;
use crate::oci::container_instances::{ContainerInstance, InstanceState};
use crate::run::{Facts, Failure};
use crate::workflows::kinship::NEW_INSTANCE;
use crate::workflows::{World, failure, instance};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct CheckSubstitute {
    /// The instance that a person named.
    pub(in crate::workflows) id: InstanceId,
    /// The compartment of the old instance.
    pub(in crate::workflows) compartment_id: String,
    /// The addresses of the old instance.
    pub(in crate::workflows) addresses: Vec<String>,
}

impl Activity for CheckSubstitute {
    const NAME: &'static str = "check-substitute";
    type World = World;
    type Output = Facts;

    fn subject(&self) -> Option<String> {
        Some(self.id.to_string())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Facts, Failure> {
        const DOING: &str = "looking at the instance that was made by hand";
        let id = &self.id;
        let refused = |message: String| Err(Failure::permanent(DOING, message));
        if cx.fact(NEW_INSTANCE) == Some(id.as_str()) {
            return refused(format!("{id} is the new version, which the rollback takes away"));
        }
        let api = cx.world.oci.container_instances();
        let raw = failure::look(cx, DOING, || api.get_raw(id)).await?;
        let raw = raw.map_err(|error| failure::of_named(DOING, &error))?.value;
        let found: ContainerInstance = serde_json::from_value(raw.clone()).map_err(|error| {
            let why = cx.world.oci.heard(&error.to_string());
            Failure::permanent(DOING, format!("{id} cannot be read: {why}"))
        })?;
        let compartment = raw["compartmentId"].as_str().unwrap_or_default();
        if compartment != self.compartment_id {
            let (compartment, own) = (cx.world.oci.heard(compartment), &self.compartment_id);
            return refused(format!("{id} is in compartment {compartment}, and the old one was in {own}"));
        }
        if found.lifecycle_state != InstanceState::Active {
            return refused(format!("{id} is {}: it must be ACTIVE", found.lifecycle_state));
        }
        let instance::Reached { private, ipv6, .. } = instance::reached(cx, &found).await?;
        let Some(addresses) = private else {
            return match ipv6.as_slice() {
                [] => refused(format!("the address of {id} is not known yet")),
                known => refused(instance::only_ipv6(id, known)),
            };
        };
        // An instance that failed may never have had an address. Then it had no backends either.
        if !self.addresses.is_empty() && addresses.len() != self.addresses.len() {
            return refused(format!(
                "{id} does not have as many addresses as the old one had: {}, and not {}",
                addresses.len(),
                self.addresses.len()
            ));
        }
        Ok(left::restored_as(id, &self.addresses, &addresses))
    }
}

impl Read for CheckSubstitute {}
