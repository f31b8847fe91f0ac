//! What is authenticated of a run, when it is written and when it is read.
//!
//! The invariant: a process that takes a run knows that every row of it is as this program last wrote it. The code of
//! the run's own row covers the number of its last event and the codes of its facts and targets. The code of each step
//! covers the last event about it. So nothing can be edited, exchanged, removed, or put back from another time or run.
//! An older copy of the whole file cannot be told from the file as it was then.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::SqliteConnection;

use super::canonical::{EventRow, Head, Origin, Sets, StepRow};
use super::error::JournalError;
use super::mac::Authenticator;
use super::row::Column;
use super::sqlite::of_sqlx;
use crate::run::EventKind;

/// Marks a run of a version that did not authenticate rows, which was accepted as it stood.
pub(super) const OF_BEFORE: i64 = 1;
/// Marks a run without a code whose sealed values do not show that it is that old.
pub(super) const NEVER_TAKEN_UP: i64 = 2;

pub(super) fn altered(table: &'static str, place: impl Into<String>) -> JournalError {
    JournalError::Altered { table, place: place.into() }
}

/// Reads and writes rows and their codes within one transaction.
pub(super) struct Rows<'t> {
    pub(super) path: &'t Path,
    pub(super) codes: &'t Authenticator,
    pub(super) tx: &'t mut SqliteConnection,
}

impl<'t> Rows<'t> {
    pub(super) fn new(path: &'t Path, codes: &'t Authenticator, tx: &'t mut SqliteConnection) -> Self {
        Self { path, codes, tx }
    }

    pub(super) async fn head(&mut self, run: &str) -> Result<Head, JournalError> {
        let head = head_of(self.tx, self.path, run).await?;
        head.ok_or_else(|| altered("runs", format!("run {run} is missing")))
    }

    pub(super) async fn origin(&mut self, run: &str) -> Result<Origin, JournalError> {
        sqlx::query_as!(
            Origin,
            "SELECT id, number, workflow, workflow_version, name, input, context, on_failure, created_at, is_of_before
             FROM runs WHERE id = ?1",
            run
        )
        .fetch_one(&mut *self.tx)
        .await
        .map_err(|error| of_sqlx(self.path, error))
    }

    pub(super) async fn steps(
        &mut self,
        run: &str,
        from: i64,
        to: i64,
    ) -> Result<Vec<StepRow>, JournalError> {
        sqlx::query_as!(
            StepRow,
            "SELECT seq, identity, activity, subject, effect, input, input_digest, status, attempt, output, failure, begun_at, finished_at,
                 retry_since, next_attempt_at, undo_status, undo_attempt, undo_failure, undo_begun_at, undo_finished_at,
                 undo_retry_since, undo_next_attempt_at, as_of, mac
             FROM steps WHERE run_id = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq",
            run,
            from,
            to
        )
        .fetch_all(&mut *self.tx)
        .await
        .map_err(|error| of_sqlx(self.path, error))
    }

    pub(super) async fn events(&mut self, run: &str) -> Result<Vec<EventRow>, JournalError> {
        sqlx::query_as!(EventRow, "SELECT n, at, kind, mac FROM events WHERE run_id = ?1 ORDER BY n", run)
            .fetch_all(&mut *self.tx)
            .await
            .map_err(|error| of_sqlx(self.path, error))
    }

    /// The facts and the targets of a run.
    pub(super) async fn sets_of(&mut self, run: &str) -> Result<Sets, JournalError> {
        let number = sqlx::query_scalar!("SELECT number FROM runs WHERE id = ?1", run)
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(|error| of_sqlx(self.path, error))?;
        let Some(number) = number else { return Ok(Sets::default()) };
        Ok(self.sets(number, number).await?.remove(run).unwrap_or_default())
    }

