//! A run's state or outcome, and its images, in the words of the command line.

use super::ui::plain;
use crate::run::{Direction, RunRecord};
use crate::workflows::{NEW_IMAGE, OLD_IMAGE};

/// The state of a run, or its outcome.
pub(super) fn status(record: &RunRecord) -> String {
    match (record.interrupted, record.direction, record.outcome) {
        (true, Direction::Forward, _) => "interrupted".to_owned(),
        (true, Direction::Backward, _) => "interrupted (rolling back)".to_owned(),
        (false, _, Some(outcome)) => outcome.to_string(),
        (false, _, None) => match (record.gate(), record.waits()) {
            (Some(gate), _) => format!("at the gate {gate}"),
            (None, Some("gate")) => "at a gate".to_owned(),
            (None, Some(waits)) => waits.to_owned(),
            (None, None) => record.state.to_string(),
        },
    }
}

/// The image before a run and after it; one of them alone if the other is the same, or not known.
pub(super) fn image(run: &RunRecord) -> Option<String> {
    match (run.facts.get(OLD_IMAGE), run.facts.get(NEW_IMAGE)) {
        (Some(old), Some(new)) if old != new => Some(format!("{old} → {new}")),
        (Some(only), _) | (None, Some(only)) => Some(only.clone()),
        (None, None) => None,
    }
}

/// An instance of a run, with its image if it is known.
pub(super) fn with_image(record: &RunRecord, id: &str, fact: &str) -> String {
    match record.facts.get(fact) {
        Some(image) => format!("{id} {}", plain(image)),
        None => id.to_owned(),
    }
}
