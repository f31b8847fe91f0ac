//! Who holds a run: the process of its lease, and whether that process is gone.
//!
//! Among the processes of one machine, the run's lock file decides; its lock is free when its process is dead. Of a
//! process of another machine only the lease is visible, and a person may disown it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqliteConnection;

use super::error::{JournalError, TakeError};
use super::handle::{Claim, Inner, Journal};
use super::lock::{Lock, boot_id, lock_folder, stopped_holder};
use super::row::Column;
use crate::clock::Clock;
use crate::run::{Fence, Holder, OnFailure, RunId, RunStanding, Timestamp};

/// The columns of a run's row on its holder and its standing.
pub(super) struct LeaseRow {
    pub(super) standing: RunStanding,
    pub(super) on_failure: OnFailure,
    pub(super) fence: Fence,
    hold: Option<Hold>,
}

/// The process that holds a run's lease, as the run's row says.
pub(super) struct Hold {
    pub(super) by: Holder,
    until: Timestamp,
}

impl Hold {
    /// Parses the two columns of a row.
    pub(super) fn read(holder: Option<&str>, lease_until: Option<i64>) -> Result<Option<Self>, JournalError> {
        let by = Column("runs", "holder").json_or_none(holder)?;
        let until = Column("runs", "lease_until").time_or_none(lease_until)?;
        Ok(by.zip(until).map(|(by, until)| Self { by, until }))
    }

    /// Whether the process may still advance the run: its lease lasts, and the process is not known to be dead.
    pub(super) fn is_alive(&self, inner: &Inner, run: RunId) -> bool {
        let path = lock_file(inner, run);
        let is_free = matches!(Lock::is_free(&path), Ok(true));
        self.is_alive_unless(is_free, &path, inner.clock.now())
    }

    /// The same for a caller that has tried the lock. On this machine the lock decides. The kernel frees it when its
    /// process dies, and a process that holds it may be in the middle of a change, however long ago it renewed its
    /// lease. Only the lease of a stopped process may expire: such a process does nothing, and checks its lease before
    /// it does anything again.
    fn is_alive_unless(&self, is_free: bool, path: &Path, now: Timestamp) -> bool {
        let is_of_this_machine = || self.by.boot_id == boot_id() || self.by.host == host_name();
        let lasts = self.until > now;
        if is_free {
            lasts && !is_of_this_machine()
        } else {
            lasts || stopped_holder(path) != Some(self.by.pid)
        }
    }
}

impl LeaseRow {
    /// The process that held the run before and no longer does.
    ///
    /// # Errors
    /// [`TakeError::Held`] while it still holds the run, [`TakeError::Alive`] when it was to be disowned and is alive
    /// on this machine, and [`TakeError::Busy`] when a process of this machine has released the run but has not
    /// finished a change.
    pub(super) fn let_go(
        &mut self,
        inner: &Inner,
        run: RunId,
        lock: Option<&Lock>,
        claim: Claim,
    ) -> Result<Option<Holder>, TakeError> {
        let path = lock_file(inner, run);
        let Some(hold) = self.hold.take() else {
            return match lock {
                None if stopped_holder(&path).is_none() => Err(TakeError::Busy { run, lock: path }),
                None | Some(_) => Ok(None),
            };
        };
        let is_alive = hold.is_alive_unless(lock.is_some(), &path, inner.clock.now());
        let Hold { by, until } = hold;
        if !is_alive {
            return Ok(Some(by));
        }
        match claim {
            Claim::Respects => Err(TakeError::Held { run, by, until }),
            Claim::Disowns if lock.is_none() => Err(TakeError::Alive { run, by }),
            Claim::Disowns => Ok(Some(by)),
        }
    }
}

/// Reads the row.
pub(super) async fn lease_row(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
) -> Result<LeaseRow, JournalError> {
    let id = run.to_string();
    let row = sqlx::query!(
        "SELECT state, direction, has_succeeded, error, finished_at, on_failure, fence, holder, lease_until
         FROM runs WHERE id = ?1",
        id
    )
    .fetch_optional(tx)
    .await
    .map_err(|error| inner.failed(error))?
    .ok_or(JournalError::NoSuchRun(run))?;
    Ok(LeaseRow {
        standing: RunStanding {
            state: Column("runs", "state").parse(&row.state)?,
            direction: Column("runs", "direction").parse(&row.direction)?,
            has_succeeded: row.has_succeeded != 0,
            error: Column("runs", "error").json_or_none(row.error.as_deref())?,
            finished_at: Column("runs", "finished_at").time_or_none(row.finished_at)?,
        },
        on_failure: Column("runs", "on_failure").parse(&row.on_failure)?,
        fence: Fence::new(row.fence),
        hold: Hold::read(row.holder.as_deref(), row.lease_until)?,
    })
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Holder {
    /// This process as a holder since now, run by `user`.
    pub fn of_this_process(user: impl Into<String>) -> Self {
        let (pid, since) = (std::process::id(), Clock::system().now());
        Self { host: host_name(), boot_id: boot_id(), pid, since, user: user.into() }
    }
}

impl Journal {
    /// Whether a live process of this machine holds the run.
    pub fn is_held_here(&self, run: RunId) -> bool {
        matches!(Lock::is_free(&lock_file(&self.0, run)), Ok(false))
    }
}

/// Locks the run's file. Retries briefly, because a process that only looks whether the holder is alive also locks the
/// file for an instant. Returns `None` when a process of this machine holds it.
pub(super) async fn lock_patiently(inner: &Inner, run: RunId) -> Result<Option<Lock>, JournalError> {
    const TRIES: u32 = 10;
    const BETWEEN: Duration = Duration::from_millis(5);
    for _ in 1..TRIES {
        if let Some(file) = lock(inner, run)? {
            return Ok(Some(file));
        }
        inner.clock.sleep(BETWEEN).await;
    }
    lock(inner, run)
}

/// Locks the run's file without retrying.
pub(super) fn lock(inner: &Inner, run: RunId) -> Result<Option<Lock>, JournalError> {
    opened(inner, Lock::take(&lock_file(inner, run)))
}

/// Locks the file of a run that is about to begin.
pub(super) fn lock_new(inner: &Inner, run: RunId) -> Result<Lock, JournalError> {
    let is_held = || io::Error::from(io::ErrorKind::ResourceBusy);
    opened(inner, Lock::take(&lock_file(inner, run)).and_then(|lock| lock.ok_or_else(is_held)))
}

/// Locks the run's file for a caller that may take over from its holder.
///
/// # Errors
/// [`TakeError::Busy`] when another process was faster.
pub(super) fn lock_anew(inner: &Inner, run: RunId, lock: Option<Lock>) -> Result<Lock, TakeError> {
    let path = lock_file(inner, run);
    match lock {
        Some(lock) => Ok(lock),
        None => opened(inner, Lock::replace(&path))?.ok_or(TakeError::Busy { run, lock: path }),
    }
}

fn opened<T>(inner: &Inner, done: io::Result<T>) -> Result<T, JournalError> {
    done.map_err(|source| JournalError::Open { path: inner.path.clone(), source })
}

fn lock_file(inner: &Inner, run: RunId) -> PathBuf {
    lock_folder(&inner.path).join(format!("{run}.lock"))
}
