//! Finds out whether the key at hand is the journal's, before anything is written with it.
//!
//! The invariant: a journal has one key, the one that opens the canary. A journal without a canary gets one with the
//! key that opens what was sealed last. A new journal gets both a key and a canary.

use std::fs;
use std::io;
use std::path::Path;

use sqlx::SqliteConnection;

use super::attest::{NEVER_TAKEN_UP, OF_BEFORE, Rows, altered};
use super::error::JournalError;
use super::extent::Scope;
use super::key::{self, Key, KeyOrigin, KeySource};
use super::key_file;
use super::mac::Authenticator;
use super::patience::{Patience, begin};
use super::reseal::Resealing;
use super::row::Column;
use super::seal::{SealError, Sealer, Spot};
use super::sqlite::of_sqlx;
use super::stored::{Forms, forms};
use crate::clock::Clock;
use crate::run::RunId;

/// The journal's key, verified, with the canary that it opened.
#[derive(Debug)]
pub(super) struct Unlocked {
    pub(super) sealer: Sealer,
    pub(super) rows: Authenticator,
    canary: String,
    /// How many runs of older versions were just accepted as they stood.
    pub(super) n_of_before: usize,
    /// Whether the canary, or its code, was just written.
    pub(super) is_new: bool,
}

impl Unlocked {
    fn new(key: &Key, canary: String) -> Self {
        Self {
            sealer: Sealer::new(key),
            rows: Authenticator::new(key),
            canary,
            n_of_before: 0,
            is_new: false,
        }
    }

    /// Makes sure, before a run is started or taken, that no other process has rotated the key since this process
    /// verified it, and that the runs of this scope, and all that is held, are as they were written.
    pub(super) async fn assure(
        &self,
        tx: &mut SqliteConnection,
        path: &Path,
        scope: Scope,
    ) -> Result<(), JournalError> {
        match stored(tx, path).await? {
            Some(stored) if stored.sealed == self.canary => {
                Rows::new(path, &self.rows, tx).check_runs(scope).await
            }
            Some(_) | None => Err(SealError::Rotated.into()),
        }
    }
}

/// Finds the journal's key, or creates it if nothing is sealed yet. The caller holds the lock for opening.
pub(super) async fn unlock(
    connection: &mut SqliteConnection,
    path: &Path,
    source: &KeySource,
    clock: Clock,
) -> Result<Unlocked, JournalError> {
    let found = key_file::load(source, path)?;
    let mut unlocked = match stored(connection, path).await? {
        Some(stored) => {
            let key = of_canary(&stored.sealed, found, source, path)?;
            let unlocked = Unlocked::new(&key, stored.sealed);
            if stored.has_mac {
                return Ok(unlocked);
            }
            unlocked
        }
        None => {
            let key = of_a_journal_without(connection, found, path).await?;
            Unlocked::new(&key, Sealer::new(&key).canary())
        }
    };
    unlocked.n_of_before = authenticate(connection, path, &unlocked, clock).await?;
    unlocked.is_new = true;
    Ok(unlocked)
}

/// The journal's key for reading only: present if the key is at hand and right, and rows are authenticated.
pub(super) async fn unlock_to_look(
    connection: &mut SqliteConnection,
    path: &Path,
    source: &KeySource,
) -> Result<Option<Unlocked>, JournalError> {
    let Some(stored) = stored(connection, path).await?.filter(|stored| stored.has_mac) else {
        return Ok(None);
    };
    // Without a usable key, the rows are read without verification.
    let Ok(Some((key, _))) = key_file::load(source, path) else { return Ok(None) };
    let unlocked = Unlocked::new(&key, stored.sealed);
    Ok(unlocked.sealer.knows(&unlocked.canary).then_some(unlocked))
}

/// Begins to authenticate rows: accepts the existing rows as they stand, once.
///
/// Sealed values of an older version's run are bound only to the run. They are now bound to their places, so that
/// nobody can remove the run's codes, change it, and have it accepted a second time.
async fn authenticate(
    connection: &mut SqliteConnection,
    path: &Path,
    unlocked: &Unlocked,
    clock: Clock,
) -> Result<usize, JournalError> {
    let failed = |error| of_sqlx(path, error);
    let patience = Patience::lasting(Patience::WITHOUT_A_LEASE, clock);
    let mut tx = begin!(path, connection, patience);
    let canary = &unlocked.canary;
    sqlx::query!("INSERT INTO canary (one, sealed) VALUES (1, ?1) ON CONFLICT DO NOTHING", canary)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    let ids = sqlx::query_scalar!("SELECT id FROM runs ORDER BY number")
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
    let resealing = Resealing { path, old: &unlocked.sealer, new: &unlocked.sealer };
    for id in &ids {
        let run: RunId = Column("runs", "id").parse(id)?;
        let mark = if is_of_before(&mut tx, path, id).await? {
            resealing.run(&mut tx, run).await?;
            OF_BEFORE
        } else {
            NEVER_TAKEN_UP
        };
        sqlx::query!("UPDATE runs SET is_of_before = ?1 WHERE id = ?2", mark, id)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        Rows::new(path, &unlocked.rows, &mut tx).write_all(id).await?;
    }
    Rows::new(path, &unlocked.rows, &mut tx).write_extent().await?;
    tx.commit().await.map_err(failed)?;
    Ok(ids.len())
}

