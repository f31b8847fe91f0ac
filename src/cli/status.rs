//! A run's state or outcome, in the words of the command line.

use crate::run::{Direction, RunRecord};

/// The state of a run, or its outcome.
pub(super) fn status(record: &RunRecord) -> String {
    match (record.interrupted, record.direction, record.outcome) {
        (true, Direction::Forward, _) => "interrupted".to_owned(),
        (true, Direction::Backward, _) => "interrupted (rolling back)".to_owned(),
        (false, _, Some(outcome)) => outcome.to_string(),
        (false, _, None) => record.state.to_string(),
    }
}
