//! Reseals the whole journal with another key.
//!
//! The invariant: at every instant exactly one of the two keys opens the journal, and both are kept until the new one
//! has replaced the old one. All sealed values change in one transaction, and the new key is on the disk before it.

use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;

use super::attest::Rows;
use super::error::JournalError;
use super::extent::Scope;
use super::handle::{Inner, Journal};
use super::held::{Hold, lock};
use super::key::{self, GivenKey, Key, KeySource};
use super::key_file;
use super::mac::Authenticator;
use super::patience::begin;
use super::reseal::Resealing;
use super::row::Column;
use super::seal::{SealError, Sealer};
use super::{inbox, open, wal};
use crate::clock::Clock;
use crate::crash;
use crate::run::{Holder, RunId};

/// The result of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The file that holds the new key; `None` when keys are in the environment.
    pub key_file: Option<PathBuf>,
    /// How many runs were resealed.
    pub runs: usize,
    /// The runs with a value that the old key did not open either. They stay unchanged.
    pub unopened: Vec<RunId>,
}

/// Why a key was not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The program gave the old key, but no new one.
    #[error("the journal's key is in {name}, and nothing says which is to be the new one")]
    NoNewKey {
        /// The name of the old key's source.
        name: &'static str,
    },
    /// The new key is the old one.
    #[error("{name} is the key that the journal has already")]
    SameKey {
        /// The name of the new key's source.
        name: &'static str,
    },
    /// There is no journal.
    #[error("there is no journal {}", path.display())]
    NoJournal {
        /// The path at which it was expected.
        path: PathBuf,
    },
    /// A process advances a run with the old key.
    #[error("run {run} is being advanced by {by}")]
    Held {
        /// The run.
        run: RunId,
        /// The process that advances it.
        by: Holder,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<SealError> for RotateError {
    fn from(error: SealError) -> Self {
        Self::Journal(error.into())
    }
}

impl Journal {
    /// Reseals the journal at `path` with `new`, or with a random key if its key is in a file.
    ///
    /// After a crash it may be called again with the same keys, and says that the rotation is done.
    ///
    /// # Errors
    /// [`RotateError::Held`] while a process advances a run.
    pub async fn rotate_key(
        path: &Path,
        source: &KeySource,
        new: Option<GivenKey>,
        clock: Clock,
    ) -> Result<Rotated, RotateError> {
        let chosen = match &new {
            Some(given) => Some((key_file::parsed(given)?, given.name)),
            None => match &source.given {
                Some(old) => return Err(RotateError::NoNewKey { name: old.name }),
                None => None,
            },
        };
        let no_journal = || RotateError::NoJournal { path: path.to_owned() };
        let journal = match Self::open_existing(path, source.clone(), clock).await {
            Err(JournalError::Seal(wrong @ SealError::WrongKey { .. })) => {
                let opened = Self::open_existing(path, KeySource { given: new }, clock).await;
                let (Some(_), Ok(Some(journal))) = (&source.given, opened) else {
                    return Err(wrong.into());
                };
                journal.close().await?;
                return Ok(Rotated { key_file: None, runs: 0, unopened: Vec::new() });
            }
            opened => opened?.ok_or_else(no_journal)?,
        };
        if let (Some((chosen, name)), Some((old, _))) = (&chosen, key_file::load(source, path)?)
            && *chosen == old
        {
            return Err(RotateError::SameKey { name });
        }
        let in_file = source.given.is_none();
        let rotated = reseal(&journal.0, &chosen.map_or_else(key::random, |(key, _)| key), in_file).await?;
        journal.close().await?;
        Ok(rotated)
    }
}

async fn reseal(inner: &Inner, new: &Key, in_file: bool) -> Result<Rotated, RotateError> {
    crash::within("key rotate", None, crash::Place::Itself);
    crash::at("not begun");
    let failed = |error| inner.failed(error);
    let (file, draft) = (key_file::path(&inner.path), key_file::draft(&inner.path));
    // While this lock is held, no process looks for the journal's key, until the new key is in its place.
    let opening = open::lock_for_opening(&inner.path, inner.clock).await?;
    let patience = inner.patience();
    let mut connection = inner.writing(&patience).await;
    let mut tx = begin!(&inner.path, connection, patience);
    let unlocked = inner.unlocked()?;
    unlocked.assure(&mut tx, &inner.path, Scope::All).await?;
    let ids = sqlx::query_scalar!("SELECT id FROM runs ORDER BY number")
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
    // Rows that somebody else changed must not get a code of ours.
    for id in &ids {
        let run = Column("runs", "id").parse(id)?;
        Rows::new(&inner.path, &unlocked.rows, &mut tx).check_rows(run).await?;
    }
    end_dead_leases(inner, &mut tx).await?;
    let (sealer, rows) = (Sealer::new(new), Authenticator::new(new));
    let resealing = Resealing { path: &inner.path, old: &unlocked.sealer, new: &sealer };
    let mut unopened = Vec::new();
    for id in &ids {
        let run = Column("runs", "id").parse(id)?;
        if !resealing.run(&mut tx, run).await? {
            unopened.push(run);
        }
        Rows::new(&inner.path, &rows, &mut tx).write_all(id).await?;
        inbox::attest_anew(inner, &mut tx, id, &rows).await?;
    }
    let canary = sealer.canary();
    sqlx::query!("UPDATE canary SET sealed = ?1", canary).execute(&mut *tx).await.map_err(failed)?;
    Rows::new(&inner.path, &rows, &mut tx).write_extent().await?;
    if in_file {
        key_file::write(&draft, new)?;
    }
    crash::at("begun");
    tx.commit().await.map_err(failed)?;
    crash::at("done, not completed");
    if in_file {
        key_file::put(&draft, &file).map_err(|source| SealError::File { path: draft, source })?;
    }
    crash::at("completed");
    // Until the file is rewritten, values sealed with the old key remain in free pages and in the free space of others.
    sqlx::query("VACUUM").execute(&mut *connection).await.map_err(failed)?;
    wal::settle(inner, &mut connection).await;
    drop(opening);
    let runs = ids.len() - unopened.len();
    Ok(Rotated { key_file: in_file.then_some(file), runs, unopened })
}

/// Refuses while a process advances a run. Takes the lease from processes that are dead, or asleep elsewhere, because
/// they would write values sealed with the old key.
async fn end_dead_leases(inner: &Inner, tx: &mut SqliteConnection) -> Result<(), RotateError> {
    let failed = |error| inner.failed(error);
    let leased = sqlx::query!("SELECT id, holder, lease_until FROM runs WHERE holder IS NOT NULL")
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
    for row in leased {
        let run = Column("runs", "id").parse(&row.id)?;
        let Some(hold) = Hold::read(row.holder.as_deref(), row.lease_until)? else { continue };
        if hold.is_alive(inner, run) || lock(inner, run)?.is_none() {
            return Err(RotateError::Held { run, by: hold.by });
        }
    }
    sqlx::query!(
        "UPDATE runs SET holder = NULL, lease_until = NULL, fence = fence + 1 WHERE holder IS NOT NULL"
    )
    .execute(tx)
    .await
    .map_err(failed)?;
    Ok(())
}
