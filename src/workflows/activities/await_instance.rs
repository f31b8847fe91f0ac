//! Waits until the new instance and its containers run.

use serde::{Deserialize, Serialize};

use super::Created;
use crate::engine::{Activity, Cx, Wait};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::instance::{self, Running};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitInstance {
    pub(in crate::workflows) created: Created,
}

impl Activity for AwaitInstance {
    const NAME: &'static str = "await-instance";
    type World = World;
    type Output = Running;

    fn note(running: &Running) -> Option<String> {
        Some(format!("ACTIVE at {}", running.addresses.join(" ")))
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Running, Failure> {
        instance::until_running(cx, &self.created.id, self.created.work_request.as_ref()).await
    }
}

impl Wait for AwaitInstance {
    fn foresee(&self) -> Running {
        Running { id: self.created.id.clone(), addresses: vec!["(new address)".to_owned()] }
    }
}
