//! Waits until the old instance is gone or stopped, so that a run that succeeded leaves nothing behind.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::config::Disposal;
use crate::engine::{Activity, Cx, Looks, Wait};
use crate::oci::InstanceId;
use crate::oci::container_instances::InstanceState;
use crate::run::Failure;
use crate::workflows::{World, instance};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitRetirement {
    pub(in crate::workflows) id: InstanceId,
    pub(in crate::workflows) compartment_id: String,
    pub(in crate::workflows) mode: Disposal,
}

/// How long an instance usually takes until it is gone (docs/oci.md 2.6).
const USUAL: Duration = Duration::from_secs(40);

impl Activity for AwaitRetirement {
    const NAME: &'static str = "await-retirement";
    type World = World;
    type Output = ();

    fn subject(&self) -> Option<String> {
        Some(self.id.to_string())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let deadline = Instant::now() + cx.world.policy.instance_timeout;
        // Nobody waits for this, so it is looked at half as often as anything else.
        for wait in Looks::around(USUAL, cx.world.policy.poll_interval * 2) {
            let state = instance::state(cx, &self.compartment_id, &self.id).await?;
            let is_over = match (self.mode, state) {
                (_, None | Some(InstanceState::Deleted)) | (Disposal::Keep, _) => true,
                (Disposal::Stop, Some(state)) => {
                    matches!(state, InstanceState::Inactive | InstanceState::Failed)
                }
                (Disposal::Delete, Some(_)) => false,
            };
            if is_over {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::transient(
                    "waiting for the old instance to go",
                    format!("{} is not gone yet", self.id),
                ));
            }
            cx.progress(state.map_or_else(String::new, |state| state.to_string()));
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }
}

impl Wait for AwaitRetirement {
    fn foresee(&self) {}
}
