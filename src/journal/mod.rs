//! The truth: every run, step and event, in one SQLite file. The only place with SQL.
//!
//! The invariant: what is told was committed first, and every write of a run names the fence of the lease that it
//! is made under. A run is written through its [`Lease`] only.

mod abandon;
mod attest;
mod canary;
mod canonical;
mod check;
mod checkpoint;
mod error;
mod find;
mod key;
mod kin;
mod lease;
mod mac;
mod open;
mod outcome;
mod read;
mod rotate;
mod row;
mod seal;
mod stored;
mod take;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::Mutex;

pub use abandon::Abandonment;
pub use checkpoint::{Completion, NewStep};
pub use error::{FindError, JournalError, ResolveError, StartError, TakeError, TargetHeld, WriteError};
pub use find::Purpose;
pub use key::{KeyOrigin, KeySource};
pub use kin::Kin;
pub use lease::{Lease, LeaseGuard};
pub use read::{History, StoredStep};
pub use rotate::{RotateError, Rotated};
pub use seal::SealError;
pub use take::{LEASE_LENGTH, NewRun, OnFailure, Take, boot_id};

use crate::clock::Clock;
use canary::Unlocked;
use seal::Sealer;

/// The journal: one file, one connection, shared by everything in this process.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    clock: Clock,
    // None when the journal is only looked at, which needs no key.
    unlocked: Option<Unlocked>,
    // Async, because a transaction holds it across awaits; one connection, because SQLite has one writer.
    connection: Mutex<SqliteConnection>,
}

impl Journal {
    /// Opens the journal at `path`, making the file (0600), its folder (0700) and its key where they are missing.
    ///
    /// # Errors
    /// When the file is not a journal, is damaged, is newer than this binary, lies on a network file system, or
    /// cannot be written; and when the key is not the journal's.
    pub async fn open(path: &Path, key: KeySource, clock: Clock) -> Result<Self, JournalError> {
        let (mut connection, lock) = open::open(path).await?;
        let unlocked = match canary::unlock(&mut connection, path, &key).await {
            Ok(unlocked) => unlocked,
            Err(error) => {
                // Closed, so that not even an empty log is left beside a journal that was not written.
                open::close(connection, path).await?;
                return Err(error);
            }
        };
        drop(lock);
        Ok(Self::of(path, clock, Some(unlocked), connection))
    }

    /// Opens the journal, if there is one, to look at it: that needs no key, and makes no file.
    /// With the key at hand it is verified as well.
    pub async fn open_to_look(
        path: &Path,
        key: KeySource,
        clock: Clock,
    ) -> Result<Option<Self>, JournalError> {
        if matches!(path.try_exists(), Ok(false)) {
            return Ok(None);
        }
        let (mut connection, _lock) = open::open(path).await?;
        let unlocked = canary::unlock_to_look(&mut connection, path, &key).await?;
        Ok(Some(Self::of(path, clock, unlocked, connection)))
    }

    fn of(path: &Path, clock: Clock, unlocked: Option<Unlocked>, connection: SqliteConnection) -> Self {
        Self(Arc::new(Inner { path: path.to_owned(), clock, unlocked, connection: Mutex::new(connection) }))
    }

    /// Opens the journal if there is one.
    pub async fn open_existing(
        path: &Path,
        key: KeySource,
        clock: Clock,
    ) -> Result<Option<Self>, JournalError> {
        match path.try_exists() {
            Ok(false) => Ok(None),
            Ok(true) | Err(_) => Self::open(path, key, clock).await.map(Some),
        }
    }

    /// How many runs of a version that did not authenticate its rows were just taken as they stood, which is done
    /// when the journal is opened for writing for the first time since.
    pub fn n_of_before(&self) -> usize {
        self.0.unlocked.as_ref().map_or(0, |unlocked| unlocked.n_of_before)
    }

    /// Closes the file. Without it everything is as safe, but the write-ahead log stays beside the file.
    pub async fn close(self) -> Result<(), JournalError> {
        match Arc::into_inner(self.0) {
            Some(inner) => open::close(inner.connection.into_inner(), &inner.path).await,
            None => Ok(()),
        }
    }
}

impl Inner {
    /// The journal's key.
    ///
    /// # Errors
    /// [`SealError::OnlyLooking`] for a journal that was opened without it.
    fn unlocked(&self) -> Result<&Unlocked, SealError> {
        self.unlocked.as_ref().ok_or(SealError::OnlyLooking)
    }

    fn sealer(&self) -> Result<&Sealer, SealError> {
        Ok(&self.unlocked()?.sealer)
    }

    fn failed(&self, source: sqlx::Error) -> JournalError {
        open::of_sqlx(&self.path, source)
    }
}
