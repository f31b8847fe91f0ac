//! What a change of the load balancer leaves behind, and how a plan shows it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::engine::Preview;
use crate::oci::{Call, WorkRequestId};

/// What a change of the load balancer leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Sent {
    /// Whether a request of the step was carried out. Absent in runs of older versions; there the work to follow tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was_sent: Option<bool>,
    /// The work request to follow; none if nothing was sent, or the answer was lost.
    pub(in crate::workflows) work_request: Option<WorkRequestId>,
}

impl Sent {
    /// Nothing had to be sent.
    pub(super) const NOTHING: Self = Self { was_sent: Some(false), work_request: None };
    /// An earlier attempt, whose answer was lost, was carried out.
    pub(super) const BEFORE: Self = Self { was_sent: Some(true), work_request: None };

    pub(super) const fn now(work_request: Option<WorkRequestId>) -> Self {
        Self { was_sent: Some(true), work_request }
    }

    pub(super) fn before_if(is_done: bool) -> Option<Self> {
        is_done.then_some(Self::BEFORE)
    }

    pub(super) fn was_sent(&self) -> bool {
        self.was_sent.unwrap_or(self.work_request.is_some())
    }

    /// Whether the step was carried out by a version that did not say whether it sent anything.
    pub(in crate::workflows) const fn is_of_before(&self) -> bool {
        self.was_sent.is_none()
    }
}

/// The request of `call`, as a plan shows it.
pub(super) fn preview_of(call: &Call) -> Preview {
    let (method, path) = (call.method.as_str(), call.target());
    let body = call.body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
    Preview {
        what: format!("{method} {path}{body}"),
        details: json!({"method": method, "path": path, "body": call.body}),
    }
}
