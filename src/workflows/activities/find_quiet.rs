//! Makes sure, by the cloud's own clock, that a run's process is gone: for a minute nothing has changed that it may change.
//! The load balancer shows that by its work requests, and an instance by its last update.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::{Activity, Cx, Read};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::{Failure, RunId, Timestamp, stamp, time_of};
use crate::workflows::{World, balancer, failure};

/// Nothing must have changed for this long. A process that is alive changes something, or looks at it, more often than that,
/// except in a long `drain-delay`.
const QUIET: Duration = Duration::from_mins(1);
/// How often it is looked meanwhile.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindQuiet {
    pub(in crate::workflows) run: RunId,
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) instances: Vec<InstanceId>,
}

impl Activity for FindQuiet {
    const NAME: &'static str = "find-quiet";
    type World = World;
    type Output = ();

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let mut first = None;
        loop {
            let (at, now) = self.last_change(cx).await?;
            let Some(at) = at else { return Ok(()) };
            if *first.get_or_insert(at) < at {
                return Err(Failure::taken_over(
                    "making sure that the run's process is gone",
                    format!(
                        "something was changed at {}, while that was waited for: the process of run {} may be alive",
                        stamp(at),
                        self.run.short()
                    ),
                ));
            }
            let left = QUIET.saturating_sub((now - at).to_std().unwrap_or_default());
            if left.is_zero() {
                return Ok(());
            }
            cx.progress(format!(
                "the last change was at {}: waiting {} s more, in case the process of run {} is alive (--now does not wait)",
                stamp(at),
                left.as_secs().max(1),
                self.run.short()
            ));
            cx.pause(left.min(LOOK)).await?;
        }
    }
}

impl Read for FindQuiet {}

impl FindQuiet {
    /// When something was changed last, and the time of this look, both by the cloud's clock.
    async fn last_change(&self, cx: &Cx<'_, World>) -> Result<(Option<Timestamp>, Timestamp), Failure> {
        const DOING: &str = "looking when something was changed last";
        let api = cx.world.oci.container_instances();
        let mut now = cx.clock.now();
        let mut changes = Vec::new();
        for id in &self.instances {
            let Ok(answer) = failure::look(cx, DOING, || api.get_raw(id)).await? else { continue };
            now = answer.date.unwrap_or(now);
            changes.extend(answer.value["timeUpdated"].as_str().and_then(time_of));
        }
        changes.extend(balancer::last_change(cx, &self.load_balancer, now).await?);
        Ok((changes.into_iter().max(), now))
    }
}
