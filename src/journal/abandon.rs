//! How a person ends a run by hand: which side they keep, and at which step the ending begins.

use sqlx::SqliteConnection;

use super::error::JournalError;
use super::handle::{Inner, Journal};
use super::row::Column;
use crate::run::{EventKind, Keep, RunId, Seq};

/// How a person ends a run.
#[derive(Clone, Debug)]
pub struct Abandonment {
    /// The side that is kept.
    pub keep: Keep,
    /// The person's reason.
    pub reason: Option<String>,
}

/// The record of it.
#[derive(Clone, Debug)]
pub(super) struct Abandoned {
    pub(super) keep: Keep,
    pub(super) from: Seq,
}

impl Journal {
    /// The side for which a run was abandoned, unless the run was turned round since.
    pub async fn abandoned(&self, run: RunId) -> Result<Option<Keep>, JournalError> {
        let mut connection = self.0.connection().await;
        Ok(abandoned(&self.0, &mut connection, run).await?.map(|abandoned| abandoned.keep))
    }
}

pub(super) async fn abandoned(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
) -> Result<Option<Abandoned>, JournalError> {
    let id = run.to_string();
    let kind = sqlx::query_scalar!(
        r#"SELECT kind FROM events
           WHERE run_id = ?1 AND (kind = '"rollback-started"' OR kind LIKE '{"run-abandoned"%')
           ORDER BY n DESC LIMIT 1"#,
        id
    )
    .fetch_optional(tx)
    .await
    .map_err(|error| inner.failed(error))?;
    let kind: Option<EventKind> = Column("events", "kind").json_or_none(kind.as_deref())?;
    Ok(match kind {
        Some(EventKind::RunAbandoned { keep, from, .. }) => Some(Abandoned { keep, from }),
        _ => None,
    })
}

/// The step at which the ending of a run begins when this side is kept. It is where an earlier ending began, unless a
/// step of that one failed; its steps are then tried anew.
pub(super) async fn ends_from(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
    keep: Keep,
) -> Result<Seq, JournalError> {
    let before = abandoned(inner, tx, run).await?;
    let (id, from) = (run.to_string(), before.as_ref().map_or(0, |before| before.from.get()));
    let row = sqlx::query!(
        r#"SELECT count(*) AS "n_steps!: i64",
               coalesce(sum(status = 'failed' AND seq >= ?2), 0) AS "n_failed!: i64"
           FROM steps WHERE run_id = ?1"#,
        id,
        from
    )
    .fetch_one(tx)
    .await
    .map_err(|error| inner.failed(error))?;
    match before {
        // A rollback also undoes what ended the run for the other side.
        Some(before) if keep == Keep::Old => Ok(before.from),
        Some(before) if before.keep == keep && row.n_failed == 0 => Ok(before.from),
        Some(_) | None => Column("steps", "seq").seq(row.n_steps + 1),
    }
}
