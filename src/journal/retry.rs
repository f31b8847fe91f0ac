//! Finds the step at which to retry a run that has failed, or in which its processes have died.

use sqlx::SqliteConnection;

use super::error::TakeError;
use super::handle::Inner;
use super::step::load_standings;
use crate::run::{Direction, RunId, RunStanding, RunState, Seq, StepState, StepStatus};

/// The step to retry: the last one that failed, or the one that is under way.
///
/// # Errors
/// [`TakeError::NothingToRetry`] when the run did not stop at a step, or goes backwards.
pub(super) async fn at(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
    standing: &RunStanding,
) -> Result<Seq, TakeError> {
    let nothing = TakeError::NothingToRetry { run, state: standing.state, direction: standing.direction };
    let status = match (standing.state, standing.direction) {
        (RunState::Failed, Direction::Forward) => StepStatus::Failed,
        (RunState::Stuck, Direction::Forward) => StepStatus::Begun,
        _ => return Err(nothing),
    };
    let steps = load_standings(&inner.path, tx, &run.to_string()).await?;
    let meant = StepState { status, undo: None };
    let step = steps.iter().rev().find(|(_, step)| step.standing.state == meant);
    step.map(|(seq, _)| *seq).ok_or(nothing)
}
