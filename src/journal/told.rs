//! Whether the rows of a run are what its events make of it.
//!
//! The invariant: a run whose rows no sequence of events produces is noticed before it is obeyed, by the same tables of
//! transitions by which it was written. Of rows with codes this is a second net; of those of a version before it is the
//! only one. `run::fold` says what of a row its events do not tell.

use std::path::Path;

use sqlx::SqliteConnection;

use super::attest::altered;
use super::error::JournalError;
use super::row::Column;
use super::sqlite::of_sqlx;
use crate::run::{EventKind, Folded, FoldedStep, RunId, RunStanding, StepStanding};

/// Makes sure that a run and its steps stand where its events put them.
///
/// # Errors
/// [`JournalError::Altered`] with the table and the place.
pub(super) async fn check(tx: &mut SqliteConnection, path: &Path, run: RunId) -> Result<(), JournalError> {
    let failed = |error| of_sqlx(path, error);
    let id = run.to_string();
    let told = fold(&mut *tx, path, &id).await?;
    let head = sqlx::query!("SELECT state, direction, has_succeeded, last_event FROM runs WHERE id = ?1", id)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
    let wrong = |what: &str, is: &str, told: &str| {
        altered("runs", format!("run {id}: its {what} is {is}, and its events make it {told}"))
    };
    if told.n_events != head.last_event {
        return Err(altered("events", format!("the last of run {id} is not number {}", head.last_event)));
    }
    let Folded { run: RunStanding { state, direction: way, has_succeeded, .. }, steps } = told.run;
    if head.state != state.as_str() {
        return Err(wrong("state", &head.state, state.as_str()));
    }
    if head.direction != way.as_str() {
        return Err(wrong("direction", &head.direction, way.as_str()));
    }
    if (head.has_succeeded != 0) != has_succeeded {
        return Err(wrong("has_succeeded", &head.has_succeeded.to_string(), &has_succeeded.to_string()));
    }
    let rows = sqlx::query_as!(
        StepRow,
        "SELECT seq, activity, subject, effect, status, attempt, undo_status, undo_attempt FROM steps
         WHERE run_id = ?1 ORDER BY seq",
        id
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(failed)?;
    if rows.len() > steps.len() {
        return Err(altered("steps", format!("step {} of run {id}: no event begins it", steps.len() + 1)));
    }
    let mut rows = rows.into_iter();
    for (step, number) in steps.iter().zip(1..) {
        let Some(row) = rows.next().filter(|row| row.seq == number) else {
            return Err(altered("steps", format!("step {number} of run {id} is missing")));
        };
        if let Some((column, is, told)) = row.difference(step) {
            return Err(altered(
                "steps",
                format!("step {} of run {id}: its {column} is {is}, and its events make it {told}", row.seq),
            ));
        }
    }
    Ok(())
}

struct Told {
    run: Folded,
    n_events: i64,
}

async fn fold(tx: &mut SqliteConnection, path: &Path, id: &str) -> Result<Told, JournalError> {
    let events = sqlx::query!("SELECT n, at, kind FROM events WHERE run_id = ?1 ORDER BY n", id)
        .fetch_all(tx)
        .await
        .map_err(|error| of_sqlx(path, error))?;
    let mut told: Option<Folded> = None;
    let mut n_events = 0;
    for event in events {
        n_events += 1;
        if event.n != n_events {
            return Err(altered("events", format!("event {n_events} of run {id} is missing")));
        }
        let kind: EventKind = Column("events", "kind").json(&event.kind)?;
        let at = Column("events", "at").time(event.at)?;
        let followed = match &mut told {
            Some(told) => told.follow(&kind, at),
            None => Folded::begin(&kind).map(|begun| told = Some(begun)),
        };
        followed.map_err(|error| altered("events", format!("event {n_events} of run {id}: {error}")))?;
    }
    match told {
        Some(run) => Ok(Told { run, n_events }),
        None => Err(altered("events", format!("event 1 of run {id} is missing"))),
    }
}

struct StepRow {
    seq: i64,
    activity: String,
    subject: Option<String>,
    effect: String,
    status: String,
    attempt: i64,
    undo_status: Option<String>,
    undo_attempt: i64,
}

impl StepRow {
    /// The first column that is not what the events say: its name, what it holds, and what they say.
    fn difference(&self, told: &FoldedStep) -> Option<(&'static str, String, String)> {
        let none = || "nothing".to_owned();
        let StepStanding { state, forward, undo: back } = &told.standing;
        let undo = state.undo.map(|undo| undo.as_str().to_owned());
        let undo_attempt = back.as_ref().map_or(0, |back| back.attempt);
        [
            ("activity", self.activity.clone(), told.name.clone()),
            ("subject", self.subject.clone().unwrap_or_else(none), told.subject.clone().unwrap_or_else(none)),
            ("effect", self.effect.clone(), told.effect.as_str().to_owned()),
            ("status", self.status.clone(), state.status.as_str().to_owned()),
            ("attempt", self.attempt.to_string(), forward.attempt.to_string()),
            ("undo_status", self.undo_status.clone().unwrap_or_else(none), undo.unwrap_or_else(none)),
            ("undo_attempt", self.undo_attempt.to_string(), undo_attempt.to_string()),
        ]
        .into_iter()
        .find(|(_, is, told)| is != told)
    }
}
