//! The ways to open a journal: for writing, or only for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use sqlx::SqliteConnection;
use tokio::sync::Mutex;

use super::canary::{self, Unlocked};
use super::error::JournalError;
use super::handle::{Claim, Inner, Journal};
use super::heart::Heart;
use super::inspect::Inspection;
use super::key::KeySource;
use super::open::{self, Opened};
use super::{exposure, lock, wal};
use crate::clock::Clock;
use crate::run::Kinship;

impl Journal {
    /// Opens the journal at `path` as [`Journal::open`] does, with the machine's clock and with its key in a file
    /// beside it.
    ///
    /// # Errors
    /// Those of [`Journal::open`].
    pub async fn at(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::open(path.as_ref(), KeySource::default(), Clock::system()).await
    }

    /// Opens the journal at `path`. Creates the file (0600), its folder (0700) and its key if they are missing.
    ///
    /// # Errors
    /// When the file is not a journal, is damaged, is newer than this binary, lies on a network file system, or cannot
    /// be written; and when the key is not the journal's.
    pub async fn open(path: &Path, key: KeySource, clock: Clock) -> Result<Self, JournalError> {
        let Opened { mut connection, lock, is_migrated, inspection } = open::open(path, clock).await?;
        let unlocked = match canary::unlock(&mut connection, path, &key, clock).await {
            Ok(unlocked) => unlocked,
            Err(error) => {
                // Closed, so that not even an empty log stays beside a journal that was not written.
                open::close(connection, path).await?;
                return Err(error);
            }
        };
        let is_new = is_migrated || unlocked.is_new;
        let journal = Self::of(path, clock, Some(unlocked), connection, inspection);
        if is_new {
            // The file must hold the schema and the key before it holds any run.
            wal::settle(&journal.0, &mut *journal.0.writing(&journal.0.patience()).await).await;
        }
        drop(lock);
        Ok(journal)
    }

    /// Opens the journal for reading, if there is one. This needs no key and creates no file. If the key is at hand,
    /// the journal is verified as well.
    pub async fn open_to_look(
        path: &Path,
        key: KeySource,
        clock: Clock,
    ) -> Result<Option<Self>, JournalError> {
        if matches!(path.try_exists(), Ok(false)) {
            return Ok(None);
        }
        let Opened { mut connection, lock: _lock, inspection, .. } = open::open(path, clock).await?;
        let unlocked = canary::unlock_to_look(&mut connection, path, &key).await?;
        Ok(Some(Self::of(path, clock, unlocked, connection, inspection)))
    }

    fn of(
        path: &Path,
        clock: Clock,
        unlocked: Option<Unlocked>,
        connection: SqliteConnection,
        inspection: Inspection,
    ) -> Self {
        inspection.note(path);
        let inner = Inner {
            path: path.to_owned(),
            clock,
            unlocked,
            exposed: exposure::of_journal(path),
            heart: Heart::default(),
            inspection,
            has_announced: AtomicBool::new(false),
            may_be_open: AtomicBool::new(false),
            n_commits: AtomicU32::new(0),
            connection: Mutex::new(connection),
        };
        Self(Arc::new(inner), Claim::default(), Kinship::default())
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

    /// The number of the process that is opening the journal at `path`, for which others wait, if the kernel says.
    pub fn opened_by(path: &Path) -> Option<u32> {
        lock::holder(&lock::opening_file(path))
    }

    /// The lock file that a process takes to open the journal at `path`.
    pub fn opening_lock(path: &Path) -> PathBuf {
        lock::opening_file(path)
    }

    /// Closes the file. Without it everything is as safe, but the write-ahead log stays beside the file.
    pub async fn close(self) -> Result<(), JournalError> {
        match Arc::into_inner(self.0) {
            Some(inner) => {
                open::close(inner.connection.into_inner(), &inner.path).await?;
                inner.inspection.note(&inner.path);
                Ok(())
            }
            None => Ok(()),
        }
    }
}
