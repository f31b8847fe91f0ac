//! The truth: every run, step and event, in one SQLite file. The only place with SQL.
//!
//! The invariant: what is told was committed first, and every write of a run names the fence of the lease that it
//! is made under. A run is written through its [`Lease`] only.

mod abandon;
mod apply;
mod attest;
mod canary;
mod canonical;
mod change;
mod check;
mod checkpoint;
mod error;
mod exposure;
mod find;
mod guard;
mod held;
mod key;
mod kin;
mod lease;
mod lock;
mod mac;
mod open;
mod outcome;
mod patience;
mod read;
mod resolve;
mod rotate;
mod row;
mod seal;
mod start;
mod step;
mod stored;
mod take;
mod target;
mod told;
mod wal;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use sqlx::SqliteConnection;
use tokio::sync::Mutex;

pub use crate::run::OnFailure;
pub use abandon::Abandonment;
pub use change::NewStep;
pub use checkpoint::Completion;
pub use error::{FindError, JournalError, ResolveError, StartError, TakeError, TargetHeld, WriteError};
pub use exposure::Exposure;
pub use find::Purpose;
pub use guard::{LEASE_LENGTH, LeaseGuard};
pub use held::{Claim, boot_id};
pub use key::{KeyOrigin, KeySource};
pub use kin::Kin;
pub use lease::Lease;
pub use read::History;
pub use rotate::{RotateError, Rotated};
pub use seal::SealError;
pub use start::NewRun;
pub use step::StoredStep;
pub use take::Take;

use crate::clock::Clock;
use canary::Unlocked;
use open::Opened;
use patience::Patience;
use seal::Sealer;

/// The journal: one file, one connection, shared by everything in this process.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>, Claim);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    clock: Clock,
    // None when the journal is only looked at, which needs no key.
    unlocked: Option<Unlocked>,
    /// Who else had a hand on the files when they were opened.
    exposed: Vec<Exposure>,
    // Of this process, for the log's length.
    n_commits: AtomicU32,
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
        let Opened { mut connection, lock, is_migrated } = open::open(path, clock).await?;
        let unlocked = match canary::unlock(&mut connection, path, &key, clock).await {
            Ok(unlocked) => unlocked,
            Err(error) => {
                // Closed, so that not even an empty log is left beside a journal that was not written.
                open::close(connection, path).await?;
                return Err(error);
            }
        };
        let is_new = is_migrated || unlocked.is_new;
        let journal = Self::of(path, clock, Some(unlocked), connection);
        if is_new {
            // Its schema and its key are in the file before any run is.
            wal::settle(&journal.0, &mut *journal.0.connection.lock().await).await;
        }
        drop(lock);
        Ok(journal)
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
        let Opened { mut connection, lock: _lock, .. } = open::open(path, clock).await?;
        let unlocked = canary::unlock_to_look(&mut connection, path, &key).await?;
        Ok(Some(Self::of(path, clock, unlocked, connection)))
    }

    fn of(path: &Path, clock: Clock, unlocked: Option<Unlocked>, connection: SqliteConnection) -> Self {
        let inner = Inner {
            path: path.to_owned(),
            clock,
            unlocked,
            exposed: exposure::of_journal(path),
            n_commits: AtomicU32::new(0),
            connection: Mutex::new(connection),
        };
        Self(Arc::new(inner), Claim::Respects)
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

    /// The same journal, in which runs are taken up with this claim on the leases of others.
    #[must_use = "the journal itself respects leases"]
    pub fn claiming(self, claim: Claim) -> Self {
        Self(self.0, claim)
    }

    /// The claim with which runs are taken up.
    pub const fn claim(&self) -> Claim {
        self.1
    }

    /// Who besides the user had a hand on the journal's files when it was opened.
    pub fn exposed(&self) -> &[Exposure] {
        &self.0.exposed
    }

    /// The process that opens the journal at `path` just now, which others wait for: its number, when the kernel tells.
    pub fn opened_by(path: &Path) -> Option<u32> {
        lock::holder(&open::opening_file(path))
    }

    /// The lock for which who opens the journal at `path` waits.
    pub fn opening_lock(path: &Path) -> PathBuf {
        open::opening_file(path)
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
    /// For a locked journal, of a process that holds no lease.
    fn patience(&self) -> Patience {
        Patience::lasting(Patience::WITHOUT_A_LEASE, self.clock)
    }

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
