//! Looks ahead, for plans, and looks at the cloud. There is no run, and nothing is changed.

use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::problem::{Report, of_stop};
use super::session::Session;
use super::signals::beside_signals;
use super::ui::{plain, plural, short};
use crate::engine::{Foresight, PlannedStep, Stop};
use crate::retry::RetryPolicy;
use crate::run::{Effect, Failure, Update};
use crate::workflows::{Unfound, World};

/// The result of looking ahead.
pub(super) enum Foreseen<T> {
    /// The look-up's result.
    Seen(T),
    /// What stopped the look-up.
    Stopped(Stop),
    /// The user stopped it.
    Signalled(Exit),
}

/// Looks ahead while listening for signals.
pub(super) async fn foreseen<T>(
    session: &Session<'_>,
    world: &World,
    look: impl AsyncFnOnce(&Foresight<'_, World>) -> Result<T, Stop>,
) -> Result<Foreseen<T>, Report> {
    let cancel = CancellationToken::new();
    // A person is waiting, so a look-up that keeps failing gives up soon.
    let retry = world.policy.retry.clone();
    let retry = RetryPolicy { max_elapsed: retry.max_elapsed.min(Duration::from_mins(1)), ..retry };
    let tell = |update: Update<'_>| match update {
        Update::Progress { text, .. } => session.ui.note(&plain(text)),
        Update::Trouble { failure, .. } => session.ui.note(&plain(&failure.to_string())),
        Update::Event(_) => {}
    };
    let foresight = Foresight::new(world).retry_policy(retry).cancel(cancel.clone()).tell(tell);
    let (seen, signalled) = beside_signals(session.ui, &cancel, look(&foresight)).await?;
    Ok(match seen {
        Some(Ok(seen)) => Foreseen::Seen(seen),
        Some(Err(stop)) => Foreseen::Stopped(stop),
        None => Foreseen::Signalled(signalled.unwrap_or(Exit::Interrupted)),
    })
}

/// The report for what stopped a look. If another run did, it says what this journal knows of that run.
pub(super) async fn stopped(session: &Session<'_>, stop: Stop) -> Report {
    if !matches!(&stop, Stop::Failed(failure) if failure.is_held()) {
        return stop.into();
    }
    match session.journal_if_any().await {
        Ok(journal) => of_stop(stop, journal.as_ref()).await,
        Err(report) => report,
    }
}

/// Prints a plan as the result.
pub(super) fn print_plan(session: &Session<'_>, name: &str, steps: &[PlannedStep]) {
    if session.ui.is_json {
        session.ui.json(&json!({"name": name, "steps": steps}));
        return;
    }
    session.ui.out(&table(steps));
    let n = steps.iter().filter(|step| step.effect == Effect::Mutation).count();
    session.ui.out(&plain(&format!("\nPlan of {name}: {}. Nothing was changed.", plural(n, "change"))));
}

/// The report when a deployment names things that the cloud does not have.
pub(super) fn unfound(problems: &[Unfound]) -> Report {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Stop::Failed(Failure::permanent("looking at what the deployment names", lines.join("\n"))).into()
}

/// A plan as a table.
pub(super) fn table(steps: &[PlannedStep]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["step", "what", "found, or call"]);
    for step in steps {
        let call = match (&step.request, step.effect) {
            (Some(request), _) => request.what.clone(),
            (None, Effect::Wait) => "waits".to_owned(),
            (None, Effect::Read | Effect::Mutation) => step.note.clone().unwrap_or_default(),
        };
        let subject = step.subject.as_deref().map(short).unwrap_or_default();
        table.add_row([step.name.clone(), plain(&subject), plain(&call)]);
    }
    table.trim_fmt()
}
