//! Where a run stands, in the words of the command line.

use crate::run::{Direction, RunRecord};

/// Where a run stands, or how it came out.
pub(super) fn status(record: &RunRecord) -> String {
    match (record.interrupted, record.direction, record.outcome) {
        (true, Direction::Forward, _) => "interrupted".to_owned(),
        (true, Direction::Backward, _) => "interrupted (rolling back)".to_owned(),
        (false, _, Some(outcome)) => outcome.to_string(),
        (false, _, None) => record.state.to_string(),
    }
}
