//! One half of a step: the attempts to do it, or those to undo it.

use std::time::Duration;

use chrono::TimeDelta;

use super::failure::Failure;
use super::words::Timestamp;

/// How the attempts of one half of a step went. Both halves are counted, retried and ended in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// How often it was tried.
    pub attempt: u32,
    /// Why it, or its last attempt, failed.
    pub failure: Option<Failure>,
    /// When it was first begun.
    pub begun_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Since when its attempts fail.
    pub retry_since: Option<Timestamp>,
    /// When the next attempt may be made.
    pub next_attempt_at: Option<Timestamp>,
}

impl Half {
    /// The half whose first attempt begins.
    pub(super) const fn begun(attempt: u32, at: Timestamp) -> Self {
        let (failure, finished_at, retry_since, next_attempt_at) = (None, None, None, None);
        Self { attempt, failure, begun_at: at, finished_at, retry_since, next_attempt_at }
    }

    pub(super) fn retrying(&mut self, failure: &Failure, attempt: u32, delay: Duration, at: Timestamp) {
        self.attempt = attempt;
        self.failure = Some(failure.clone());
        self.retry_since.get_or_insert(at);
        // A delay that is longer than the calendar is waited for until its end.
        let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
        self.next_attempt_at = Some(at.checked_add_signed(delay).unwrap_or(Timestamp::MAX_UTC));
    }

    /// A part of it is done: what follows is another request, with attempts of its own.
    pub(super) fn advanced(&mut self) {
        (self.failure, self.retry_since, self.next_attempt_at) = (None, None, None);
    }

    /// A person has it tried again: what failed before does not count.
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
