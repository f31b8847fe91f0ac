//! A step, or its compensation, as it is taken up, and what its attempts note down.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use crate::run::{Seq, StepId, Timestamp};

/// How a step, or its compensation, is taken up.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    pub(super) id: StepId,
    /// When the step itself was first begun.
    pub(super) step_begun_at: Timestamp,
    /// When this half of it was first begun.
    pub(super) begun_at: Timestamp,
    pub(super) is_first: bool,
    /// The number of the next attempt.
    pub(super) attempt: u32,
    /// Since when the attempts fail, if they do.
    pub(super) retry_since: Option<Timestamp>,
    /// Held by what blocks a thread for the step.
    pub(super) blocking: Arc<tokio::sync::Mutex<()>>,
}

impl Entry {
    /// The first entry of a step that is begun now.
    pub(super) fn first(seq: Seq, id: StepId, now: Timestamp) -> Self {
        Self {
            seq,
            id,
            step_begun_at: now,
            begun_at: now,
            is_first: true,
            attempt: 1,
            retry_since: None,
            blocking: Arc::default(),
        }
    }
}

/// What the attempts of a step note down beside their results.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) warnings: Mutex<Vec<String>>,
    /// Whether a part of an attempt has spent the budget of the step.
    pub(super) is_spent: AtomicBool,
}

impl Noted {
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
