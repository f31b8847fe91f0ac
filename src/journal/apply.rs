//! The one place that writes a change: the fence, the events, the rows, and the codes of the rows.

use std::sync::atomic::Ordering;

use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::attest::{Rows, altered};
use super::canonical::{Head, StepRow, of_event};
use super::change::{Change, StepChange, Tenure};
use super::error::{JournalError, WriteError};
use super::guard::{Lasts, lost};
use super::handle::Inner;
use super::known::{Known, Written};
use super::mac::{Authenticator, Mac};
use super::row::{millis, text};
use super::{target, wal};
use crate::crash;
use crate::run::{Event, Seq};

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
    let codes = &inner.unlocked().map_err(JournalError::from)?.rows;
    let run = change.run.to_string();
    let lasts = Lasts::from_now(inner.clock);
    let sets = known.sets_after(change);
    let (facts, targets) = sets.as_ref().unwrap_or(&known.sets).macs(codes, &run);
    let head = head_after(change, known, facts, targets);
    let mac = codes.mac("runs", &head.cells());
    if !write_head(tx, change, known, &head, mac, lasts).await.map_err(failed)? {
        return Err(refused(tx, change, &run).await);
    }
    if inner.has_announced.load(Ordering::Relaxed) {
        wal::confirm_within(tx).await.map_err(failed)?;
    }
    let first = u32::try_from(known.last_event + 1).unwrap_or(u32::MAX);
    let numbered = (first..).zip(change.events.iter().cloned());
    let events: Vec<Event> = numbered.map(|(n, (at, kind))| Event { run: change.run, n, at, kind }).collect();
    for event in &events {
        write_event(tx, codes, &run, event).await.map_err(failed)?;
    }
    let mut rows = Rows::new(&inner.path, codes, tx);
    let mut steps = Vec::with_capacity(change.steps.len());
    for (seq, step) in &change.steps {
        let is_about_it = |event: &&Event| event.kind.step() == Some(*seq);
        let as_of = events.iter().rfind(is_about_it).map_or(0, |event| i64::from(event.n));
        let row = match (&step.new, known.step(*seq)) {
            (Some(_), _) => StepRow::new(*seq, step),
            (None, Some(row)) => row.clone(),
            (None, None) => rows.step(&run, *seq, known).await?,
        };
        steps.push(rows.write_change(&run, step, row.after(step, as_of), known.code(*seq)).await?);
    }
    for (name, value) in &change.facts {
        sqlx::query!(
            "INSERT INTO facts (run_id, name, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (run_id, name) DO UPDATE SET value = excluded.value",
            run,
            name,
            value
        )
        .execute(&mut *rows.tx)
        .await
        .map_err(failed)?;
    }
    for target in &change.holds {
        target::hold(inner, rows.tx, change.run, target).await?;
    }
    if change.lets_go {
        target::let_go(inner, rows.tx, change.run).await?;
    }
    if change.moves_targets() {
        rows.write_extent().await?;
    }
    let written = Written { head: mac, last_event: head.last_event, sets, steps };
    Ok(Applied { events, written, lasts })
}

/// Commits an applied change.
pub(super) async fn commit(inner: &Inner, tx: Transaction<'_, Sqlite>) -> Result<(), JournalError> {
    tx.commit().await.map_err(|error| inner.failed(error))?;
    inner.has_announced.store(false, Ordering::Relaxed);
    crash::committed();
    Ok(())
}

/// The run's row after a change.
fn head_after(change: &Change, known: &Known, facts: Mac, targets: Mac) -> Head {
    let standing = &change.standing;
    Head {
        id: change.run.to_string(),
        state: standing.state.as_str().to_owned(),
        direction: standing.direction.as_str().to_owned(),
        has_succeeded: standing.has_succeeded.into(),
        error: standing.error.as_ref().map(text),
        finished_at: standing.finished_at.map(millis),
        fence: change.next_fence().get(),
        last_event: known.last_event + i64::try_from(change.events.len()).unwrap_or(i64::MAX),
        origin_mac: Some(known.origin.to_vec()),
        facts_mac: Some(facts.to_vec()),
        targets_mac: Some(targets.to_vec()),
        mac: None,
    }
}

