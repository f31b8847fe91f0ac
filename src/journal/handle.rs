//! The handle of an open journal, which everything in this process shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sqlx::SqliteConnection;
use tokio::sync::{Mutex, MutexGuard};

use super::canary::Unlocked;
use super::error::JournalError;
use super::exposure::Exposure;
use super::heart::Heart;
use super::inspect::Inspection;
use super::patience::Patience;
use super::seal::{SealError, Sealer};
use super::sqlite::of_sqlx;
use crate::clock::Clock;
use crate::run::Kinship;

/// The journal: one file and one connection, shared by everything in this process.
#[derive(Clone, Debug)]
pub struct Journal(pub(super) Arc<Inner>, pub(super) Claim, pub(super) Kinship);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) path: PathBuf,
    pub(super) clock: Clock,
    // `None` if the journal is only read, which needs no key.
    pub(super) unlocked: Option<Unlocked>,
    /// Files that other users could reach when the journal was opened.
    pub(super) exposed: Vec<Exposure>,
    pub(super) heart: Heart,
    pub(super) inspection: Inspection,
    /// Whether this process has announced commits and not confirmed them yet.
    pub(super) has_announced: AtomicBool,
    /// Whether a transaction may be open that a dropped future has left.
    pub(super) may_be_open: AtomicBool,
    // Counts this process's commits, to limit the length of the log.
    pub(super) n_commits: AtomicU32,
    // An async mutex, because a transaction holds it across awaits. One connection, because SQLite has one writer.
    pub(super) connection: Mutex<SqliteConnection>,
}

/// What to do about a lease that has not expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// Respect it, unless its process is known to be dead.
    #[default]
    Respects,
    /// Take it away: a person says that its process is gone, which cannot be seen from here. A live process of this
    /// machine keeps it nevertheless.
    Disowns,
}

impl Journal {
    /// The same journal, with this claim on the leases of other processes.
    #[must_use = "the journal itself respects leases"]
    pub fn claiming(self, claim: Claim) -> Self {
        Self(self.0, claim, self.2)
    }

    /// The same journal, whose runs are related in this way.
    #[must_use = "the journal itself goes by every target"]
    pub fn related_by(self, kinship: Kinship) -> Self {
        Self(self.0, self.1, kinship)
    }

    /// The claim with which runs are taken.
    pub const fn claim(&self) -> Claim {
        self.1
    }

    /// The journal's files that other users could reach when it was opened.
    pub fn exposed(&self) -> &[Exposure] {
        &self.0.exposed
    }

    /// How many runs of a version that did not authenticate its rows were just accepted as they stood. That happens the
    /// first time that such a journal is opened for writing.
    pub fn n_of_before(&self) -> usize {
        self.0.unlocked.as_ref().map_or(0, |unlocked| unlocked.n_of_before)
    }
}

impl Inner {
    /// The connection, on which no transaction is open.
    pub(super) async fn connection(&self) -> MutexGuard<'_, SqliteConnection> {
        let mut connection = self.connection.lock().await;
        if self.may_be_open.load(Ordering::Relaxed) {
            self.close_transaction(&mut connection).await;
        }
        connection
    }

    /// Rolls back what was not committed. SQLite knows best whether a transaction is open.
    pub(super) async fn close_transaction(&self, connection: &mut SqliteConnection) {
        if let Err(error) = sqlx::raw_sql("ROLLBACK").execute(connection).await {
            tracing::debug!(%error, "no transaction was open");
        }
        self.may_be_open.store(false, Ordering::Relaxed);
    }

    /// How long a process without a lease waits for a locked journal.
    pub(super) fn patience(&self) -> Patience {
        Patience::lasting(Patience::WITHOUT_A_LEASE, self.clock)
    }

    /// The journal's key.
    ///
    /// # Errors
    /// [`SealError::OnlyLooking`] for a journal that was opened without its key.
    pub(super) fn unlocked(&self) -> Result<&Unlocked, SealError> {
        self.unlocked.as_ref().ok_or(SealError::OnlyLooking)
    }

    /// Makes sure that the file is sound, if that is still to be found out.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] with what SQLite finds.
    pub(super) async fn inspected(&self) -> Result<(), JournalError> {
        self.inspection.finish(&self.path, self.clock).await
    }

    /// Begins the inspection of the file, if one is due, on a thread that nothing else waits for.
    pub(super) fn inspect_beside(self: &Arc<Self>) {
        if !self.inspection.is_to_begin() {
            return;
        }
        let inner = Arc::clone(self);
        let begun = self.heart.handle().map(|handle| {
            handle.spawn(async move {
                // Whoever wants to change something asks again, and hears of it.
                if let Err(error) = inner.inspected().await {
                    tracing::warn!(%error, "the journal was inspected");
                }
            })
        });
        if let Err(error) = begun {
            tracing::info!(%error, "the journal is inspected before the next change");
        }
    }

    pub(super) fn sealer(&self) -> Result<&Sealer, SealError> {
        Ok(&self.unlocked()?.sealer)
    }

    pub(super) fn failed(&self, source: sqlx::Error) -> JournalError {
        of_sqlx(&self.path, source)
    }
}
