//! One half of a step: the attempts to do it, or those to undo it.

use super::event::Timestamp;
use super::failure::Failure;

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
