//! The truth: every run, step and event, in one SQLite file. The only place with SQL.
//!
//! The invariant: what is told was committed first, and every write of a run names the fence of the lease that it
//! is made under. A run is written through its [`Lease`] only.

mod checkpoint;
mod error;
mod find;
mod kin;
mod lease;
mod open;
mod read;
mod row;
mod seal;
mod take;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::Mutex;

pub use checkpoint::{Completion, NewStep};
pub use error::{FindError, JournalError, ResolveError, StartError, TakeError, TargetHeld, WriteError};
pub use find::Purpose;
pub use kin::Kin;
pub use lease::{Lease, LeaseGuard};
pub use read::{History, StoredStep};
pub use seal::{KeySource, SealError};
pub use take::{LEASE_LENGTH, NewRun, OnFailure, Take, boot_id};

use crate::clock::Clock;
use seal::Sealer;

/// The journal: one file, one connection, shared by everything in this process.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    clock: Clock,
    sealer: Sealer,
    // Async, because a transaction holds it across awaits; one connection, because SQLite has one writer.
    connection: Mutex<SqliteConnection>,
}

impl Journal {
    /// Opens the journal at `path`, making the file (0600) and its folder (0700) where they are missing.
    ///
    /// # Errors
    /// When the file is not a journal, is damaged, is newer than this binary, lies on a network file system, or
    /// cannot be written.
    pub async fn open(path: &Path, key: KeySource, clock: Clock) -> Result<Self, JournalError> {
        let connection = open::open(path).await?;
        let sealer = Sealer::new(key, path);
        Ok(Self(Arc::new(Inner { path: path.to_owned(), clock, sealer, connection: Mutex::new(connection) })))
    }

    /// Opens the journal if there is one: looking at the history of nothing makes no file.
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

    /// Closes the file. Without it everything is as safe, but the write-ahead log stays beside the file.
    pub async fn close(self) -> Result<(), JournalError> {
        match Arc::into_inner(self.0) {
            Some(inner) => open::close(inner.connection.into_inner(), &inner.path).await,
            None => Ok(()),
        }
    }
}

impl Inner {
    fn failed(&self, source: sqlx::Error) -> JournalError {
        open::of_sqlx(&self.path, source)
    }
}
