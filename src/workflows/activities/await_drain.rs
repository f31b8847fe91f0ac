//! Waits until the requests of the drained backends have ended. The deadline is a fact: a resume waits for what is
//! left of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::{Activity, Cx, Wait};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::successor::Takeover;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitDrain {
    pub(in crate::workflows) delay: Duration,
    /// The new version, which serves alone by now. Runs of before do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) takeover: Option<Takeover>,
}

impl Activity for AwaitDrain {
    const NAME: &'static str = "await-drain";
    type World = World;
    type Output = ();

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let deadline = cx.begun_at() + self.delay;
        cx.progress(format!("until {}", crate::run::stamp(deadline)));
        // The wall clock counts only for what was waited by another process: it may jump, and a wait that it cut
        // short would lose requests.
        let left = if cx.is_first_entry() { self.delay } else { cx.clock.until(deadline).min(self.delay) };
        match &self.takeover {
            None => cx.pause(left).await,
            // When it dies under its first requests, the old version must be back at once.
            Some(takeover) => tokio::select! {
                biased;
                waited = cx.pause(left) => waited,
                failure = takeover.until_lost(cx) => Err(failure),
            },
        }
    }
}

impl Wait for AwaitDrain {
    fn foresee(&self) {}
}
