//! Locks that are never held across an await: every handler computes its answer in one go.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; what a thread that panicked left is as good as any other.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
