//! A step as it is stored: its input, and the course of its two halves.

use std::path::Path;

use sqlx::SqliteConnection;

use super::canonical::StepRow;
use super::error::JournalError;
use super::handle::Inner;
use super::kept::Kept;
use super::row::Column;
use super::sqlite::of_sqlx;
use super::stored::masked;
use crate::run::{
    Direction, Effect, FoldedStep, Half, RunId, Seq, StepId, StepRecord, StepStanding, StepState, UndoRecord,
};

/// A step as the engine needs it: opened and typed.
#[derive(Clone, Debug)]
pub struct StoredStep {
    /// Its number.
    pub seq: Seq,
    /// Its name in the cloud.
    pub id: StepId,
    /// The activity's name.
    pub activity: String,
    /// The subject that the activity acts on.
    pub subject: Option<String>,
    /// Its effect on the world.
    pub effect: Effect,
    /// The activity itself.
    pub input: Kept,
    /// The digest of the input without its secrets.
    pub input_digest: String,
    /// Its state.
    pub state: StepState,
    /// Its checkpoint.
    pub output: Option<Kept>,
    /// The attempts to do it.
    pub forward: Half,
    /// The attempts to undo it, if there were any.
    pub undo: Option<Half>,
}

/// The steps of a run, in order. Confidential values are still sealed.
pub(super) async fn load_steps(
    inner: &Inner,
    connection: &mut SqliteConnection,
    run: RunId,
) -> Result<Vec<StoredStep>, JournalError> {
    let id = run.to_string();
    let rows = sqlx::query_as!(
        StepRow,
        "SELECT seq, identity, activity, subject, effect, input, input_digest, status, attempt, output, failure, begun_at, finished_at,
             retry_since, next_attempt_at, undo_status, undo_attempt, undo_failure, undo_begun_at, undo_finished_at,
             undo_retry_since, undo_next_attempt_at, as_of, mac
         FROM steps WHERE run_id = ?1 ORDER BY seq",
        id
    )
    .fetch_all(connection)
    .await
    .map_err(|error| inner.failed(error))?;
    stored(rows)
}

/// Rows as steps.
///
/// # Errors
/// When one is missing: a gap would give every later step another number.
pub(super) fn stored(rows: Vec<StepRow>) -> Result<Vec<StoredStep>, JournalError> {
    rows.into_iter()
        .zip(1..)
        .map(|(row, expected)| {
            let step = row.into_step()?;
            if step.seq.get() != expected {
                return Err(Column("steps", "seq").error(format!("step {expected} is missing")));
            }
            Ok(step)
        })
        .collect()
}

/// The steps of a run as its events tell them: without inputs and results, and whether or not one is missing.
pub(super) async fn load_standings(
    path: &Path,
    connection: &mut SqliteConnection,
    run: &str,
) -> Result<Vec<(Seq, FoldedStep)>, JournalError> {
    let rows = sqlx::query_as!(
        StepRow,
        r#"SELECT seq, identity, activity, subject, effect, 'null' AS "input!: String", input_digest, status, attempt,
             NULL AS "output: String", failure, begun_at, finished_at, retry_since, next_attempt_at, undo_status,
             undo_attempt, undo_failure, undo_begun_at, undo_finished_at, undo_retry_since, undo_next_attempt_at,
             NULL AS "as_of: i64", NULL AS "mac: Vec<u8>"
         FROM steps WHERE run_id = ?1 ORDER BY seq"#,
        run
    )
    .fetch_all(connection)
    .await
    .map_err(|error| of_sqlx(path, error))?;
    rows.into_iter().map(|row| Ok(folded(&row.into_step()?))).collect()
}

/// A step as its events tell it.
pub(super) fn folded(step: &StoredStep) -> (Seq, FoldedStep) {
    let (name, subject) = (step.activity.clone(), step.subject.clone());
    (step.seq, FoldedStep { name, subject, effect: step.effect, standing: step.standing() })
}

impl StepRow {
    /// Converts the row to the words of a run.
    pub(super) fn into_step(self) -> Result<StoredStep, JournalError> {
        let at = |column| Column("steps", column);
        let seq = at("seq").seq(self.seq)?;
        let undo = match at("undo_begun_at").time_or_none(self.undo_begun_at)? {
            None => None,
            Some(begun_at) => Some(Half {
                attempt: at("undo_attempt").number(self.undo_attempt)?,
                failure: at("undo_failure").json_or_none(self.undo_failure.as_deref())?,
                begun_at,
                finished_at: at("undo_finished_at").time_or_none(self.undo_finished_at)?,
                retry_since: at("undo_retry_since").time_or_none(self.undo_retry_since)?,
                next_attempt_at: at("undo_next_attempt_at").time_or_none(self.undo_next_attempt_at)?,
            }),
        };
        Ok(StoredStep {
            seq,
            id: self.identity.map_or_else(|| seq.into(), StepId::from),
            effect: at("effect").parse(&self.effect)?,
            input: Kept::stored(self.input),
            state: StepState {
                status: at("status").parse(&self.status)?,
                undo: self.undo_status.map(|status| at("undo_status").parse(&status)).transpose()?,
            },
            output: self.output.map(Kept::stored),
            forward: Half {
                attempt: at("attempt").number(self.attempt)?,
                failure: at("failure").json_or_none(self.failure.as_deref())?,
                begun_at: at("begun_at").time(self.begun_at)?,
                finished_at: at("finished_at").time_or_none(self.finished_at)?,
                retry_since: at("retry_since").time_or_none(self.retry_since)?,
                next_attempt_at: at("next_attempt_at").time_or_none(self.next_attempt_at)?,
            },
            undo,
            activity: self.activity,
            subject: self.subject,
            input_digest: self.input_digest,
        })
    }
}

impl StoredStep {
    /// The standing of the step.
    pub(super) fn standing(&self) -> StepStanding {
        StepStanding { state: self.state, forward: self.forward.clone(), undo: self.undo.clone() }
    }

    /// Gives the step another standing.
    pub(super) fn stands(&mut self, standing: StepStanding) {
        let StepStanding { state, forward, undo } = standing;
        (self.state, self.forward, self.undo) = (state, forward, undo);
    }

    /// The number of attempts to do the step, or to undo it.
    pub fn attempts(&self, direction: Direction) -> u32 {
        match direction {
            Direction::Forward => self.forward.attempt,
            Direction::Backward => self.undo.as_ref().map_or(0, |undo| undo.attempt),
        }
    }

    /// The form of the step that other processes may see.
    pub(super) fn into_record(self) -> Result<StepRecord, JournalError> {
        let compensation = self.state.undo.zip(self.undo).map(|(status, undo)| UndoRecord {
            status,
            attempts: undo.attempt,
            started_at: undo.begun_at,
            finished_at: undo.finished_at,
            error: undo.failure,
        });
        let result = self.output.map(|output| output.json("output")).transpose()?;
        Ok(StepRecord {
            seq: self.seq,
            name: self.activity,
            subject: self.subject,
            effect: self.effect,
            status: self.state.status,
            attempts: self.forward.attempt,
            started_at: self.forward.begun_at,
            finished_at: self.forward.finished_at,
            result: result.map(masked),
            error: self.forward.failure,
            compensation,
        })
    }
}
