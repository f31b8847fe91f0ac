//! One half of a step: the attempts to do it, or the attempts to undo it.

use std::time::Duration;

use chrono::TimeDelta;

use super::failure::Failure;
use super::words::Timestamp;

/// The course of the attempts of one half of a step. Both halves are counted, retried and ended in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// The number of attempts.
    pub attempt: u32,
    /// Why the half, or its last attempt, failed.
    pub failure: Option<Failure>,
    /// When it was first begun.
    pub begun_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The time of its first failure, while it fails.
    pub retry_since: Option<Timestamp>,
    /// When the next attempt may be made.
    pub next_attempt_at: Option<Timestamp>,
}

impl Half {
    /// The half at the beginning of its first attempt.
    pub(super) const fn begun(attempt: u32, at: Timestamp) -> Self {
        let (failure, finished_at, retry_since, next_attempt_at) = (None, None, None, None);
        Self { attempt, failure, begun_at: at, finished_at, retry_since, next_attempt_at }
    }

    pub(super) fn retrying(&mut self, failure: &Failure, attempt: u32, delay: Duration, at: Timestamp) {
        self.attempt = attempt;
        self.failure = Some(failure.clone());
        self.retry_since.get_or_insert(at);
        // A delay that reaches beyond the calendar ends with the calendar.
        let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
        self.next_attempt_at = Some(at.checked_add_signed(delay).unwrap_or(Timestamp::MAX_UTC));
    }

    /// Completes a part. The next part is another request, with its own attempts.
    pub(super) fn advanced(&mut self) {
        (self.failure, self.retry_since, self.next_attempt_at) = (None, None, None);
    }

    /// Starts over, because a person asked for a retry, or what it had done was taken back: earlier failures do not count.
    pub(super) fn begun_again(&mut self) {
        (self.failure, self.finished_at, self.retry_since, self.next_attempt_at) = (None, None, None, None);
    }

    pub(super) fn succeeded(&mut self, at: Timestamp) {
        self.failure = None;
        self.finished_at = Some(at);
        self.next_attempt_at = None;
    }

    pub(super) fn failed(&mut self, failure: &Failure, at: Timestamp) {
        self.failure = Some(failure.clone());
        self.finished_at = Some(at);
        self.next_attempt_at = None;
    }
}
