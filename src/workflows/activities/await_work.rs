//! Follows the load balancer's work to its end. A success of the call says only that the work was accepted.

use serde::{Deserialize, Serialize};

use crate::engine::{Activity, Cx, Wait};
use crate::oci::WorkRequestId;
use crate::oci::load_balancers::{Flags, WorkState};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{self, Place};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitWork {
    pub(in crate::workflows) work_request: WorkRequestId,
    pub(in crate::workflows) subject: String,
    pub(in crate::workflows) expected: Expected,
}

/// What the work was to bring about. Work that failed because it was done before is no failure (OCI.md 2.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) enum Expected {
    /// A backend with these flags.
    Backend { place: Place, flags: Flags },
    /// No such backend.
    NoBackend(Place),
    /// Nothing that can be compared.
    Success,
}

impl Activity for AwaitWork {
    const NAME: &'static str = "await-work-request";
    type World = World;
    type Output = ();

    fn subject(&self) -> Option<String> {
        Some(self.subject.clone())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let request = balancer::follow(cx, &self.work_request).await?;
        match request.lifecycle_state {
            WorkState::Failed if !self.is_as_expected(cx).await? => Err(balancer::work_failure(&request)),
            WorkState::Failed
            | WorkState::Succeeded
            | WorkState::Accepted
            | WorkState::InProgress
            | WorkState::Unknown => Ok(()),
        }
    }
}

impl AwaitWork {
    async fn is_as_expected(&self, cx: &Cx<'_, World>) -> Result<bool, Failure> {
        match &self.expected {
            Expected::Success => Ok(false),
            Expected::Backend { place, flags } => {
                let (balancer, _) = balancer::when_idle(cx, &place.load_balancer).await?;
                Ok(place.find(&balancer).is_some_and(|backend| backend.flags == *flags))
            }
            Expected::NoBackend(place) => {
                let (balancer, _) = balancer::when_idle(cx, &place.load_balancer).await?;
                Ok(place.find(&balancer).is_none())
            }
        }
    }
}

impl Wait for AwaitWork {
    fn foresee(&self) {}
}
