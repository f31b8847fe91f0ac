//! What the user is told about another run that has the deployment: whether this journal has it, and the ways on.

use super::Report;
use crate::engine::{End, Stop};
use crate::journal::{Journal, JournalError};
use crate::run::{Failure, FailureKind, RunId, RunState};

/// Adds the ways on to the report on how a run ended, if another run was in its way.
pub(in crate::cli) async fn of_rival(
    report: Option<Report>,
    end: &End,
    journal: &Journal,
) -> Result<Option<Report>, Report> {
    match (report, end.held()) {
        (Some(report), Some(failure)) => with_ways_on(report, failure, Some(journal)).await.map(Some),
        (report, _) => Ok(report),
    }
}

/// The report for what stopped a look without a run.
pub(in crate::cli) async fn of_stop(stop: Stop, journal: Option<&Journal>) -> Report {
    let held =
        if let Stop::Failed(failure) = &stop { failure.is_held().then(|| failure.clone()) } else { None };
    let report = Report::from(stop);
    match held {
        Some(failure) => with_ways_on(report, &failure, journal).await.unwrap_or_else(|error| error),
        None => report,
    }
}

async fn with_ways_on(
    report: Report,
    failure: &Failure,
    journal: Option<&Journal>,
) -> Result<Report, Report> {
    let FailureKind::Held { by: Some(by) } = failure.kind else { return Ok(report) };
    let known = match journal {
        Some(journal) => match journal.run(by).await {
            Ok(record) => Some(record.state),
            Err(JournalError::NoSuchRun(_)) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let ways = ways_on(by, known);
    let hint = report.hint.as_ref().map_or_else(|| ways.clone(), |hint| format!("{hint}; {ways}"));
    Ok(report.hint(hint))
}

/// The ways on, by what this journal knows of the run.
fn ways_on(by: RunId, known: Option<RunState>) -> String {
    let run = by.short();
    match known {
        None => format!(
            "run {run} is not in this journal: `deployctl resume {run}` goes on with it where its journal is, `deployctl \
             recover DEPLOYMENT` where that is lost, and `start --wait` waits until it is over"
        ),
        Some(state) if state.is_over() => format!(
            "run {run} is {state} in this journal, and what it made is not what this start replaces: name that with \
             `--replace OCID`, or put right what somebody has changed"
        ),
        Some(state) => format!(
            "run {run} is {state} in this journal: `deployctl resume {run}` goes on with it, `deployctl rollback {run}` \
             takes it back, and `start --wait` waits until it is over"
        ),
    }
}