/// Writes the run's row and the state of its lease. Returns false when the fence has moved on, or the row is not the
/// one that is known.
async fn write_head(
    tx: &mut SqliteConnection,
    change: &Change,
    known: &Known,
    head: &Head,
    mac: Mac,
    lasts: Lasts,
) -> Result<bool, sqlx::Error> {
    let (is_ours, is_held) = match change.tenure {
        Tenure::Renewed => (true, true),
        Tenure::Ended => (true, false),
        Tenure::Taken(_) => (false, true),
        Tenure::Revoked => (false, false),
    };
    let until = is_held.then(|| lasts.until());
    let holder = match &change.tenure {
        Tenure::Taken(holder) => Some(text(holder)),
        Tenure::Renewed | Tenure::Ended | Tenure::Revoked => None,
    };
    let (fence, before, mac) = (change.fence.get(), known.head.as_ref().map(Mac::as_slice), mac.as_slice());
    let done = sqlx::query!(
        "UPDATE runs SET state = ?1, direction = ?2, has_succeeded = ?3, error = ?4, finished_at = ?5, fence = ?6,
             holder = iif(?7, coalesce(?8, holder), NULL), lease_until = ?9, last_event = ?10, facts_mac = ?11,
             targets_mac = ?12, mac = ?13
         WHERE id = ?14 AND fence = ?15 AND mac IS ?16 AND (holder IS NOT NULL OR NOT ?17)",
        head.state,
        head.direction,
        head.has_succeeded,
        head.error,
        head.finished_at,
        head.fence,
        is_held,
        holder,
        until,
        head.last_event,
        head.facts_mac,
        head.targets_mac,
        mac,
        head.id,
        fence,
        before,
        is_ours
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Why the run's row was not written.
async fn refused(tx: &mut SqliteConnection, change: &Change, run: &str) -> WriteError {
    let is_ours = matches!(change.tenure, Tenure::Renewed | Tenure::Ended);
    let found =
        sqlx::query!("SELECT fence, holder FROM runs WHERE id = ?1", run).fetch_optional(&mut *tx).await;
    match found {
        Ok(Some(row)) if row.fence == change.fence.get() && (row.holder.is_some() || !is_ours) => {
            altered("runs", format!("run {run}")).into()
        }
        Ok(None) => altered("runs", format!("run {run} is missing")).into(),
        Ok(Some(_)) | Err(_) => lost(tx, run).await,
    }
}

async fn write_event(
    tx: &mut SqliteConnection,
    codes: &Authenticator,
    run: &String,
    event: &Event,
) -> Result<(), sqlx::Error> {
    let (at, kind) = (millis(event.at), text(&event.kind));
    let mac = of_event(codes, run, event.n, at, &kind);
    let mac = mac.as_slice();
    sqlx::query!(
        "INSERT INTO events (run_id, n, at, kind, mac) VALUES (?1, ?2, ?3, ?4, ?5)",
        run,
        event.n,
        at,
        kind,
        mac
    )
    .execute(tx)
    .await
    .map(drop)
}

impl Rows<'_> {
    /// The row of a step, which must be the one that is known.
    async fn step(&mut self, run: &String, seq: Seq, known: &Known) -> Result<StepRow, JournalError> {
        let number = i64::from(seq.get());
        let row = self.steps(run, number, number).await?.pop();
        let row = row.ok_or_else(|| altered("steps", format!("step {seq} of run {run} is missing")))?;
        if Some(self.codes.mac("steps", &row.cells(run))) == known.code(seq) {
            Ok(row)
        } else {
            Err(altered("steps", row.place(run)))
        }
    }

    /// Writes a step's row, which must still have the code that is known, if it was written before.
    async fn write_change(
        &mut self,
        run: &String,
        step: &StepChange,
        row: StepRow,
        before: Option<Mac>,
    ) -> Result<(StepRow, Mac), JournalError> {
        let failed = |error| super::sqlite::of_sqlx(self.path, error);
        let mac = self.codes.mac("steps", &row.cells(run));
        let (code, before) = (mac.as_slice(), before.as_ref().map(Mac::as_slice));
        if step.new.is_some() {
            sqlx::query!(
                "INSERT INTO steps (run_id, seq, identity, activity, subject, effect, input, input_digest, status, attempt,
                     begun_at, as_of, mac)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                run, row.seq, row.identity, row.activity, row.subject, row.effect, row.input, row.input_digest, row.status,
                row.attempt, row.begun_at, row.as_of, code
            )
            .execute(&mut *self.tx)
            .await
            .map_err(failed)?;
            return Ok((row, mac));
        }
        let done = sqlx::query!(
            "UPDATE steps SET status = ?1, attempt = ?2, output = coalesce(?3, output), failure = ?4, finished_at = ?5,
                 retry_since = ?6, next_attempt_at = ?7, undo_status = ?8, undo_attempt = ?9, undo_begun_at = ?10,
                 undo_failure = ?11, undo_finished_at = ?12, undo_retry_since = ?13, undo_next_attempt_at = ?14,
                 as_of = ?15, mac = ?16
             WHERE run_id = ?17 AND seq = ?18 AND mac IS ?19",
            row.status,
            row.attempt,
            row.output,
            row.failure,
            row.finished_at,
            row.retry_since,
            row.next_attempt_at,
            row.undo_status,
            row.undo_attempt,
            row.undo_begun_at,
            row.undo_failure,
            row.undo_finished_at,
            row.undo_retry_since,
            row.undo_next_attempt_at,
            row.as_of,
            code,
            run,
            row.seq,
            before
        )
        .execute(&mut *self.tx)
        .await
        .map_err(failed)?;
        if done.rows_affected() == 0 { Err(altered("steps", row.place(run))) } else { Ok((row, mac)) }
    }
}
