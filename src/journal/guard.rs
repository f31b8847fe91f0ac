//! Knows whether this process still has a lease, and renews it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::change::{Change, Tenure};
use super::error::{JournalError, WriteError};
use super::handle::Inner;
use super::lock::Lock;
use super::patience::Patience;
use super::row::{after, millis};
use crate::clock::Clock;
use crate::run::{Fence, Holder, RunId, Timestamp};

/// How long a lease lasts without being renewed. The heartbeat renews it three times in that time.
pub const LEASE_LENGTH: Duration = Duration::from_secs(30);

/// Knows whether this process still has the lease, and renews it. It is cheap to clone; the heartbeat and the steps
/// share it.
#[derive(Clone, Debug)]
pub struct LeaseGuard {
    inner: Arc<Inner>,
    pub(super) run: RunId,
    pub(super) fence: Fence,
    lasts: Arc<std::sync::Mutex<Lasts>>,
    // Weak, because the lease owns the lock: a guard that renews the lease does not keep the lock.
    lock: Weak<Lock>,
}

/// A share in a run's kernel lock. While it exists, it keeps the other processes of this machine away, even after the
/// lease was given back.
#[derive(Debug)]
#[must_use = "it keeps them away only while it is there"]
pub(crate) struct KernelLock {
    _lock: Option<Arc<Lock>>,
}

/// The end of a lease on both clocks. The wall clock goes on while the machine sleeps, and the monotonic clock does not
/// jump.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasts {
    until: i64,
    renewed: Instant,
}

/// In this last part of a lease, it is renewed before anything is sent, and waiting for the journal's lock ends.
const MARGIN: Duration = Duration::from_secs(5);

impl Lasts {
    /// The end of a lease that is taken or renewed now.
    pub(super) fn from_now(clock: Clock) -> Self {
        let renewed = Instant::now();
        Self { until: after(clock.now(), LEASE_LENGTH), renewed }
    }

    /// The end in the form that the journal stores.
    pub(super) const fn until(self) -> i64 {
        self.until
    }

    /// Whether the lease has expired on either clock, or will within `margin`.
    fn has_run_out(self, now: Timestamp, margin: Duration) -> bool {
        after(now, margin) >= self.until || self.renewed.elapsed() + margin >= LEASE_LENGTH
    }
}

impl LeaseGuard {
    pub(super) fn new(inner: &Arc<Inner>, run: RunId, fence: Fence, lasts: Lasts, lock: &Arc<Lock>) -> Self {
        let (inner, lasts) = (Arc::clone(inner), Arc::new(std::sync::Mutex::new(lasts)));
        Self { inner, run, fence, lasts, lock: Arc::downgrade(lock) }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// A share in the kernel lock for code that blocks a thread and cannot be cancelled: no process of this machine
    /// takes the run before that code ends.
    pub(crate) fn kernel_lock(&self) -> KernelLock {
        KernelLock { _lock: self.lock.upgrade() }
    }

    // A std mutex suffices, because it is never held across an await.
    fn lasts(&self) -> std::sync::MutexGuard<'_, Lasts> {
        self.lasts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether the lease has expired, or will within `margin` unless it is renewed.
    fn has_run_out(&self, margin: Duration) -> bool {
        self.lasts().has_run_out(self.inner.clock.now(), margin)
    }

    /// Notes that a commit renewed the lease.
    pub(super) fn lasts_until(&self, lasts: Lasts) {
        *self.lasts() = lasts;
    }

    /// The time since the lease was renewed, by a commit or by itself.
    pub fn age(&self) -> Duration {
        self.lasts().renewed.elapsed()
    }

    /// How long to wait for a journal that other processes keep locked: until shortly before the lease expires.
    pub(super) fn patience(&self) -> Patience {
        let lasts = *self.lasts();
        let on_the_wall = (lasts.until - millis(self.inner.clock.now())).try_into().unwrap_or(0);
        let left = Duration::from_millis(on_the_wall)
            .min(LEASE_LENGTH.saturating_sub(lasts.renewed.elapsed()))
            .saturating_sub(MARGIN);
        Patience::lasting(left, self.inner.clock)
    }

    /// Runs a task beside everything else in this process, on a thread that nothing blocks.
    pub(crate) fn beside<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>, JournalError> {
        let path = || self.inner.path.clone();
        let handle =
            self.inner.heart.handle().map_err(|source| JournalError::Open { path: path(), source })?;
        Ok(handle.spawn(task))
    }

    /// Renews the lease for its whole length.
    ///
    /// # Errors
    /// [`WriteError::LeaseLost`] when another process has taken over the run.
    pub async fn renew(&self) -> Result<(), WriteError> {
        let (run, fence) = (self.run.to_string(), self.fence.get());
        let mut patience = self.patience();
        let mut connection = self.inner.writing(&patience).await;
        loop {
            let lasts = Lasts::from_now(self.inner.clock);
            let until = lasts.until();
            let done = sqlx::query!(
                "UPDATE runs SET lease_until = ?1 WHERE id = ?2 AND fence = ?3 AND holder IS NOT NULL",
                until,
                run,
                fence
            )
            .execute(&mut *connection)
            .await;
            match done {
                Ok(done) if done.rows_affected() == 0 => return Err(lost(&mut connection, &run).await),
                Ok(_) => {
                    self.lasts_until(lasts);
                    return Ok(());
                }
                Err(error) => patience.after(self.inner.failed(error)).await?,
            }
        }
    }

    /// Makes sure, at the last moment before a request is sent, that this process still has the run: it may have been
    /// paused for hours since its last check.
    pub async fn assure(&self) -> Result<(), WriteError> {
        if self.has_run_out(MARGIN) { self.renew().await } else { Ok(()) }
    }
}

/// The reason why nothing was written under a fence that the run no longer has.
pub(super) async fn lost(connection: &mut SqliteConnection, run: &str) -> WriteError {
    let holder =
        sqlx::query_scalar!("SELECT holder FROM runs WHERE id = ?1", run).fetch_one(connection).await;
    // The holder only serves the message. It is certain that the lease is lost.
    let to = holder.ok().flatten().and_then(|holder| serde_json::from_str::<Holder>(&holder).ok());
    WriteError::LeaseLost { to }
}

/// What was found out about a run's rows, unless another process has taken the run over: then it has written them.
pub(super) async fn unless_lost(
    connection: &mut SqliteConnection,
    change: &Change,
    error: JournalError,
) -> WriteError {
    let is_ours = matches!(change.tenure, Tenure::Renewed | Tenure::Ended);
    let run = change.run.to_string();
    let found = sqlx::query!("SELECT fence, holder FROM runs WHERE id = ?1", run)
        .fetch_optional(&mut *connection)
        .await;
    match found {
        Ok(Some(row)) if row.fence == change.fence.get() && (row.holder.is_some() || !is_ours) => {
            error.into()
        }
        Ok(_) | Err(_) => lost(connection, &run).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_run_out_when_either_clock_says_so() {
        let clock = Clock::system();
        let fresh = Lasts::from_now(clock);
        let second = Duration::from_secs(1);
        assert!(!fresh.has_run_out(clock.now(), second));
        assert!(fresh.has_run_out(clock.now(), LEASE_LENGTH));
        // The machine has slept: the monotonic clock stood still.
        assert!(fresh.has_run_out(clock.now() + LEASE_LENGTH, second));
        // The wall clock was set back.
        let renewed = Instant::now().checked_sub(LEASE_LENGTH).expect("the machine runs for longer");
        assert!(Lasts { renewed, ..fresh }.has_run_out(clock.now() - LEASE_LENGTH, second));
    }
}
