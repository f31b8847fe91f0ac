//! The source of time: the wall clock, and waits.
//!
//! A wait takes a deadline, which can be checkpointed, but runs on the monotonic clock from its start, so that a jump
//! of the wall clock cannot cut a drain short.

use std::time::Duration;

use chrono::Utc;

use crate::run::Timestamp;

/// The source of time. Cheap to copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(());

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(())
    }

    /// The time now, UTC, in milliseconds, which is the journal's precision.
    #[expect(clippy::disallowed_methods, reason = "the home of the wall clock")]
    pub fn now(&self) -> Timestamp {
        let now = Utc::now() + crate::crash::skew();
        Timestamp::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now)
    }

    /// The time until `deadline`; zero once it has passed.
    pub fn until(&self, deadline: Timestamp) -> Duration {
        (deadline - self.now()).to_std().unwrap_or_default()
    }

    /// Whether so much time has passed since then.
    pub fn has_passed(&self, since: Timestamp, time: Duration) -> bool {
        (self.now() - since).to_std().is_ok_and(|passed| passed >= time)
    }

    /// Waits for `duration` on the monotonic clock.
    #[expect(clippy::disallowed_methods, reason = "the home of waiting")]
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
