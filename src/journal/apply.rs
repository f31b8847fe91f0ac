//! The one place that writes a change: the fence, the events, the rows, and the codes of the rows.

use std::sync::atomic::Ordering;

use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::attest::{Rows, altered};
use super::batch::{Batch, also};
use super::change::Change;
use super::draft::Draft;
use super::error::{JournalError, WriteError};
use super::guard::{Lasts, unless_lost};
use super::handle::Inner;
use super::known::{Known, Written};
use super::{target, wal};
use crate::crash;
use crate::run::Event;

/// The result of a change, once its transaction is committed.
pub(super) struct Applied {
    pub(super) events: Vec<Event>,
    pub(super) written: Written,
    pub(super) lasts: Lasts,
}

/// Writes a change within a transaction. This also confirms that the log is announced.
///
/// # Errors
/// [`WriteError::LeaseLost`] when the fence has moved on, [`WriteError::TargetHeld`] when another run holds a target
/// that this one asks for, and [`JournalError::Altered`] when a row is not the one that is known. Nothing must be
/// committed then.
pub(super) async fn apply(
    inner: &Inner,
    tx: &mut SqliteConnection,
    change: &Change,
    known: &Known,
) -> Result<Applied, WriteError> {
    let failed = |error| inner.failed(error);
    let Draft { batch, events, written, lasts } = Draft::of(inner, tx, change, known).await?;
    if inner.has_announced.load(Ordering::Relaxed) {
        wal::confirm_within(tx).await.map_err(failed)?;
    }
    match batch.execute(tx).await {
        Ok(true) => {}
        Ok(false) => return Err(refused(tx, change, &written).await),
        Err(error) if is_of_a_row(&error) => return Err(refused(tx, change, &written).await),
        Err(error) => return Err(failed(error).into()),
    }
    for target in &change.holds {
        target::hold(inner, tx, change.run, target).await?;
    }
    if change.lets_go {
        target::let_go(inner, tx, change.run).await?;
    }
    if change.moves_targets() {
        let codes = &inner.unlocked().map_err(JournalError::from)?.rows;
        Rows::new(&inner.path, codes, tx).write_extent().await?;
    }
    Ok(Applied { events, written, lasts })
}

/// Commits an applied change.
pub(super) async fn commit(inner: &Inner, tx: Transaction<'_, Sqlite>) -> Result<(), JournalError> {
    tx.commit().await.map_err(|error| inner.failed(error))?;
    is_committed(inner);
    Ok(())
}

fn is_committed(inner: &Inner) {
    inner.has_announced.store(false, Ordering::Relaxed);
    crash::committed();
}

/// Writes a change that moves no targets, and commits it, as one command to SQLite.
///
/// # Errors
/// Those of [`apply`], and [`JournalError::Locked`]. Nothing is committed then.
pub(super) async fn apply_alone(
    inner: &Inner,
    connection: &mut SqliteConnection,
    change: &Change,
    known: &Known,
) -> Result<Applied, WriteError> {
    let Draft { mut batch, events, written, lasts } = Draft::of(inner, connection, change, known).await?;
    if inner.has_announced.load(Ordering::Relaxed) {
        also!(batch, "UPDATE wal_mark SET confirmed = announced WHERE confirmed < announced");
    }
    expect(&mut batch, &change.run.to_string(), &written);
    inner.may_be_open.store(true, Ordering::Relaxed);
    let done = batch.commit(connection).await;
    let refused = match done {
        Ok(()) => {
            inner.may_be_open.store(false, Ordering::Relaxed);
            is_committed(inner);
            return Ok(Applied { events, written, lasts });
        }
        Err(error) if is_of_a_row(&error) => refused(connection, change, &written).await,
        Err(error) => inner.failed(error).into(),
    };
    inner.close_transaction(connection).await;
    Err(refused)
}

/// Adds statements that fail unless the rows of a change were written.
fn expect(batch: &mut Batch, run: &str, written: &Written) {
    let head = written.head.as_slice();
    // The schema forbids a second row, whether or not there is a first one.
    also!(
        batch,
        "INSERT INTO wal_mark (one, announced, confirmed) SELECT 2, 0, 0 WHERE (SELECT mac FROM runs WHERE id = ?) IS NOT ?",
        run,
        head
    );
    for (row, code) in &written.steps {
        let code = code.as_slice();
        also!(
            batch,
            "INSERT INTO wal_mark (one, announced, confirmed)
             SELECT 2, 0, 0 WHERE (SELECT mac FROM steps WHERE run_id = ? AND seq = ?) IS NOT ?",
            run,
            row.seq,
            code
        );
    }
}

/// Whether a row is not as it is known: it was not to be changed, or is there before it was inserted.
fn is_of_a_row(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation() || error.is_check_violation())
}

/// Why a change was not written. The transaction still shows which of its rows were.
async fn refused(tx: &mut SqliteConnection, change: &Change, written: &Written) -> WriteError {
    let run = &change.run.to_string();
    let found = sqlx::query_scalar!("SELECT mac FROM runs WHERE id = ?1", run).fetch_optional(&mut *tx).await;
    match found {
        Ok(Some(Some(mac))) if mac == written.head.as_slice() => {
            for (row, code) in &written.steps {
                let found =
                    sqlx::query_scalar!("SELECT mac FROM steps WHERE run_id = ?1 AND seq = ?2", run, row.seq)
                        .fetch_optional(&mut *tx)
                        .await;
                if !matches!(found, Ok(Some(Some(found))) if found == code.as_slice()) {
                    return altered("steps", row.place(run)).into();
                }
            }
            altered("events", format!("events of run {run}")).into()
        }
        Ok(None) => altered("runs", format!("run {run} is missing")).into(),
        Ok(Some(_)) | Err(_) => unless_lost(tx, change, altered("runs", format!("run {run}"))).await,
    }
}
