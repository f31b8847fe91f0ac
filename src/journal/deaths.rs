//! Counts how many processes in a row have died in one step: between the step's beginnings there is nothing but takings
//! of the run.

use sqlx::SqliteConnection;

use super::error::JournalError;
use super::handle::Inner;
use super::row::Column;
use super::step::StoredStep;
use crate::run::{Direction, EventKind, RunId, Seq};

/// Processes that died in one step, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deaths {
    /// The step, or the step whose compensation it was.
    pub seq: Seq,
    /// Whether the processes were doing the step or undoing it.
    pub direction: Direction,
    /// The number of deaths, up to the limit of counting.
    pub n: u32,
}

/// The limit of counting.
const COUNTED_MOST: u32 = 100;
/// The events of one death: the run is taken, turned round if it goes backwards, and the step begins.
const EVENTS_OF_ONE: u32 = 3;

/// The deaths of processes in the step that is under way, if there were any.
pub(super) async fn count(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
    steps: &[StoredStep],
) -> Result<Option<Deaths>, JournalError> {
    let id = run.to_string();
    // Each beginning is an attempt. Besides, the run has just been taken.
    let attempts =
        |step: &StoredStep| step.attempts(Direction::Forward).max(step.attempts(Direction::Backward));
    let n_most = steps.iter().map(attempts).max().unwrap_or(0).min(COUNTED_MOST) + 1;
    let most = EVENTS_OF_ONE * n_most;
    let kinds =
        sqlx::query_scalar!("SELECT kind FROM events WHERE run_id = ?1 ORDER BY n DESC LIMIT ?2", id, most)
            .fetch_all(tx)
            .await
            .map_err(|error| inner.failed(error))?;
    let mut deaths: Option<Deaths> = None;
    for kind in kinds {
        let (seq, direction) = match Column("events", "kind").json(&kind)? {
            EventKind::LeaseTaken { .. } | EventKind::RollbackStarted => continue,
            EventKind::StepBegun { seq, .. } => (seq, Direction::Forward),
            EventKind::UndoBegun { seq, .. } => (seq, Direction::Backward),
            _ => break,
        };
        match &mut deaths {
            None => deaths = Some(Deaths { seq, direction, n: 1 }),
            Some(deaths) if (deaths.seq, deaths.direction) == (seq, direction) => deaths.n += 1,
            Some(_) => break,
        }
    }
    Ok(deaths)
}
