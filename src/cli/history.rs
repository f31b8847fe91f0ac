//! The commands that look at runs: history and watch.

use std::num::NonZeroU32;
use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cause;
use super::exit::Exit;
use super::problem::Report;
use super::reporter::Reporter;
use super::session::Session;
use super::status::{image, status, with_image};
use super::ui::{Tone, Ui, between, plain, short};
use crate::journal::{JournalError, LEASE_LENGTH, Purpose};
use crate::run::{Event, RunRecord, RunSelector, RunState, StepStatus, UndoStatus, Update, stamp};
use crate::workflows::{
    NEW_IMAGE, NEW_INSTANCE, OLD_IMAGE, OLD_INSTANCE, PUBLISHED, RESTORED_INSTANCE, START_REASON,
};

/// The interval at which a run of another process is polled.
const LOOK: Duration = Duration::from_millis(250);

/// Shows the newest runs: so many, or all.
pub(super) async fn list(session: &Session<'_>, n_most: Option<NonZeroU32>) -> Result<Exit, Report> {
    let (doubt, mut runs) = match session.journal_if_any().await? {
        Some(journal) => {
            // Asks for one more run than it shows, to know whether there are more.
            let n_asked = n_most.map_or(u32::MAX, |n| n.get().saturating_add(1));
            let doubt = doubted(session.ui, journal.doubt_of_newest(n_asked).await?);
            let runs = journal.runs(n_asked).await?;
            journal.close().await?;
            (doubt, runs)
        }
        None if session.global.journal.is_some() => return Err(session.no_such_journal()),
        None => (None, Vec::new()),
    };
    let has_more = n_most.is_some_and(|n| runs.len() > n.get() as usize);
    if has_more {
        runs.pop();
    }
    if session.ui.is_json {
        let runs: Vec<_> = runs.iter().map(|run| run.to_json_without_steps(&PUBLISHED)).collect();
        session.ui.json(&with_doubt(json!({"runs": runs, "more": has_more}), doubt));
    } else if runs.is_empty() {
        session.ui.note("no runs yet");
    } else {
        session.ui.out(&runs_table(&runs));
        if has_more {
            session.ui.note("these are the newest; --limit 0 shows all runs");
        }
    }
    Ok(Exit::Done)
}

pub(super) async fn one(session: &Session<'_>, selector: &RunSelector, events: bool) -> Result<Exit, Report> {
    let journal = session.journal_to_look(selector).await?;
    let run = journal.find(selector, Purpose::Look).await?;
    let doubt = doubted(session.ui, journal.doubt(run).await?);
    let record = journal.run(run).await?;
    let all = if events { journal.events_after(run, 0).await? } else { Vec::new() };
    if events && session.ui.is_json {
        let mut one = record.to_json(&PUBLISHED);
        one["events"] = all.iter().map(Event::to_json).collect();
        session.ui.json(&with_doubt(one, doubt));
    } else {
        print(session.ui, &record, doubt);
        if events {
            let mut lines = super::reporter::plain_lines(session.ui, &all);
            lines.insert(0, String::new());
            session.ui.out(&lines.join("\n"));
        }
    }
    journal.close().await?;
    Ok(Exit::Done)
}

/// Warns of a doubt about what the journal says, and returns it in words.
fn doubted(ui: &Ui, doubt: Option<JournalError>) -> Option<String> {
    let doubt = doubt?.to_string();
    ui.warn(&format!("{doubt}; what is shown is not to be trusted"));
    Some(doubt)
}

/// Adds the doubts to the JSON that is shown.
fn with_doubt(mut shown: Value, doubt: Option<String>) -> Value {
    if let Some(doubt) = doubt {
        shown["doubt"] = doubt.into();
    }
    shown
}

pub(super) fn print(ui: &Ui, record: &RunRecord, doubt: Option<String>) {
    if ui.is_json {
        ui.json(&with_doubt(record.to_json(&PUBLISHED), doubt));
    } else {
        ui.out(&run_screen(ui, record));
    }
}

