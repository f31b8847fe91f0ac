//! The handle of a journal that is open, shared by everything in this process.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use sqlx::SqliteConnection;
use tokio::sync::Mutex;

use super::canary::Unlocked;
use super::error::JournalError;
use super::exposure::Exposure;
use super::heart::Heart;
use super::patience::Patience;
use super::seal::{SealError, Sealer};
use super::sqlite::of_sqlx;
use crate::clock::Clock;

/// The journal: one file, one connection, shared by everything in this process.
#[derive(Clone, Debug)]
pub struct Journal(pub(super) Arc<Inner>, pub(super) Claim);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) path: PathBuf,
    pub(super) clock: Clock,
    // None when the journal is only looked at, which needs no key.
    pub(super) unlocked: Option<Unlocked>,
    /// Who else had a hand on the files when they were opened.
    pub(super) exposed: Vec<Exposure>,
    pub(super) heart: Heart,
    // Of this process, for the log's length.
    pub(super) n_commits: AtomicU32,
    // Async, because a transaction holds it across awaits; one connection, because SQLite has one writer.
    pub(super) connection: Mutex<SqliteConnection>,
}

/// What is done about a lease that has not run out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// It is respected, unless its process is known to be dead.
    #[default]
    Respects,
    /// A person says that its process is gone, which cannot be seen from here: it is taken away. Not from a process of this
    /// machine that is alive.
    Disowns,
}

impl Journal {
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

    /// How many runs of a version that did not authenticate its rows were just taken as they stood, which is done
    /// when the journal is opened for writing for the first time since.
    pub fn n_of_before(&self) -> usize {
        self.0.unlocked.as_ref().map_or(0, |unlocked| unlocked.n_of_before)
    }
}

impl Inner {
    /// For a locked journal, of a process that holds no lease.
    pub(super) fn patience(&self) -> Patience {
        Patience::lasting(Patience::WITHOUT_A_LEASE, self.clock)
    }

    /// The journal's key.
    ///
    /// # Errors
    /// [`SealError::OnlyLooking`] for a journal that was opened without it.
    pub(super) fn unlocked(&self) -> Result<&Unlocked, SealError> {
        self.unlocked.as_ref().ok_or(SealError::OnlyLooking)
    }

    pub(super) fn sealer(&self) -> Result<&Sealer, SealError> {
        Ok(&self.unlocked()?.sealer)
    }

    pub(super) fn failed(&self, source: sqlx::Error) -> JournalError {
        of_sqlx(&self.path, source)
    }
}
