//! `journal prune`: deletes old runs that no rollback needs.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::args::JournalCommand;
use super::exit::Exit;
use super::problem::Report;
use super::session::Session;
use super::ui::plural;
use crate::run::{RunId, Timestamp};

pub(super) async fn run(session: &Session<'_>, command: &JournalCommand) -> Result<Exit, Report> {
    match *command {
        JournalCommand::Prune { older_than, keep, yes } => prune(session, older_than, keep, yes).await,
    }
}

async fn prune(session: &Session<'_>, age: Duration, n_newest: u32, is_meant: bool) -> Result<Exit, Report> {
    let opened = if is_meant { session.journal_to_drive().await? } else { session.journal_if_any().await? };
    let Some(journal) = opened else { return Err(session.no_such_journal()) };
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    let before = session.clock.now().checked_sub_signed(age).unwrap_or(Timestamp::MIN_UTC);
    let runs = if is_meant {
        journal.delete_before(before, n_newest).await?
    } else {
        journal.obsolete(before, n_newest).await?
    };
    journal.close().await?;
    if session.ui.is_json {
        session.ui.json(&json!({"runs": runs, "deleted": is_meant}));
        return Ok(Exit::Done);
    }
    let named: Vec<String> = runs.iter().map(RunId::to_string).collect();
    if !named.is_empty() {
        session.ui.out(&named.join("\n"));
    }
    let n_runs = plural(runs.len(), "run");
    session.ui.note(&match (runs.is_empty(), is_meant) {
        (true, _) => "no run is old enough that no rollback needs it".to_owned(),
        (false, true) => format!("{n_runs} deleted from the journal; nothing in the cloud was touched"),
        (false, false) => format!("{n_runs} would be deleted from the journal; --yes deletes them"),
    });
    Ok(Exit::Done)
}
