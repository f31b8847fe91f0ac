//! A process's entry into a step or its compensation, and the notes that its attempts make.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use crate::run::{Seq, StepId, Timestamp};

/// How a process enters a step or its compensation.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    pub(super) id: StepId,
    /// The time when the step itself was first begun.
    pub(super) step_begun_at: Timestamp,
    /// The time when this half, the step or its compensation, was first begun.
    pub(super) begun_at: Timestamp,
    pub(super) is_first: bool,
    /// The number of the next attempt.
    pub(super) attempt: u32,
    /// The time of the first failure, if attempts have failed.
    pub(super) retry_since: Option<Timestamp>,
    /// Locked by code of the step that blocks a thread.
    pub(super) blocking: Arc<tokio::sync::Mutex<()>>,
}

impl Entry {
    /// The first entry into a step that begins now.
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

/// The notes that a step's attempts make besides their results.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) warnings: Mutex<Vec<String>>,
    /// Whether a part of an attempt has spent the step's budget.
    pub(super) is_spent: AtomicBool,
}

impl Noted {
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