/// Whether the values sealed in a run's input show that the run is of an older version.
///
/// # Errors
/// [`JournalError::Altered`] when they show that the run was authenticated: the canary was then removed.
async fn is_of_before(tx: &mut SqliteConnection, path: &Path, run: &str) -> Result<bool, JournalError> {
    let failed = |error| of_sqlx(path, error);
    let is_authenticated = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND (is_of_before <> 0
                   OR coalesce(mac, origin_mac, facts_mac, targets_mac) IS NOT NULL))
               OR EXISTS (SELECT 1 FROM steps WHERE run_id = ?1 AND coalesce(as_of, mac) IS NOT NULL)
               OR EXISTS (SELECT 1 FROM events WHERE run_id = ?1 AND mac IS NOT NULL) AS "is_authenticated!: bool""#,
        run
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(failed)?;
    let texts = sqlx::query!(
        r#"SELECT 0 AS "seq!: i64", input AS "text!: String" FROM runs WHERE id = ?1
           UNION ALL SELECT seq, input FROM steps WHERE run_id = ?1
           UNION ALL SELECT seq, output FROM steps WHERE run_id = ?1 AND output IS NOT NULL"#,
        run
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(failed)?;
    let mut is_sealed = false;
    for row in texts {
        let Forms { is_bound, is_of_before } = forms(&Column("runs", "input").json(&row.text)?);
        if is_bound || is_authenticated {
            return Err(altered("canary", format!("it is missing, and run {run} was written with it")));
        }
        is_sealed |= row.seq == 0 && is_of_before;
    }
    Ok(is_sealed)
}

struct Stored {
    sealed: String,
    has_mac: bool,
}

async fn stored(connection: &mut SqliteConnection, path: &Path) -> Result<Option<Stored>, JournalError> {
    sqlx::query_as!(Stored, r#"SELECT sealed, mac IS NOT NULL AS "has_mac!: bool" FROM canary"#)
        .fetch_optional(connection)
        .await
        .map_err(|error| of_sqlx(path, error))
}

fn of_canary(
    canary: &str,
    found: Option<(Key, KeyOrigin)>,
    source: &KeySource,
    path: &Path,
) -> Result<Key, SealError> {
    let (file, draft) = (key_file::path(path), key_file::draft(path));
    let failed = |source| SealError::File { path: draft.clone(), source };
    let origin = match found {
        Some((key, _)) if Sealer::new(&key).knows(canary) => {
            if source.given.is_none() {
                // A rotation was killed before its commit, so nothing is sealed with its new key.
                match fs::remove_file(&draft) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                    Ok(()) | Err(_) => {}
                }
            }
            return Ok(key);
        }
        Some((_, origin)) => Some(origin),
        None => None,
    };
    if source.given.is_none()
        && let Some(key) = key_file::read(&draft)?
        && Sealer::new(&key).knows(canary)
    {
        // A rotation was killed after its commit. This finishes it.
        key_file::put(&draft, &file).map_err(failed)?;
        return Ok(key);
    }
    Err(match origin {
        Some(origin) => SealError::WrongKey { origin },
        None => SealError::Missing { path: file },
    })
}

/// The key of a journal that has no canary: a new journal, or one of an older version.
async fn of_a_journal_without(
    connection: &mut SqliteConnection,
    found: Option<(Key, KeyOrigin)>,
    path: &Path,
) -> Result<Key, JournalError> {
    let newest = sqlx::query!("SELECT id, input FROM runs ORDER BY number DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(|error| of_sqlx(path, error))?;
    let sealed = match newest {
        Some(row) => {
            let run = Column("runs", "id").parse(&row.id)?;
            let input = Column("runs", "input").json(&row.input)?;
            let is_sealed = !matches!(forms(&input), Forms { is_bound: false, is_of_before: false });
            is_sealed.then_some((Spot { run, seq: None, column: "input" }, input))
        }
        None => None,
    };
    match (found, sealed) {
        (None, Some(_)) => Err(SealError::Missing { path: key_file::path(path) }.into()),
        (None, None) => {
            let key = key::random();
            key_file::write(&key_file::path(path), &key)?;
            Ok(key)
        }
        (Some((key, _)), None) => Ok(key),
        (Some((key, origin)), Some((spot, input))) => match Sealer::new(&key).open(input, spot) {
            Ok(_) => Ok(key),
            Err(SealError::Unopened { .. }) => Err(SealError::WrongKey { origin }.into()),
            Err(error) => Err(error.into()),
        },
    }
}
