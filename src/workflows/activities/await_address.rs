//! Waits until the address of the new instance is known. A cloud may show it while it creates the instance; then the instance is
//! registered meanwhile, drained. Otherwise this waits until the instance runs.

use serde::{Deserialize, Serialize};

use super::Created;
use crate::engine::{Activity, Cx, Wait};
use crate::run::{Confidential, Failure};
use crate::workflows::World;
use crate::workflows::instance;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitAddress {
    pub(in crate::workflows) created: Created,
    /// The secrets of the specification, to mask if the cloud or a container repeats them.
    #[serde(rename = "hidden")]
    pub(in crate::workflows) secrets: Confidential<Vec<String>>,
}

impl Activity for AwaitAddress {
    const NAME: &'static str = "await-address";
    type World = World;
    type Output = Vec<String>;

    fn note(addresses: &Vec<String>) -> Option<String> {
        Some(addresses.join(" "))
    }

    fn mask(&self, world: &World) {
        world.oci.mask(self.secrets.expose());
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let created = &self.created;
        instance::until_located(cx, &created.id, created.work_request.as_ref()).await
    }
}

impl Wait for AwaitAddress {
    fn foresee(&self) -> Vec<String> {
        vec!["(new address)".to_owned()]
    }

    async fn recall(&self, cx: &Cx<'_, World>) -> Result<Option<Vec<String>>, Failure> {
        Ok(cx.world.addresses_of_lost())
    }
}
