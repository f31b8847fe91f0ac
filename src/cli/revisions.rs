//! `revisions`: the versions of a deployment that have served, and what became of each.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::args::DeploymentArgs;
use super::cause;
use super::exit::Exit;
use super::meant::{Runs, runs_of};
use super::problem::{Report, deployment_of, target_of_kin};
use super::session::Session;
use super::ui::plain;
use crate::journal::{Fate, Journal, Kin, Revision, revisions};
use crate::run::{RunId, RunRecord, stamp};
use crate::workflows::{IN_SERVICE_AT, JOB_URL, NEW_IMAGE, REPEATS, START_REASON, STARTED_BY};

/// Shows the revisions of a deployment, the newest first.
pub(super) async fn list(session: &Session<'_>, args: &DeploymentArgs) -> Result<Exit, Report> {
    let Some(journal) = session.journal_if_any().await? else {
        return Err(session.no_journal_for(args));
    };
    let runs = match runs_of(session, args, &journal).await? {
        Runs::Of(runs) => runs,
        Runs::Signalled(exit) => return Ok(exit),
    };
    let records = records(&journal).await?;
    journal.close().await?;
    let shown: Vec<(Revision, &RunRecord)> = revisions(&runs)
        .into_iter()
        .filter_map(|revision| records.get(&revision.run).map(|record| (revision, record)))
        .collect();
    let deployment = name_of(&runs);
    if session.ui.is_json {
        let revisions: Vec<Value> =
            shown.iter().map(|(revision, record)| published(revision, record)).collect();
        session.ui.json(&json!({"deployment": deployment, "revisions": revisions}));
    } else if shown.is_empty() {
        session.ui.note(&plain(&format!("{deployment} has no revision: no run of it has succeeded")));
    } else {
        session.ui.out(&table(&shown));
    }
    Ok(Exit::Done)
}

/// The runs of the journal, by their ids.
async fn records(journal: &Journal) -> Result<BTreeMap<RunId, RunRecord>, Report> {
    let records = journal.runs(u32::MAX).await?;
    Ok(records.into_iter().map(|record| (record.id, record)).collect())
}

/// The name of a deployment, from its runs. A run that only takes an instance away has no name of its deployment.
pub(super) fn name_of(runs: &[Kin]) -> String {
    let named = runs.iter().find(|kin| target_of_kin(kin).is_some()).or(runs.first());
    named.map(deployment_of).unwrap_or_default()
}

fn table(shown: &[(Revision, &RunRecord)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["REVISION", "STATUS", "STARTED", "RUN"]);
    for (revision, record) in shown {
        table.add_row([
            revision.number.to_string(),
            in_words(revision.fate),
            record.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            revision.run.short(),
        ]);
    }
    // What follows is too long for a column.
    let more = |record: &RunRecord| {
        let image = record.facts.get(NEW_IMAGE).map_or("(the image was not recorded)", String::as_str);
        let again =
            repeated(shown, record).map(|number| format!(" (revision {number} again)")).unwrap_or_default();
        format!("\n    {}{again}{}", plain(image), cause::of_started(record))
    };
    let more = std::iter::once(String::new()).chain(shown.iter().map(|(_, record)| more(record)));
    let lines = table.trim_fmt();
    lines.lines().zip(more).map(|(row, more)| format!("{row}{more}")).collect::<Vec<_>>().join("\n")
}

/// The revision that this run has rolled out again, if it is shown.
fn repeated(shown: &[(Revision, &RunRecord)], record: &RunRecord) -> Option<i64> {
    let run = record.facts.get(REPEATS)?;
    shown.iter().find(|(revision, _)| revision.run.to_string() == *run).map(|(revision, _)| revision.number)
}

fn in_words(fate: Fate) -> String {
    match fate {
        Fate::Current => "current".to_owned(),
        Fate::Replaced(by) => format!("replaced by {by}"),
        Fate::RolledBack => "rolled back".to_owned(),
        Fate::GoingBack => "going back".to_owned(),
        Fate::TakenAway(by) => format!("taken away by run {}", by.short()),
    }
}

fn published(revision: &Revision, record: &RunRecord) -> Value {
    let fact = |name: &str| record.facts.get(name);
    let (status, replaced_by, taken_away_by) = match revision.fate {
        Fate::Current => ("current", None, None),
        Fate::Replaced(by) => ("replaced", Some(by), None),
        Fate::RolledBack => ("rolled-back", None, None),
        Fate::GoingBack => ("going-back", None, None),
        Fate::TakenAway(by) => ("taken-away", None, Some(by)),
    };
    let images: Vec<Value> =
        fact(NEW_IMAGE).into_iter().flat_map(|images| images.split(", ")).map(image).collect();
    json!({
        "revision": revision.number,
        "run_id": revision.run,
        "status": status,
        "replaced_by": replaced_by,
        "taken_away_by": taken_away_by,
        "instance_id": revision.thing,
        "images": images,
        "started_by": fact(STARTED_BY),
        "start_reason": fact(START_REASON),
        "job_url": fact(JOB_URL),
        "created_at": stamp(record.created_at),
        "repeats_run_id": fact(REPEATS),
        "in_service_at": fact(IN_SERVICE_AT),
        "finished_at": record.finished_at.map(stamp),
    })
}

/// An image as it is referred to, and its digest if the reference has one.
fn image(reference: &str) -> Value {
    let digest =
        reference.rsplit_once('@').map(|(_, digest)| digest).filter(|text| text.starts_with("sha256:"));
    json!({"reference": reference, "digest": digest})
}
