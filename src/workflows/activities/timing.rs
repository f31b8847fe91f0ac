//! How long a token is valid, and how long a backend is drained.

use crate::engine::Cx;
use crate::run::{Failure, Timestamp, stamp};
use crate::workflows::world::World;

/// A token is valid for 24 hours (docs/oci.md 1.2). This is an hour less, so that it cannot expire on the way.
const TOKEN_LIFE: chrono::TimeDelta = chrono::TimeDelta::hours(23);

/// Whether the cloud still recognises a request of this step if it is sent again with the same token.
pub(super) fn token_counts(cx: &Cx<'_, World>) -> bool {
    cx.clock.now() - cx.step_begun_at() < TOKEN_LIFE
}

/// Waits until the requests of the backend that this compensation drained have ended.
pub(super) async fn drained_out(cx: &Cx<'_, World>, since: Timestamp) -> Result<(), Failure> {
    let delay = cx.world.policy.drain_delay;
    cx.progress(format!("draining until {}", stamp(since + delay)));
    cx.pause(cx.left_of(delay, since + delay)).await
}
