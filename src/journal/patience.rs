//! How long a process waits for a journal that another process keeps locked.
//!
//! A lock is no damage: of many processes on one file, each has its turn. A waiting process asks again after a random
//! pause that grows, so that waiting processes do not all come back at once.

use std::time::Duration;

use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore as _;
use tokio::time::Instant;

use super::error::JournalError;
use crate::clock::Clock;

/// The upper bounds of the first pause, and of any pause.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// Waits for the journal's lock up to a deadline.
pub(super) struct Patience {
    clock: Clock,
    until: Instant,
    n_tries: u32,
}

impl Patience {
    /// How long a process without a lease waits. Nothing depends on it, and it has sent nothing.
    pub(super) const WITHOUT_A_LEASE: Duration = Duration::from_secs(10);

    pub(super) fn lasting(length: Duration, clock: Clock) -> Self {
        Self { clock, until: Instant::now() + length, n_tries: 0 }
    }

    /// How much of it is left.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Pauses after a try that found the journal locked.
    ///
    /// # Errors
    /// Any other error that was found, and the lock itself once there is no patience left.
    pub(super) async fn after(&mut self, error: JournalError) -> Result<(), JournalError> {
        if !matches!(error, JournalError::Locked { .. }) || Instant::now() >= self.until {
            return Err(error);
        }
        self.n_tries += 1;
        tracing::info!(tries = self.n_tries, "the journal is locked by another process; waiting for it");
        let bound = FIRST_PAUSE.saturating_mul(1 << self.n_tries.min(10)).min(LONGEST_PAUSE);
        self.clock.sleep(bound.mul_f64(f64::from(OsRng.next_u32()) / f64::from(u32::MAX))).await;
        Ok(())
    }
}

/// Begins a transaction that writes, once it is this process's turn. It is a macro, because a function cannot return
/// what it borrowed in a loop.
macro_rules! begin {
    ($path:expr, $connection:expr, $patience:expr) => {{
        let mut patience = $patience;
        loop {
            match sqlx::Connection::begin_with(&mut *$connection, "BEGIN IMMEDIATE").await {
                Ok(begun) => break begun,
                Err(error) => patience.after(crate::journal::sqlite::of_sqlx($path, error)).await?,
            }
        }
    }};
}
pub(super) use begin;
