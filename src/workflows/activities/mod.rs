//! The steps, one file each: what it does, how it is adopted, foreseen and undone, side by side.

mod admit_backend;
mod await_backends;
mod await_drain;
mod await_instance;
mod await_retirement;
mod await_work;
mod create_backend_set;
mod create_instance;
mod drain_backend;
mod find_load_balancer;
mod find_old_backends;
mod find_old_instance;
mod look_up;
mod register_backend;
mod remove_backend;
mod retire_instance;

pub(super) use admit_backend::AdmitBackend;
pub(super) use await_backends::{AwaitBackends, Ready};
pub(super) use await_drain::AwaitDrain;
pub(super) use await_instance::AwaitInstance;
pub(super) use await_retirement::AwaitRetirement;
pub(super) use await_work::AwaitWork;
pub(super) use create_backend_set::CreateBackendSet;
pub(super) use create_instance::{CreateInstance, Created};
pub(super) use drain_backend::DrainBackend;
pub(super) use find_load_balancer::FindLoadBalancer;
pub(super) use find_old_backends::{FindOldBackends, NewBackend, OldBackend};
pub(super) use find_old_instance::{FindOldInstance, OldInstance, Which};
pub(super) use look_up::LookUp;
pub(super) use register_backend::RegisterBackend;
pub(super) use remove_backend::RemoveBackend;
pub(super) use retire_instance::RetireInstance;

use serde::{Deserialize, Serialize};

use crate::engine::{Cx, Preview};
use crate::oci::{Call, WorkRequestId};
use crate::run::Facts;
use crate::workflows::World;

/// What a change of the load balancer leaves behind: the work to follow, or nothing when nothing had to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Sent {
    pub(super) work_request: Option<WorkRequestId>,
}

/// The request of `call`, as a plan shows it.
fn preview_of(call: &Call) -> Preview {
    Preview { method: call.method.as_str().to_owned(), path: call.target(), body: call.body.clone() }
}

/// A token counts for 24 hours (OCI.md 1.2); an hour less, so that it cannot run out on the way.
const TOKEN_LIFE: chrono::TimeDelta = chrono::TimeDelta::hours(23);

/// Whether a request of this step that is sent again, with the same token, is still known as the same.
fn token_counts(cx: &Cx<'_, World>) -> bool {
    cx.clock.now() - cx.step_begun_at() < TOKEN_LIFE
}

/// One fact.
fn fact(name: &str, value: &impl ToString) -> Facts {
    Facts::from([(name.to_owned(), value.to_string())])
}

/// The fact that tells where an instance that was made again can be reached instead of at `address`.
fn restored_address(address: &str) -> String {
    format!("restored-address:{address}")
}
