//! Verifies that the rows of a run agree with its events.
//!
//! The invariant: rows that no sequence of events produces are noticed before the program acts on them, by the same
//! transition tables by which they were written. For rows with codes this is a second net; for the rows of older
//! versions it is the only one. `run::fold` lists the parts of a row that the events do not determine.

use std::path::Path;

use sqlx::SqliteConnection;

use super::attest::{altered, head_of};
use super::canonical::Head;
use super::error::JournalError;
use super::row::{Column, text};
use super::sqlite::of_sqlx;
use super::step::load_standings;
use crate::run::{EventKind, Folded, FoldedStep, RunId, RunStanding, Seq, StepStanding, stamp};

/// Makes sure that a run and its steps have the standings that follow from its events.
///
/// # Errors
/// [`JournalError::Altered`] with the table and the place.
pub(super) async fn check(tx: &mut SqliteConnection, path: &Path, run: RunId) -> Result<(), JournalError> {
    let id = run.to_string();
    let mut told = Telling::of(&id);
    let events = sqlx::query!("SELECT n, at, kind FROM events WHERE run_id = ?1 ORDER BY n", id)
        .fetch_all(&mut *tx)
        .await
        .map_err(|error| of_sqlx(path, error))?;
    for event in events {
        told.follow(event.n, event.at, &Column("events", "kind").json(&event.kind)?)?;
    }
    let head = head_of(&mut *tx, path, &id).await?.ok_or(JournalError::NoSuchRun(run))?;
    told.expect(&head, load_standings(path, &mut *tx, &id).await?)
}

/// What the events of a run tell.
pub(super) struct Telling<'t> {
    id: &'t str,
    run: Option<Folded>,
    n_events: i64,
}

impl<'t> Telling<'t> {
    pub(super) const fn of(id: &'t str) -> Self {
        Self { id, run: None, n_events: 0 }
    }

    /// Adds the next event.
    pub(super) fn follow(&mut self, n: i64, at: i64, kind: &EventKind) -> Result<(), JournalError> {
        let (id, expected) = (self.id, self.n_events + 1);
        if n != expected {
            return Err(altered("events", format!("event {expected} of run {id} is missing")));
        }
        self.n_events = expected;
        let at = Column("events", "at").time(at)?;
        let followed = match &mut self.run {
            Some(run) => run.follow(kind, at),
            None => Folded::begin(kind).map(|begun| self.run = Some(begun)),
        };
        followed.map_err(|error| altered("events", format!("event {expected} of run {id}: {error}")))
    }

    /// Makes sure that the rows stand where the events have led.
    pub(super) fn expect(self, head: &Head, rows: Vec<(Seq, FoldedStep)>) -> Result<(), JournalError> {
        let id = self.id;
        let Some(told) = self.run else {
            return Err(altered("events", format!("event 1 of run {id} is missing")));
        };
        if self.n_events != head.last_event {
            return Err(altered("events", format!("the last of run {id} is not number {}", head.last_event)));
        }
        let stands = standing_of(head)?;
        if let Some((column, is, told)) = difference(of_run(&stands), of_run(&told.run)) {
            return Err(altered(
                "runs",
                format!("run {id}: its {column} is {is}, and its events make it {told}"),
            ));
        }
        let steps = told.steps;
        if rows.len() > steps.len() {
            let place = format!("step {} of run {id}: no event begins it", steps.len() + 1);
            return Err(altered("steps", place));
        }
        let mut rows = rows.into_iter();
        for (step, number) in steps.iter().zip(1..) {
            let Some((_, row)) = rows.next().filter(|(seq, _)| seq.get() == number) else {
                return Err(altered("steps", format!("step {number} of run {id} is missing")));
            };
            if row == *step {
                continue;
            }
            if let Some((column, is, told)) = difference(of_step(&row), of_step(step)) {
                return Err(altered(
                    "steps",
                    format!("step {number} of run {id}: its {column} is {is}, and its events make it {told}"),
                ));
            }
        }
        Ok(())
    }
}

fn standing_of(head: &Head) -> Result<RunStanding, JournalError> {
    let at = |column| Column("runs", column);
    Ok(RunStanding {
        state: at("state").parse(&head.state)?,
        direction: at("direction").parse(&head.direction)?,
        has_succeeded: head.has_succeeded != 0,
        error: at("error").json_or_none(head.error.as_deref())?,
        finished_at: at("finished_at").time_or_none(head.finished_at)?,
    })
}

/// A column's name, and its content in words.
type Cell = (&'static str, String);

/// The first column that disagrees with the events: its name, its content, and what the events say.
fn difference(
    is: impl IntoIterator<Item = Cell>,
    told: impl IntoIterator<Item = Cell>,
) -> Option<(&'static str, String, String)> {
    let mut pairs = is.into_iter().zip(told);
    pairs.find_map(|((column, is), (_, told))| (is != told).then_some((column, is, told)))
}

fn shown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "nothing".to_owned(), show)
}

fn of_run(standing: &RunStanding) -> [Cell; 5] {
    [
        ("state", standing.state.to_string()),
        ("direction", standing.direction.to_string()),
        ("has_succeeded", u8::from(standing.has_succeeded).to_string()),
        ("error", shown(standing.error.as_ref(), text)),
        ("finished_at", shown(standing.finished_at, stamp)),
    ]
}

/// The columns of a step that its events determine. The time since which it fails is not one: a resume may have
/// forgotten it.
fn of_step(step: &FoldedStep) -> [Cell; 15] {
    let StepStanding { state, forward, undo } = &step.standing;
    let undo = undo.as_ref();
    [
        ("activity", step.name.clone()),
        ("subject", shown(step.subject.clone(), |subject| subject)),
        ("effect", step.effect.to_string()),
        ("status", state.status.to_string()),
        ("attempt", forward.attempt.to_string()),
        ("begun_at", stamp(forward.begun_at)),
        ("failure", shown(forward.failure.as_ref(), text)),
        ("finished_at", shown(forward.finished_at, stamp)),
        ("next_attempt_at", shown(forward.next_attempt_at, stamp)),
        ("undo_status", shown(state.undo, |status| status.to_string())),
        ("undo_attempt", undo.map_or(0, |undo| undo.attempt).to_string()),
        ("undo_begun_at", shown(undo.map(|undo| undo.begun_at), stamp)),
        ("undo_failure", shown(undo.and_then(|undo| undo.failure.as_ref()), text)),
        ("undo_finished_at", shown(undo.and_then(|undo| undo.finished_at), stamp)),
        ("undo_next_attempt_at", shown(undo.and_then(|undo| undo.next_attempt_at), stamp)),
    ]
}
