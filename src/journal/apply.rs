//! The one place that writes a change: the fence, the events, the rows, and the codes of the rows.

use serde_json::Value;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::attest::{Renewed, Rows};
use super::canonical::of_event;
use super::change::{Change, StepChange, Tenure};
use super::error::{JournalError, WriteError};
use super::guard::{Lasts, lost};
use super::handle::Inner;
use super::row::{millis, text};
use super::{target, wal};
use crate::crash;
use crate::run::{Event, Half, Seq, UndoStatus};

/// The result of a change, once its transaction is committed.
pub(super) struct Applied {
    pub(super) events: Vec<Event>,
    pub(super) renewed: Renewed,
    pub(super) lasts: Lasts,
}

/// Writes a change within a transaction. This also confirms that the log is announced.
///
/// # Errors
/// [`WriteError::LeaseLost`] when the fence has moved on, and [`WriteError::TargetHeld`] when another run holds a
/// target that this one asks for. Nothing must be committed then.
pub(super) async fn apply(
    inner: &Inner,
    tx: &mut SqliteConnection,
    change: &Change,
) -> Result<Applied, WriteError> {
    let failed = |error| inner.failed(error);
    let codes = &inner.unlocked().map_err(JournalError::from)?.rows;
    let run = change.run.to_string();
    let lasts = Lasts::from_now(inner.clock);
    let Some(last) = write_run(tx, change, lasts).await.map_err(failed)? else {
        return Err(lost(tx, &run).await);
    };
    wal::confirm_within(tx).await.map_err(failed)?;
    let first = u32::try_from(last).unwrap_or(u32::MAX) + 1 - u32::try_from(change.events.len()).unwrap_or(0);
    let numbered = (first..).zip(change.events.iter().cloned());
    let events: Vec<Event> =
        numbered.map(|(n, kind)| Event { run: change.run, n, at: change.at, kind }).collect();
    for event in &events {
        let (at, kind) = (millis(event.at), text(&event.kind));
        let mac = of_event(codes, &run, event.n, at, &kind);
        let mac = mac.as_slice();
        sqlx::query!(
            "INSERT INTO events (run_id, n, at, kind, mac) VALUES (?1, ?2, ?3, ?4, ?5)",
            run,
            event.n,
            at,
            kind,
            mac
        )
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    }
    for (seq, step) in &change.steps {
        write_step(tx, &run, *seq, step).await.map_err(failed)?;
    }
    for (name, value) in &change.facts {
        sqlx::query!(
            "INSERT INTO facts (run_id, name, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (run_id, name) DO UPDATE SET value = excluded.value",
            run,
            name,
            value
        )
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    }
    for target in &change.holds {
        target::hold(inner, tx, change.run, target).await?;
    }
    if change.lets_go {
        target::let_go(inner, tx, change.run).await?;
    }
    let mut rows = Rows::new(&inner.path, codes, tx);
    if change.lets_go || !change.holds.is_empty() {
        rows.write_extent().await?;
    }
    let renewed = rows.renew(change.run, &events).await?;
    Ok(Applied { events, renewed, lasts })
}

/// Commits an applied change.
pub(super) async fn commit(inner: &Inner, tx: Transaction<'_, Sqlite>) -> Result<(), JournalError> {
    tx.commit().await.map_err(|error| inner.failed(error))?;
    crash::committed();
    Ok(())
}

/// Writes the standing of the run and the state of its lease. Returns the number of its last event, or `None` when the
/// fence has moved on.
async fn write_run(
    tx: &mut SqliteConnection,
    change: &Change,
    lasts: Lasts,
) -> Result<Option<i64>, sqlx::Error> {
    let (run, standing) = (change.run.to_string(), &change.standing);
    let (fence, next_fence) = (change.fence.get(), change.next_fence().get());
    let (state, error) = (standing.state.as_str(), standing.error.as_ref().map(text));
    let direction = standing.direction.as_str();
    let finished_at = standing.finished_at.map(millis);
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
    let n_events = i64::try_from(change.events.len()).unwrap_or(i64::MAX);
    sqlx::query_scalar!(
        "UPDATE runs SET state = ?1, direction = ?2, has_succeeded = ?3, error = ?4, finished_at = ?5, fence = ?6,
             holder = iif(?7, coalesce(?8, holder), NULL), lease_until = ?9, last_event = last_event + ?10
         WHERE id = ?11 AND fence = ?12 AND (holder IS NOT NULL OR NOT ?13)
         RETURNING last_event",
        state,
        direction,
        standing.has_succeeded,
        error,
        finished_at,
        next_fence,
        is_held,
        holder,
        until,
        n_events,
        run,
        fence,
        is_ours
    )
    .fetch_optional(tx)
    .await
}

async fn write_step(
    tx: &mut SqliteConnection,
    run: &str,
    seq: Seq,
    step: &StepChange,
) -> Result<(), sqlx::Error> {
    let number = seq.get();
    let (standing, forward) = (&step.standing, &step.standing.forward);
    let status = standing.state.status.as_str();
    if let Some(new) = &step.new {
        let (identity, effect, input, begun_at) =
            (new.id.as_str(), new.effect.as_str(), new.input.to_string(), millis(forward.begun_at));
        sqlx::query!(
            "INSERT INTO steps (run_id, seq, identity, activity, subject, effect, input, input_digest, status, attempt, begun_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            run, number, identity, new.activity, new.subject, effect, input, new.input_digest, status, forward.attempt, begun_at
        )
        .execute(&mut *tx)
        .await?;
        return Ok(());
    }
    let output = step.output.as_ref().map(Value::to_string);
    let there = Columns::of(forward);
    let undo_status = standing.state.undo.map(UndoStatus::as_str);
    let undo_attempt = standing.undo.as_ref().map_or(0, |undo| undo.attempt);
    let undo_begun_at = standing.undo.as_ref().map(|undo| millis(undo.begun_at));
    let back = standing.undo.as_ref().map_or_else(Columns::default, Columns::of);
    sqlx::query!(
        "UPDATE steps SET status = ?1, attempt = ?2, output = coalesce(?3, output), failure = ?4, finished_at = ?5,
             retry_since = ?6, next_attempt_at = ?7, undo_status = ?8, undo_attempt = ?9, undo_begun_at = ?10,
             undo_failure = ?11, undo_finished_at = ?12, undo_retry_since = ?13, undo_next_attempt_at = ?14
         WHERE run_id = ?15 AND seq = ?16",
        status,
        forward.attempt,
        output,
        there.failure,
        there.finished_at,
        there.retry_since,
        there.next_attempt_at,
        undo_status,
        undo_attempt,
        undo_begun_at,
        back.failure,
        back.finished_at,
        back.retry_since,
        back.next_attempt_at,
        run,
        number
    )
    .execute(tx)
    .await
    .map(drop)
}

/// The columns that both halves of a step have.
#[derive(Default)]
struct Columns {
    failure: Option<String>,
    finished_at: Option<i64>,
    retry_since: Option<i64>,
    next_attempt_at: Option<i64>,
}

impl Columns {
    fn of(half: &Half) -> Self {
        Self {
            failure: half.failure.as_ref().map(text),
            finished_at: half.finished_at.map(millis),
            retry_since: half.retry_since.map(millis),
            next_attempt_at: half.next_attempt_at.map(millis),
        }
    }
}
