//! The targets that runs hold: at most one run that is not over holds a target.

use sqlx::SqliteConnection;

use super::error::{JournalError, TargetHeld, WriteError};
use super::handle::Inner;
use super::row::Column;
use crate::run::{RunId, Target};

/// Holds `target` for `run`, or says which run holds it.
pub(super) async fn hold(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
    target: &Target,
) -> Result<(), WriteError> {
    let failed = |error| inner.failed(error);
    let (id, name) = (run.to_string(), target.as_str());
    let other = sqlx::query!(
        "SELECT runs.id, runs.state FROM targets JOIN runs ON runs.id = targets.run_id
         WHERE targets.target = ?1 AND targets.held = 1 AND targets.run_id <> ?2",
        name,
        id
    )
    .fetch_optional(&mut *tx)
    .await
    .map_err(failed)?;
    if let Some(other) = other {
        return Err(WriteError::TargetHeld(TargetHeld {
            target: target.clone(),
            run: Column("runs", "id").parse(&other.id)?,
            state: Column("runs", "state").parse(&other.state)?,
        }));
    }
    sqlx::query!(
        "INSERT INTO targets (run_id, target, held) VALUES (?1, ?2, 1)
         ON CONFLICT (run_id, target) DO UPDATE SET held = 1",
        id,
        name
    )
    .execute(tx)
    .await
    .map_err(failed)?;
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
