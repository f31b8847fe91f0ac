//! How runs came out, in one word each: what a state alone does not tell.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::error::JournalError;
use super::row::Place;
use super::{Inner, kin};
use crate::run::{EventKind, Outcome, RunId, RunRecord, RunState};

/// What the events of a run say of its way.
#[derive(Clone, Copy, Default)]
struct Way {
    has_failed: bool,
    is_by_hand: bool,
}

/// Gives each of the records its outcome.
pub(super) async fn tell(
    inner: &Inner,
    connection: &mut SqliteConnection,
    records: &mut [RunRecord],
) -> Result<(), JournalError> {
    if !records.iter().any(|record| record.state.is_over() || record.state == RunState::Failed) {
        return Ok(());
    }
    let ways = ways(inner, connection).await?;
    let kin = kin::all(inner, connection).await?;
    for record in records {
        let way = ways.get(&record.id).copied().unwrap_or_default();
        let has_changes = kin.iter().any(|kin| kin.run == record.id && kin.has_changes);
        record.outcome = match record.state {
            RunState::Succeeded if kin::superseded_among(&kin, record.id).is_some() => {
                Some(Outcome::Superseded)
            }
            RunState::Succeeded => Some(Outcome::Succeeded),
            RunState::Failed => Some(Outcome::Failed),
            RunState::RolledBack if way.is_by_hand => Some(Outcome::UndoneByHand),
            RunState::RolledBack if way.has_failed && !has_changes => Some(Outcome::Refused),
            RunState::RolledBack if way.has_failed => Some(Outcome::FailedAndUndone),
            RunState::RolledBack => Some(Outcome::Undone),
            RunState::Running | RunState::Suspended | RunState::RollingBack | RunState::Stuck => None,
        };
    }
    Ok(())
}

async fn ways(
    inner: &Inner,
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<RunId, Way>, JournalError> {
    let rows = sqlx::query!(
        r#"SELECT run_id AS "run_id!: String", max(kind LIKE '{"run-failed"%') AS "has_failed!: i64",
               max(kind LIKE '{"step-resolved"%') AS "is_by_hand!: i64"
           FROM events WHERE kind LIKE '{"run-failed"%' OR kind LIKE '{"step-resolved"%' GROUP BY run_id"#
    )
    .fetch_all(connection)
    .await
    .map_err(|error| inner.failed(error))?;
    let ways = rows.into_iter().map(|row| {
        let way = Way { has_failed: row.has_failed != 0, is_by_hand: row.is_by_hand != 0 };
        Ok((Place("events", "run_id").parse(&row.run_id)?, way))
    });
    ways.collect()
}

/// What a run warned of, in order.
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
        if let EventKind::Warned { message, .. } = Place("events", "kind").json(&kind)? {
            warnings.push(message);
        }
    }
    Ok(warnings)
}
