//! Recognises a step in which one process after another dies. Such a step is not retried without end.

use crate::journal::{History, StoredStep};
use crate::run::{Direction, Effect, Failure};

/// How many processes in a row may die in one step. Machines are turned off, and people are impatient, but not that
/// often at the same place.
const DEATHS_MOST: u32 = 20;

/// A step in which too many processes have died.
pub(super) struct Deadly {
    pub(super) step: StoredStep,
    pub(super) direction: Direction,
    pub(super) failure: Failure,
}

/// The step under way, if too many processes have died in it. A wait does not count: it changes nothing and takes long,
/// so a process that dies in it dies for another reason.
pub(super) fn deadly(history: &History) -> Option<Deadly> {
    let deaths = history.deaths.filter(|deaths| deaths.n >= DEATHS_MOST)?;
    let step = history.steps.iter().find(|step| step.seq == deaths.seq && step.effect != Effect::Wait)?;
    let direction = deaths.direction;
    let doing = match direction {
        Direction::Forward => step.activity.clone(),
        Direction::Backward => format!("undoing {}", step.activity),
    };
    let failure =
        Failure::permanent(doing, format!("the process has died in it {} times in a row", deaths.n));
    Some(Deadly { step: step.clone(), direction, failure })
}
