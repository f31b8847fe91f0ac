//! The steps, one file each: what it does, how it is adopted, foreseen and undone, side by side.

mod admit_backend;
mod await_backends;
mod await_drain;
mod await_instance;
mod await_retirement;
mod await_work;
mod check_kept;
mod check_substitute;
mod create_backend_set;
mod create_instance;
mod drain_backend;
mod find_leftovers;
mod find_load_balancer;
mod find_old_backends;
mod find_old_instance;
mod left;
mod look_up;
mod mark_kept;
mod register_backend;
mod remove_backend;
mod retire_instance;

pub(super) use admit_backend::AdmitBackend;
pub(super) use await_backends::{AwaitBackends, Ready};
pub(super) use await_drain::AwaitDrain;
pub(super) use await_instance::AwaitInstance;
pub(super) use await_retirement::AwaitRetirement;
pub(super) use await_work::AwaitWork;
pub(super) use check_kept::CheckKept;
pub(super) use check_substitute::CheckSubstitute;
pub(super) use create_backend_set::CreateBackendSet;
pub(super) use create_instance::{CreateInstance, Created};
pub(super) use drain_backend::DrainBackend;
pub(super) use find_leftovers::FindLeftovers;
pub(super) use find_load_balancer::FindLoadBalancer;
pub(super) use find_old_backends::{FindOldBackends, NewBackend, OldBackend};
pub(super) use find_old_instance::{FindOldInstance, OldInstance, Which};
pub(super) use left::restored_address;
pub(super) use look_up::LookUp;
pub use look_up::Unfound;
pub(super) use mark_kept::MarkKept;
pub(super) use register_backend::RegisterBackend;
pub(super) use remove_backend::RemoveBackend;
pub(super) use retire_instance::RetireInstance;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::engine::{Cx, Preview};
use crate::oci::{Call, WorkRequestId};
use crate::run::{Facts, Failure, Timestamp, stamp};
use crate::workflows::World;

/// What a change of the load balancer leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Sent {
    /// Whether a request of the step was carried out. Runs of before do not say: there the work to follow tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was_sent: Option<bool>,
    /// The work to follow; none when nothing was sent, or its answer was lost.
    pub(super) work_request: Option<WorkRequestId>,
}

impl Sent {
    /// Everything was as it should be.
    const NOTHING: Self = Self { was_sent: Some(false), work_request: None };
    /// An attempt whose answer was lost did it.
    const BEFORE: Self = Self { was_sent: Some(true), work_request: None };

    const fn now(work_request: Option<WorkRequestId>) -> Self {
        Self { was_sent: Some(true), work_request }
    }

    fn before_if(is_done: bool) -> Option<Self> {
        is_done.then_some(Self::BEFORE)
    }

    fn was_sent(&self) -> bool {
        self.was_sent.unwrap_or(self.work_request.is_some())
    }

    /// Whether the step was carried out by a version that did not say whether it sent anything.
    pub(super) const fn is_of_before(&self) -> bool {
        self.was_sent.is_none()
    }
}

/// The request of `call`, as a plan shows it.
fn preview_of(call: &Call) -> Preview {
    let (method, path) = (call.method.as_str(), call.target());
    let body = call.body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
    Preview {
        what: format!("{method} {path}{body}"),
        details: json!({"method": method, "path": path, "body": call.body}),
    }
}

/// A token counts for 24 hours (docs/oci.md 1.2); an hour less, so that it cannot run out on the way.
const TOKEN_LIFE: chrono::TimeDelta = chrono::TimeDelta::hours(23);

/// Whether a request of this step that is sent again, with the same token, is still known as the same.
fn token_counts(cx: &Cx<'_, World>) -> bool {
    cx.clock.now() - cx.step_begun_at() < TOKEN_LIFE
}

/// One fact.
fn fact(name: &str, value: &impl ToString) -> Facts {
    Facts::from([(name.to_owned(), value.to_string())])
}

/// Waits until the requests of a backend have ended that this compensation has drained.
async fn drained_out(cx: &Cx<'_, World>, since: Timestamp) -> Result<(), Failure> {
    let delay = cx.world.drain_delay;
    cx.progress(format!("draining until {}", stamp(since + delay)));
    // As in `await-drain`: the wall clock counts only for what another process has waited.
    let left = if cx.is_first_entry() { delay } else { cx.clock.until(since + delay).min(delay) };
    cx.pause(left).await
}
