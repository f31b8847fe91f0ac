//! Asks before something is taken away, if there is somebody to answer. Scripts are never asked.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::exit::Exit;
use super::problem::{Kind, Report};
use super::ui::{Ui, plain, short};
use crate::run::{Effect, RunRecord, StepRecord, StepStatus, UndoStatus};
use crate::workflows::NEW_INSTANCE;

/// Whether the user is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// On a terminal, the user is asked.
    Asked,
    /// `--yes`: the user agreed beforehand.
    Given,
}

impl Confirmation {
    /// The confirmation that `--yes` asks for.
    pub(super) const fn of(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Asked }
    }

    /// Whether there is somebody to ask.
    pub(super) fn asks(self, ui: &Ui) -> bool {
        self == Self::Asked && io::stdin().is_terminal() && ui.notes().is_terminal()
    }

    /// Shows what would be done and asks, unless there is nobody to answer.
    ///
    /// # Errors
    /// When the answer is not yes.
    pub(super) fn ask(self, ui: &Ui, what: &str, question: &str) -> Result<(), Report> {
        if !self.asks(ui) {
            return Ok(());
        }
        ui.err(&plain(what));
        ui.prompt(&plain(&format!("{question} [y/N] ")));
        let mut answer = String::new();
        // An unreadable answer is not a yes.
        let is_read = io::stdin().lock().read_line(&mut answer).is_ok();
        if is_read && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err(Report {
            kind: Kind::Declined,
            message: "not confirmed".to_owned(),
            hint: Some("nothing was changed; `--yes` does not ask".to_owned()),
            exit: Exit::Usage,
        })
    }
}

/// The changes that a rollback of a run would undo, the newest first.
pub(super) fn undoing(record: &RunRecord) -> String {
    let id = record.id.short();
    let ended = record.finished_at.unwrap_or(record.created_at).format("%Y-%m-%d %H:%M:%S UTC");
    let mut lines =
        vec![format!("run {id} of {} is {}, since {ended}; a rollback", record.name, record.state)];
    let undone = record.steps.iter().rev().filter(|step| is_to_be_undone(step));
    lines.extend(undone.map(|step| format!("  {}", undo_in_words(record, step))));
    lines.join("\n")
}

fn is_to_be_undone(step: &StepRecord) -> bool {
    let is_settled = step
        .compensation
        .as_ref()
        .is_some_and(|undo| matches!(undo.status, UndoStatus::Completed | UndoStatus::Skipped));
    step.effect == Effect::Mutation && step.status != StepStatus::Failed && !is_settled
}

fn undo_in_words(record: &RunRecord, step: &StepRecord) -> String {
    let subject = step.subject.as_deref().map(short).unwrap_or_default();
    match step.name.as_str() {
        "retire-instance" => format!("brings the old instance {subject} back"),
        "remove-backend" => format!("registers {subject} again, where the old instance is then"),
        "drain-backend" => format!("gives {subject} its requests back"),
        "admit-backend" => format!("drains {subject}"),
        "shift-set" => format!("gives the requests of {subject} back to the old version"),
        "put-back" => format!("leaves {subject} as it is"),
        "register-backend" => format!("removes {subject}"),
        "create-instance" => {
            let new = record.facts.get(NEW_INSTANCE).map(|id| short(id)).unwrap_or_default();
            format!("deletes the new instance {new}")
        }
        "create-backend-set" => format!("deletes the backend set {subject}, unless others use it"),
        name => format!("undoes {name} {subject}"),
    }
}
