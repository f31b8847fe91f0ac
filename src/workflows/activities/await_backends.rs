//! Waits until the health checks of the new backends are well.

use serde::{Deserialize, Serialize};

use crate::engine::{Activity, Cx, Wait};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{self, Place};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitBackends {
    pub(in crate::workflows) places: Vec<Place>,
}

impl Activity for AwaitBackends {
    const NAME: &'static str = "await-backends";
    type World = World;
    type Output = ();

    fn note((): &()) -> Option<String> {
        Some("OK".to_owned())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        balancer::until_healthy(cx, &self.places).await
    }
}

impl Wait for AwaitBackends {
    fn foresee(&self) {}
}
