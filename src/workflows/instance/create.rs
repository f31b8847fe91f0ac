//! Creates an instance, with a token by which the cloud knows a repeated request.

use serde_json::Value;

use super::mark;
use crate::engine::Cx;
use crate::oci::container_instances as api;
use crate::oci::{InstanceId, WorkRequestId};
use crate::run::{Failure, FailureKind};
use crate::workflows::{World, failure};

/// How often a token may be invalidated before we give up. Each time, somebody deleted the instance that we created.
const GENERATIONS_LIMIT: u32 = 3;

/// Who sends a create. Each has its own token.
#[derive(Clone, Copy)]
pub(in crate::workflows) enum TokenOf {
    /// The step. If somebody deleted its instance, it does not create another one.
    TheStep,
    /// Its compensation, which must bring an instance back: with this token, or the next valid one.
    ItsUndo(u32),
}

/// Creates an instance, or returns the one that an earlier attempt of this very step created. `None` when somebody
/// has deleted every instance that the step created.
pub(in crate::workflows) async fn create(
    cx: &Cx<'_, World>,
    specification: &Value,
    request: TokenOf,
) -> Result<Option<(InstanceId, Option<WorkRequestId>)>, Failure> {
    const DOING: &str = "creating the container instance";
    for generation in 0..GENERATIONS_LIMIT {
        mark::is_ours(cx).await?;
        cx.assure_lease().await?;
        let token = match request {
            TokenOf::TheStep if generation > 0 => break,
            TokenOf::TheStep => cx.token(generation),
            TokenOf::ItsUndo(first) => cx.undo_token(first + generation),
        };
        let call = api::create(specification.clone()).with_retry_token(token.as_str());
        match cx.world.oci.container_instances().create(&call).await {
            Ok(answer) => return Ok(Some((answer.value.id, answer.work_request))),
            Err(error) if error.code() == Some("InvalidatedRetryToken") => {}
            Err(error) => return Err(failure::of(DOING, &error)),
        }
    }
    Ok(None)
}

/// Whether the cloud refused a create for good, so that nothing can have been created.
pub(in crate::workflows) fn is_refusal(failure: &Failure) -> bool {
    failure.kind == FailureKind::Permanent
}