    /// The facts and the targets of the runs with these numbers, both ends included.
    pub(super) async fn sets(&mut self, from: i64, to: i64) -> Result<BTreeMap<String, Sets>, JournalError> {
        let found = sqlx::query!(
            r#"SELECT run_id AS "run!: String", 0 AS "is_target!: i64", facts.name AS "name!: String", value AS "value!: String"
                   FROM runs JOIN facts ON run_id = id WHERE number BETWEEN ?1 AND ?2
               UNION ALL
               SELECT run_id, 1, target, CAST(held AS TEXT)
                   FROM runs JOIN targets ON run_id = id WHERE number BETWEEN ?1 AND ?2
               ORDER BY 1, 2, 3"#,
            from,
            to
        )
        .fetch_all(&mut *self.tx)
        .await
        .map_err(|error| of_sqlx(self.path, error))?;
        let mut sets: BTreeMap<String, Sets> = BTreeMap::new();
        for row in found {
            let of_run = sets.entry(row.run).or_default();
            let set = if row.is_target == 0 { &mut of_run.facts } else { &mut of_run.targets };
            set.insert(row.name, row.value);
        }
        Ok(sets)
    }

    async fn write_step(&mut self, run: &String, mut row: StepRow, as_of: i64) -> Result<(), JournalError> {
        row.as_of = Some(as_of);
        let mac = self.codes.mac("steps", &row.cells(run));
        let code = mac.as_slice();
        sqlx::query!(
            "UPDATE steps SET as_of = ?1, mac = ?2 WHERE run_id = ?3 AND seq = ?4",
            as_of,
            code,
            run,
            row.seq
        )
        .execute(&mut *self.tx)
        .await
        .map_err(|error| of_sqlx(self.path, error))?;
        Ok(())
    }

    async fn write_head(&mut self, run: &String) -> Result<(), JournalError> {
        let sets = self.sets_of(run).await?;
        let (facts, targets) = sets.macs(self.codes, run);
        let mut head = self.head(run).await?;
        head.facts_mac = Some(facts.to_vec());
        head.targets_mac = Some(targets.to_vec());
        let mac = self.codes.mac("runs", &head.cells());
        let (facts, targets, code) = (facts.as_slice(), targets.as_slice(), mac.as_slice());
        sqlx::query!(
            "UPDATE runs SET facts_mac = ?1, targets_mac = ?2, mac = ?3 WHERE id = ?4",
            facts,
            targets,
            code,
            run
        )
        .execute(&mut *self.tx)
        .await
        .map_err(|error| of_sqlx(self.path, error))?;
        Ok(())
    }

    async fn write_origin(&mut self, run: &str) -> Result<(), JournalError> {
        let origin = self.origin(run).await?;
        let mac = self.codes.mac("origin", &origin.cells());
        let code = mac.as_slice();
        sqlx::query!("UPDATE runs SET origin_mac = ?1 WHERE id = ?2", code, run)
            .execute(&mut *self.tx)
            .await
            .map_err(|error| of_sqlx(self.path, error))?;
        Ok(())
    }

    /// Gives a code to every row of a run in its present state.
    pub(super) async fn write_all(&mut self, run: &String) -> Result<(), JournalError> {
        let mut last: BTreeMap<i64, i64> = BTreeMap::new();
        for event in self.events(run).await? {
            let mac = self.codes.mac("events", &event.cells(run));
            let code = mac.as_slice();
            sqlx::query!("UPDATE events SET mac = ?1 WHERE run_id = ?2 AND n = ?3", code, run, event.n)
                .execute(&mut *self.tx)
                .await
                .map_err(|error| of_sqlx(self.path, error))?;
            note(&mut last, &event)?;
        }
        for row in self.steps(run, 1, i64::MAX).await? {
            let as_of = last.get(&row.seq).copied().unwrap_or_default();
            self.write_step(run, row, as_of).await?;
        }
        self.write_origin(run).await?;
        self.write_head(run).await?;
        Ok(())
    }
}

/// The standing of a run, if there is such a run.
pub(super) async fn head_of(
    tx: &mut SqliteConnection,
    path: &Path,
    run: &str,
) -> Result<Option<Head>, JournalError> {
    sqlx::query_as!(
        Head,
        "SELECT id, state, direction, has_succeeded, error, finished_at, fence, last_event, origin_mac, facts_mac,
                 targets_mac, mac
             FROM runs WHERE id = ?1",
        run
    )
    .fetch_optional(tx)
    .await
    .map_err(|error| of_sqlx(path, error))
}

/// Remembers which step an event is about, and returns what happened.
pub(super) fn note(last: &mut BTreeMap<i64, i64>, event: &EventRow) -> Result<EventKind, JournalError> {
    let kind: EventKind = Column("events", "kind").json(&event.kind)?;
    if let Some(seq) = kind.step() {
        last.insert(i64::from(seq.get()), event.n);
    }
    Ok(kind)
}
