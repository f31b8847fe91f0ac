//! Whether the key at hand is the journal's, found before anything is written with it.
//!
//! The invariant: a journal has one key. It is the one that opens the canary; a journal without a canary gets it with
//! the key that opens what was sealed last, and a new one gets both.

use std::fs;
use std::io;
use std::path::Path;

use sqlx::SqliteConnection;

use super::error::JournalError;
use super::key::{self, Key, KeyOrigin, KeySource};
use super::open::of_sqlx;
use super::row::Place;
use super::seal::{SealError, Sealer, Spot, holds_sealed};

/// The journal's key, known to be the right one, with the canary that it opened.
#[derive(Debug)]
pub(super) struct Unlocked {
    pub(super) sealer: Sealer,
    canary: String,
}

impl Unlocked {
    /// Makes sure that no other process has rotated the key since this one was found right.
    pub(super) async fn assure(&self, tx: &mut SqliteConnection, path: &Path) -> Result<(), JournalError> {
        if stored(tx, path).await?.as_deref() == Some(&self.canary) {
            Ok(())
        } else {
            Err(SealError::Rotated.into())
        }
    }
}

/// Finds the journal's key, or makes it where nothing is sealed yet. The caller holds the lock for opening.
pub(super) async fn unlock(
    connection: &mut SqliteConnection,
    path: &Path,
    source: &KeySource,
) -> Result<Unlocked, JournalError> {
    let found = key::load(source, path)?;
    if let Some(canary) = stored(connection, path).await? {
        let sealer = of_canary(&canary, found, source, path)?;
        return Ok(Unlocked { sealer, canary });
    }
    let sealer = of_a_journal_without(connection, found, path).await?;
    let canary = sealer.canary();
    sqlx::query!("INSERT INTO canary (one, sealed) VALUES (1, ?1)", canary)
        .execute(connection)
        .await
        .map_err(|error| of_sqlx(path, error))?;
    Ok(Unlocked { sealer, canary })
}

async fn stored(connection: &mut SqliteConnection, path: &Path) -> Result<Option<String>, JournalError> {
    sqlx::query_scalar!("SELECT sealed FROM canary")
        .fetch_optional(connection)
        .await
        .map_err(|error| of_sqlx(path, error))
}

fn of_canary(
    canary: &str,
    found: Option<(Key, KeyOrigin)>,
    source: &KeySource,
    path: &Path,
) -> Result<Sealer, SealError> {
    let (file, draft) = (key::key_file(path), key::draft_file(path));
    let failed = |source| SealError::File { path: draft.clone(), source };
    if let Some((key, _)) = &found {
        let sealer = Sealer::new(key);
        if sealer.knows(canary) {
            if source.from_env.is_none() {
                // A rotation was killed before its commit: nothing is sealed with what it would have put here.
                match fs::remove_file(&draft) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                    Ok(()) | Err(_) => {}
                }
            }
            return Ok(sealer);
        }
    }
    if source.from_env.is_none()
        && let Some(key) = key::read(&draft)?
    {
        let sealer = Sealer::new(&key);
        if sealer.knows(canary) {
            // A rotation was killed after its commit: this is the rest of it.
            key::put(&draft, &file).map_err(failed)?;
            return Ok(sealer);
        }
    }
    Err(match found {
        Some((_, origin)) => SealError::WrongKey { origin },
        None => SealError::Missing { path: file },
    })
}

/// The key of a journal that has no canary: a new one, or one of a version before.
async fn of_a_journal_without(
    connection: &mut SqliteConnection,
    found: Option<(Key, KeyOrigin)>,
    path: &Path,
) -> Result<Sealer, JournalError> {
    let newest = sqlx::query!("SELECT id, input FROM runs ORDER BY number DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(|error| of_sqlx(path, error))?;
    let sealed = match newest {
        Some(row) => {
            let run = Place("runs", "id").parse(&row.id)?;
            let input = Place("runs", "input").json(&row.input)?;
            Some((Spot { run, seq: None, column: "input" }, input)).filter(|(_, input)| holds_sealed(input))
        }
        None => None,
    };
    match (found, sealed) {
        (None, Some(_)) => Err(SealError::Missing { path: key::key_file(path) }.into()),
        (None, None) => {
            let key = key::random();
            key::write(&key::key_file(path), &key)?;
            Ok(Sealer::new(&key))
        }
        (Some((key, _)), None) => Ok(Sealer::new(&key)),
        (Some((key, origin)), Some((spot, input))) => {
            let sealer = Sealer::new(&key);
            match sealer.open(input, spot) {
                Ok(_) => Ok(sealer),
                Err(SealError::Unopened { .. }) => Err(SealError::WrongKey { origin }.into()),
                Err(error) => Err(error.into()),
            }
        }
    }
}
