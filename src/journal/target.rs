//! The targets that runs hold: at most one run that is not over holds a target.

use sqlx::SqliteConnection;

use super::error::{JournalError, TargetHeld, WriteError};
use super::handle::{Inner, Journal};
use super::row::Column;
use crate::run::{RunId, Target};

impl Journal {
    /// Makes sure that `run`, which may not be in this journal, can hold these targets now.
    ///
    /// # Errors
    /// [`WriteError::TargetHeld`] when another run holds one of them.
    pub async fn can_hold(&self, run: RunId, targets: &[Target]) -> Result<(), WriteError> {
        let mut connection = self.0.connection().await;
        for target in targets {
            refuse_held(&self.0, &mut connection, run, target).await?;
        }
        Ok(())
    }
}

/// Makes sure that no other run than `run` holds `target`.
async fn refuse_held(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
    target: &Target,
) -> Result<(), WriteError> {
    let (id, name) = (run.to_string(), target.as_str());
    let other = sqlx::query!(
        "SELECT runs.id, runs.state FROM targets JOIN runs ON runs.id = targets.run_id
         WHERE targets.target = ?1 AND targets.held = 1 AND targets.run_id <> ?2",
        name,
        id
    )
    .fetch_optional(tx)
    .await
    .map_err(|error| inner.failed(error))?;
    match other {
        None => Ok(()),
        Some(other) => Err(WriteError::TargetHeld(TargetHeld {
            target: target.clone(),
            run: Column("runs", "id").parse(&other.id)?,
            state: Column("runs", "state").parse(&other.state)?,
        })),
    }
}

/// Holds `target` for `run`, or says which run holds it.
pub(super) async fn hold(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
    target: &Target,
) -> Result<(), WriteError> {
    refuse_held(inner, tx, run, target).await?;
    let (id, name) = (run.to_string(), target.as_str());
    sqlx::query!(
        "INSERT INTO targets (run_id, target, held) VALUES (?1, ?2, 1)
         ON CONFLICT (run_id, target) DO UPDATE SET held = 1",
        id,
        name
    )
    .execute(tx)
    .await
    .map_err(|error| inner.failed(error))?;
    Ok(())
}

/// Lets all targets of `run` go. Which targets it held stays recorded.
pub(super) async fn let_go(inner: &Inner, tx: &mut SqliteConnection, run: RunId) -> Result<(), JournalError> {
    let id = run.to_string();
    sqlx::query!("UPDATE targets SET held = 0 WHERE run_id = ?1", id)
        .execute(tx)
        .await
        .map_err(|error| inner.failed(error))?;
    Ok(())
}

/// Every target that `run` has ever held.
pub(super) async fn ever_held(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
) -> Result<Vec<Target>, JournalError> {
    let id = run.to_string();
    let targets = sqlx::query_scalar!("SELECT target FROM targets WHERE run_id = ?1 ORDER BY target", id)
        .fetch_all(tx)
        .await
        .map_err(|error| inner.failed(error))?;
    Ok(targets.into_iter().map(Target::from).collect())
}
