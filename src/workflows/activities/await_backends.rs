//! Waits until the new backends are healthy.

use serde::{Deserialize, Serialize};

use crate::config::MinReady;
use crate::engine::{Activity, Cx, Wait};
use crate::run::Failure;
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::{self, Place};
use crate::workflows::looked::Side;
use crate::workflows::successor::Successor;
use crate::workflows::{World, readiness};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitBackends {
    /// Their set, if each set is waited for by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) set: Option<String>,
    pub(in crate::workflows) places: Vec<Place>,
    /// How long they must stay healthy, and which instance is behind them. Absent in runs of older versions, for which one good
    /// check is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) ready: Option<Conditions>,
    /// What the new instance claims, if this wait is the first after its registration. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) claim: Option<Claim>,
}

/// The conditions for being ready.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Conditions {
    pub(in crate::workflows) successor: Successor,
    pub(in crate::workflows) min_ready: MinReady,
    /// Backends that are waited for next, and looked at by the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::workflows) next: Vec<Place>,
}

impl Activity for AwaitBackends {
    const NAME: &'static str = "await-backends";
    type World = World;
    type Output = ();

    fn subject(&self) -> Option<String> {
        self.set.clone()
    }

    fn note((): &()) -> Option<String> {
        Some("OK".to_owned())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        if let (Some(claim), Some(first)) = (&self.claim, self.places.first()) {
            let read = claim.first_look(cx, Side::Start).await?;
            cx.world.pace.hand_on(&first.load_balancer, read);
        }
        match &self.ready {
            Some(Conditions { successor, min_ready, next }) => {
                Box::pin(readiness::until_ready(cx, &self.places, next, successor, *min_ready)).await
            }
            None => balancer::until_healthy(cx, &self.places).await,
        }
    }
}

impl Wait for AwaitBackends {
    fn foresee(&self) {}
}
