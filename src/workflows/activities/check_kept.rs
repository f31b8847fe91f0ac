//! Makes sure that the side of a run which is kept serves before the other side is taken away: its instance and its
//! containers run, and each of its backends is in service and healthy.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::engine::{Activity, Cx, Looks, Read};
use crate::oci::InstanceId;
use crate::oci::container_instances::InstanceState;
use crate::run::Failure;
use crate::workflows::balancer::{self, Place, SURE_AFTER};
use crate::workflows::{World, failure, instance, successor};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct CheckKept {
    pub(in crate::workflows) id: InstanceId,
    pub(in crate::workflows) compartment_id: String,
    /// The places where it must serve.
    pub(in crate::workflows) places: Vec<Place>,
}

impl Activity for CheckKept {
    const NAME: &'static str = "check-kept-side";
    type World = World;
    type Output = ();

    fn subject(&self) -> Option<String> {
        Some(self.id.to_string())
    }

    fn note((): &()) -> Option<String> {
        Some("serves".to_owned())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let missing = self.missing(cx).await?;
            if missing.is_empty() {
                return Ok(());
            }
            // Reads may lag behind the last change.
            if started.elapsed() > SURE_AFTER {
                let doing = "making sure that the side which is kept serves";
                return Err(Failure::permanent(doing, missing.join("; ")));
            }
            cx.progress(missing.join("; "));
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }
}

impl Read for CheckKept {}

impl CheckKept {
    /// Why it does not serve now.
    async fn missing(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        const DOING: &str = "looking at the containers";
        let mut missing = Vec::new();
        let state = instance::state(cx, &self.compartment_id, &self.id).await?;
        if state != Some(InstanceState::Active) {
            let state = state.map_or_else(|| "gone".to_owned(), |state| state.to_string());
            return Ok(vec![format!("{} is {state}", self.id)]);
        }
        let api = cx.world.oci.container_instances();
        let found = failure::must_look(cx, DOING, || api.get(&self.id)).await?.value;
        for container in &found.containers {
            let id = &container.container_id;
            let container = failure::must_look(cx, DOING, || api.container(id)).await?.value;
            if container.lifecycle_state != InstanceState::Active {
                let name = crate::oci::printable(&container.display_name);
                missing.push(format!("container `{name}` is {}", container.lifecycle_state));
            }
        }
        let Some(first) = self.places.first() else { return Ok(missing) };
        let (balancer, _) = balancer::when_idle(cx, &first.load_balancer).await?;
        for place in &self.places {
            missing.extend(successor::not_serving_at(cx, &balancer, place).await?);
        }
        Ok(missing)
    }
}
