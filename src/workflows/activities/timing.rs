//! How long a token counts, and how long a backend is drained.

use crate::engine::Cx;
use crate::run::{Failure, Timestamp, stamp};
use crate::workflows::world::World;

/// A token counts for 24 hours (docs/oci.md 1.2); an hour less, so that it cannot run out on the way.
const TOKEN_LIFE: chrono::TimeDelta = chrono::TimeDelta::hours(23);

/// Whether a request of this step that is sent again, with the same token, is still known as the same.
pub(super) fn token_counts(cx: &Cx<'_, World>) -> bool {
    cx.clock.now() - cx.step_begun_at() < TOKEN_LIFE
}

/// Waits until the requests of a backend have ended that this compensation has drained.
pub(super) async fn drained_out(cx: &Cx<'_, World>, since: Timestamp) -> Result<(), Failure> {
    let delay = cx.world.policy.drain_delay;
    cx.progress(format!("draining until {}", stamp(since + delay)));
    cx.pause(cx.left_of(delay, since + delay)).await
}
