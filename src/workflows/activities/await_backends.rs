//! Waits until the new backends are healthy.

use serde::{Deserialize, Serialize};

use crate::config::MinReady;
use crate::engine::{Activity, Cx, Wait};
use crate::run::Failure;
use crate::workflows::balancer::{self, Place};
use crate::workflows::successor::Successor;
use crate::workflows::{World, readiness};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitBackends {
    pub(in crate::workflows) places: Vec<Place>,
    /// How long they must stay healthy, and which instance is behind them. Absent in runs of older versions, for which one good
    /// check is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) ready: Option<Ready>,
}

/// The conditions for being ready.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Ready {
    pub(in crate::workflows) successor: Successor,
    pub(in crate::workflows) min_ready: MinReady,
}

impl Activity for AwaitBackends {
    const NAME: &'static str = "await-backends";
    type World = World;
    type Output = ();

    fn note((): &()) -> Option<String> {
        Some("OK".to_owned())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        match &self.ready {
            Some(Ready { successor, min_ready }) => {
                Box::pin(readiness::until_ready(cx, &self.places, successor, *min_ready)).await
            }
            None => balancer::until_healthy(cx, &self.places).await,
        }
    }
}

impl Wait for AwaitBackends {
    fn foresee(&self) {}
}