fn runs_table(runs: &[RunRecord]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["RUN", "NAME", "WORKFLOW", "STATUS", "STARTED", "TOOK", "OLD", "NEW"]);
    for run in runs {
        let fact = |name: &str| run.facts.get(name).map(|id| short(id)).unwrap_or_default();
        table.add_row([
            run.id.short(),
            plain(&short(&run.name)),
            run.workflow.clone(),
            status(run),
            run.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            run.finished_at.map(|at| between(run.created_at, at)).unwrap_or_default(),
            fact(OLD_INSTANCE),
            fact(NEW_INSTANCE),
        ]);
    }
    // Each run has a row. Images and reasons are too long for a column.
    let reason = |run: &RunRecord| run.facts.get(START_REASON).map(|reason| format!("\n    {reason}"));
    let more = |run| Some(format!("{}{}", image(run)?, reason(run).unwrap_or_default()));
    let more = std::iter::once(None).chain(runs.iter().map(more));
    let lines = table.trim_fmt();
    let lines = lines.lines().zip(more).map(|(row, more)| match more {
        Some(more) => format!("{row}\n    {}", plain(&more)),
        None => row.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn run_screen(ui: &Ui, record: &RunRecord) -> String {
    let tone = match record.state {
        RunState::Succeeded => Tone::Good,
        RunState::Failed | RunState::Stuck => Tone::Bad,
        RunState::Running | RunState::Suspended | RunState::RollingBack | RunState::RolledBack => Tone::Busy,
    };
    let mut lines = vec![format!(
        "{} {} version {} of {}: {}",
        record.id,
        record.workflow,
        record.workflow_version,
        plain(&record.name),
        ui.out_tone(tone, &status(record))
    )];
    if let Some(holder) = &record.holder {
        lines.push(format!("held by {holder}"));
    }
    for (label, name, image) in [
        ("old", OLD_INSTANCE, OLD_IMAGE),
        ("new", NEW_INSTANCE, NEW_IMAGE),
        ("restored", RESTORED_INSTANCE, OLD_IMAGE),
    ] {
        if let Some(id) = record.facts.get(name) {
            lines.push(format!("{label:<9}{}", with_image(record, id, image)));
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["#", "STEP", "STATUS", "TRIES", "STARTED", "TOOK", ""]);
    for step in &record.steps {
        let took = step.finished_at.map(|at| between(step.started_at, at)).unwrap_or_default();
        table.add_row([
            step.seq.to_string(),
            super::reporter::with_subject(&step.name, step.subject.as_deref()),
            step.status.to_string(),
            step.attempts.to_string(),
            step.started_at.format("%H:%M:%S").to_string(),
            took,
            step.error
                .as_ref()
                .filter(|_| step.status != StepStatus::Completed)
                .map(|error| plain(&error.to_string()))
                .unwrap_or_default(),
        ]);
        if let Some(undo) = &step.compensation {
            let error = undo.error.as_ref().filter(|_| undo.status != UndoStatus::Completed);
            table.add_row([
                String::new(),
                format!("  undo {}", step.name),
                undo.status.to_string(),
                undo.attempts.to_string(),
                undo.started_at.format("%H:%M:%S").to_string(),
                undo.finished_at.map(|at| between(undo.started_at, at)).unwrap_or_default(),
                error.map(|error| plain(&error.to_string())).unwrap_or_default(),
            ]);
        }
    }
    lines.push(table.trim_fmt());
    if let Some(error) = &record.error {
        lines.push(format!("{} {}", ui.out_tone(Tone::Bad, "why:"), plain(&error.to_string())));
    }
    lines.extend(
        record.warnings.iter().map(|text| format!("{} {}", ui.out_tone(Tone::Busy, "warning:"), plain(text))),
    );
    lines.push(format!("started {}{}", stamp(record.created_at), cause::of_started(record)));
    lines.extend(cause::of_rolled_back(record).map(|by| format!("rolled back{by}")));
    if let Some(next) = next_command(record) {
        lines.push(format!("next: {next}"));
    }
    lines.join("\n")
}

fn next_command(record: &RunRecord) -> Option<String> {
    let id = record.id.short();
    match record.state {
        RunState::Running | RunState::RollingBack if record.interrupted => {
            Some(format!("deployctl resume {id}"))
        }
        RunState::Suspended => Some(format!("deployctl resume {id}")),
        RunState::Failed | RunState::Stuck => Some(format!("deployctl rollback {id}")),
        RunState::Running | RunState::RollingBack => Some(format!("deployctl watch {id}")),
        RunState::Succeeded | RunState::RolledBack => None,
    }
}

/// Follows a run until no process drives it any more, and exits as the process that drove it did.
///
/// If a run is released before its end, it waits for the length of a lease: a `resume` may follow, as in a pipeline
/// that retries.
pub(super) async fn watch(session: &Session<'_>, selector: &RunSelector) -> Result<Exit, Report> {
    let journal = session.journal_to_look(selector).await?;
    let run = journal.find(selector, Purpose::Look).await?;
    let name = journal.run(run).await?.name;
    let mut reporter = Reporter::new(session.ui, &name);
    let mut events = Vec::new();
    let mut let_go: Option<Instant> = None;
    let record = loop {
        // The record is read first, so that later events are shown before the next look.
        let record = journal.run(run).await?;
        for event in journal.events_after(run, events.len().try_into().unwrap_or_default()).await? {
            reporter.update(Update::Event(&event));
            events.push(event);
        }
        reporter.tick(session.clock.now());
        let may_go_on = matches!(record.state, RunState::Running | RunState::RollingBack);
        match &record.holder {
            Some(_) => let_go = None,
            None if !may_go_on => break record,
            None => {
                let since = *let_go.get_or_insert_with(Instant::now);
                if since.elapsed() >= LEASE_LENGTH {
                    break record;
                }
            }
        }
        session.clock.sleep(LOOK).await;
    };
    let doubt = doubted(session.ui, journal.doubt(run).await?);
    print(session.ui, &record, doubt);
    journal.close().await?;
    Ok(Exit::of_record(&record, &events))
}
