//! When this process first looked for other runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::run::RunId;

/// The direction in which a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Start,
    Rollback,
}

/// When this process first looked, for each run and direction.
#[derive(Debug, Default)]
pub struct Looked(Mutex<BTreeMap<(RunId, Side), Instant>>);

impl Looked {
    /// Records a look. Returns when the first look was, if there was one before this.
    pub(super) fn looks(&self, run: RunId, side: Side) -> Option<Instant> {
        // Never held across an await.
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = looked.get(&(run, side)).copied();
        looked.entry((run, side)).or_insert_with(Instant::now);
        first
    }
}
