//! How long a journal that another process keeps locked is waited for.
//!
//! A lock is no damage: of many processes on one file each has its turn. Who waits asks again after a pause that is drawn
//! at random and grows, so that those who wait do not come back together.

use std::time::Duration;

use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore as _;
use tokio::time::Instant;

use super::error::JournalError;
use crate::clock::Clock;

/// The bound of the first pause, and of any.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// Waits for the journal's lock, up to an instant.
pub(super) struct Patience {
    clock: Clock,
    until: Instant,
    n_tries: u32,
}

impl Patience {
    /// What a process has that holds no lease: nothing waits for it, and nothing has been sent.
    pub(super) const WITHOUT_A_LEASE: Duration = Duration::from_secs(10);

    pub(super) fn lasting(length: Duration, clock: Clock) -> Self {
        Self { clock, until: Instant::now() + length, n_tries: 0 }
    }

    /// Pauses after a try that found the journal locked.
    ///
    /// # Errors
    /// What was found instead, and the lock as well once there is no patience left.
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

/// Begins a transaction that writes, when it is its turn. A macro, since a function cannot give back what it borrowed in
/// a loop.
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
