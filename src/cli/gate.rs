//! What the user is told of a run that waits at a gate, or is paused.

use super::ui::between;
use crate::engine::End;
use crate::run::{FailureKind, RunRecord, StepRecord, StepStatus};
use crate::workflows::{REGISTERED, REGISTERS};

/// The command with which a run that waits goes on.
fn goes_on(record: &RunRecord) -> Option<&'static str> {
    match (record.gate(), record.waits()) {
        (Some(_), _) => Some("promote"),
        (None, Some(_)) => Some("unpause"),
        (None, None) => None,
    }
}

/// The commands that end the wait of a run, if it waits.
pub(super) fn hint(record: &RunRecord) -> Option<String> {
    let (id, goes_on) = (record.id.short(), goes_on(record)?);
    Some(format!("`deployctl {goes_on} {id}` goes on, `deployctl abort {id}` takes the run back"))
}

/// The whole screen about a run that waits without a process.
pub(super) fn screen(record: &RunRecord) -> Option<String> {
    record.waits()?;
    let (id, goes_on) = (record.id.short(), goes_on(record)?);
    let where_it_is = match record.gate() {
        Some(gate) => format!("waits at the gate `{gate}`"),
        None => format!("is paused {}", record.error.as_ref().map_or("", |paused| &paused.message)),
    };
    let mut lines = vec![format!("run {id} of {} {where_it_is} ({})", record.name, took(record))];
    if record.gate() == Some(REGISTERED) {
        let there = |place: &str| format!("  registered    {place}, drained: try the new version there");
        lines.extend(registered(record).map(there));
    }
    lines.push(format!("  go on         deployctl {goes_on} {id}"));
    lines.push(format!("  take it back  deployctl abort {id}"));
    Some(lines.join("\n"))
}

/// How long the run took until it stopped.
fn took(record: &RunRecord) -> String {
    let last = record.steps.iter().filter_map(|step| step.finished_at.or(Some(step.started_at))).max();
    last.map(|at| between(record.created_at, at)).unwrap_or_default()
}

/// The places at which the new version waits for requests.
fn registered(record: &RunRecord) -> impl Iterator<Item = &str> {
    let is_there = |step: &&StepRecord| {
        step.name == REGISTERS && step.status == StepStatus::Completed && step.compensation.is_none()
    };
    record.steps.iter().filter(is_there).filter_map(|step| step.subject.as_deref())
}

/// Whether a run was left at a gate.
pub(super) fn is_at_a_gate(end: &End) -> bool {
    matches!(end, End::Suspended(failure) if failure.kind == FailureKind::Gate)
}
