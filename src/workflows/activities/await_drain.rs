//! Waits until the requests of the drained backends have ended, and watches the new version meanwhile. If the new version
//! dies under its first requests, the old one must be back at once. Without a new version, the workflow waits by itself.

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
    /// The new version, which already serves alone.
    pub(in crate::workflows) takeover: Takeover,
}

/// How many times the new version is looked at, unless the delay is long. The next step looks once more.
const LOOKS: u32 = 3;

impl Activity for AwaitDrain {
    const NAME: &'static str = "await-drain";
    type World = World;
    type Output = ();

    fn note((): &()) -> Option<String> {
        Some("the new version serves alone".to_owned())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        tokio::select! {
            biased;
            waited = cx.sleep(self.delay) => waited,
            failure = self.takeover.until_lost(cx, self.delay / LOOKS) => Err(failure),
        }
    }
}

impl Wait for AwaitDrain {
    fn foresee(&self) {}
}
