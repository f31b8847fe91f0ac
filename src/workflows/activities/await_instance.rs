//! Waits until the new instance and its containers run.

use serde::{Deserialize, Serialize};

use super::Created;
use crate::engine::{Activity, Cx, Wait};
use crate::run::{Confidential, Failure};
use crate::workflows::World;
use crate::workflows::instance::{self, Running};
use crate::workflows::rivals::Others;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitInstance {
    pub(in crate::workflows) created: Created,
    /// The secrets of the specification, to mask if the cloud or a container repeats them.
    #[serde(rename = "hidden")]
    pub(in crate::workflows) secrets: Confidential<Vec<String>>,
    /// The other runs of the deployment, if no load balancer decides between them. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) others: Option<Others>,
}

impl Activity for AwaitInstance {
    const NAME: &'static str = "await-instance";
    type World = World;
    type Output = Running;

    fn note(running: &Running) -> Option<String> {
        Some(format!("ACTIVE at {}", running.addresses.join(" ")))
    }

    fn mask(&self, world: &World) {
        world.oci.mask(self.secrets.expose());
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Running, Failure> {
        let created = &self.created;
        let running = instance::until_running(cx, &created.id, created.work_request.as_ref()).await?;
        if let Some(others) = &self.others {
            Box::pin(others.give_way(cx, &created.id)).await?;
        }
        Ok(running)
    }
}

impl Wait for AwaitInstance {
    fn foresee(&self) -> Running {
        Running { id: self.created.id.clone(), addresses: vec!["(new address)".to_owned()] }
    }

    async fn recall(&self, cx: &Cx<'_, World>) -> Result<Option<Running>, Failure> {
        let running = |addresses| Running { id: self.created.id.clone(), addresses };
        Ok(cx.world.addresses_of_lost().map(running))
    }
}
