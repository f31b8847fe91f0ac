//! The outcomes of runs, in one word each: they say more than a state.

use sqlx::SqliteConnection;

use super::error::JournalError;
use super::handle::Inner;
use super::kin;
use super::row::Column;
use crate::run::{EventKind, Kinship, Outcome, RunId, RunRecord, RunState};

/// What the rows of a run say about its course.
struct Way {
    has_changes: bool,
    has_failed: bool,
    is_by_hand: bool,
}

/// Sets the outcome of each record. The newest comes first.
pub(super) async fn tell(
    inner: &Inner,
    kinship: Kinship,
    connection: &mut SqliteConnection,
    records: &mut [RunRecord],
) -> Result<(), JournalError> {
    // Other runs matter only for a success, and only later ones. The oldest record is the last.
    let oldest = records.iter().rfind(|record| record.state == RunState::Succeeded);
    let kin = match oldest {
        Some(oldest) => kin::since(inner, kinship, connection, oldest.id).await?,
        None => Vec::new(),
    };
    for record in records {
        record.outcome = match record.state {
            RunState::Succeeded if kin::superseding_among(&kin, record.id).is_some() => {
                Some(Outcome::Superseded)
            }
            RunState::Succeeded => Some(Outcome::Succeeded),
            RunState::Failed => Some(Outcome::Failed),
            RunState::RolledBack => Some(match way(inner, connection, record.id).await? {
                Way { is_by_hand: true, .. } => Outcome::UndoneByHand,
                Way { has_failed: true, has_changes: false, .. } => Outcome::Refused,
                Way { has_failed: true, .. } => Outcome::FailedAndUndone,
                Way { .. } => Outcome::Undone,
            }),
            RunState::Running | RunState::Suspended | RunState::RollingBack | RunState::Stuck => None,
        };
    }
    Ok(())
}

async fn way(inner: &Inner, connection: &mut SqliteConnection, run: RunId) -> Result<Way, JournalError> {
    let id = run.to_string();
    sqlx::query_as!(
        Way,
        r#"SELECT
               EXISTS (SELECT 1 FROM steps WHERE run_id = ?1 AND effect = 'mutation') AS "has_changes!: bool",
               EXISTS (SELECT 1 FROM events WHERE run_id = ?1 AND kind LIKE '{"run-failed"%') AS "has_failed!: bool",
               EXISTS (SELECT 1 FROM events WHERE run_id = ?1 AND kind LIKE '{"step-resolved"%') AS "is_by_hand!: bool""#,
        id
    )
    .fetch_one(connection)
    .await
    .map_err(|error| inner.failed(error))
}

/// The warnings of a run, in order.
pub(super) async fn warnings(
    inner: &Inner,
    connection: &mut SqliteConnection,
    run: RunId,
) -> Result<Vec<String>, JournalError> {
    let id = run.to_string();
    let kinds = sqlx::query_scalar!(
        r#"SELECT kind FROM events WHERE run_id = ?1 AND kind LIKE '{"warned"%' ORDER BY n"#,
        id
    )
    .fetch_all(connection)
    .await
    .map_err(|error| inner.failed(error))?;
    let mut warnings = Vec::with_capacity(kinds.len());
    for kind in kinds {
        if let EventKind::Warned { message, .. } = Column("events", "kind").json(&kind)? {
            warnings.push(message);
        }
    }
    Ok(warnings)
}
