//! Runs many cases, a few at once, because they spend most of their time waiting.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// How many cases run at once, for one test and for all tests of this binary. On a machine that is too busy, time limits run
/// out.
const AT_ONCE: usize = 6;

static N_UNDER_WAY: Mutex<usize> = Mutex::new(0);
static ONE_ENDED: Condvar = Condvar::new();

/// The place of a case among those that run, held while this value lives.
struct Turn;

impl Turn {
    fn wait() -> Self {
        let n = N_UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        *ONE_ENDED.wait_while(n, |n| *n >= AT_ONCE).unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *N_UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ONE_ENDED.notify_one();
    }
}

/// Calls `work` for each case. A panic is that case's error.
pub(crate) fn each<C: Sync, T: Send>(cases: &[C], work: impl Fn(&C) -> T + Sync) -> Vec<Result<T, String>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, Result<T, String>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let turn = Turn::wait();
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(n) else { return };
                    let result = catch_unwind(AssertUnwindSafe(|| work(case))).map_err(|panic| {
                        let text = panic.downcast_ref::<String>().cloned();
                        let text =
                            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                        text.unwrap_or_else(|| "it panicked".to_owned())
                    });
                    drop(turn);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(n, result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}
