//! Follows the load balancer's work to its end. A success of the call says only that the work was accepted.

use serde::{Deserialize, Serialize};

use crate::engine::{Activity, Cx, Wait};
use crate::oci::WorkRequestId;
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{self, Expected};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitWork {
    pub(in crate::workflows) work_request: WorkRequestId,
    pub(in crate::workflows) subject: String,
    pub(in crate::workflows) expected: Expected,
}

impl Activity for AwaitWork {
    const NAME: &'static str = "await-work-request";
    type World = World;
    type Output = ();

    fn subject(&self) -> Option<String> {
        Some(self.subject.clone())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        match balancer::failed(cx, &self.work_request, &self.expected).await? {
            Some(request) => Err(balancer::work_failure(cx, &request)),
            None => Ok(()),
        }
    }
}

impl Wait for AwaitWork {
    fn foresee(&self) {}
}
