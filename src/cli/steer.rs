//! The commands that steer a run which any process may drive: promote, pause, unpause and abort.

use std::time::Duration;

use tokio::time::Instant;

use super::cause;
use super::drive::go_on;
use super::exit::Exit;
use super::gate;
use super::problem::{Kind, Report};
use super::session::Session;
use super::status::status;
use crate::journal::{Journal, Purpose};
use crate::run::{EventKind, RunId, RunRecord, RunSelector, RunState, Signal};
use crate::workflows::PUBLISHED;

/// How long the process that drives a run may take to answer. It answers within a second or two, unless a step blocks it.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(250);

/// What a person asks of a run.
pub(super) struct Asked {
    pub(super) signal: Signal,
    pub(super) reason: Option<String>,
    /// Whether this process drives the run if no other does.
    pub(super) resumes: bool,
}

/// What became of a signal.
enum Answer {
    /// The process that drives the run took it up.
    Taken,
    /// That process has not said anything yet.
    None,
    /// No process drives the run any more, and nobody has answered.
    Nobody,
}

pub(super) async fn steer(
    session: &Session<'_>,
    selector: &RunSelector,
    asked: &Asked,
) -> Result<Exit, Report> {
    let journal = session.existing_journal(selector).await?;
    let run = journal.find(selector, Purpose::Resume).await?;
    let record = journal.run(run).await?;
    if record.state.is_over() {
        return Err(over(&record, asked.signal));
    }
    if record.holder.is_none() {
        return by_itself(session, journal, &record, asked, None).await;
    }
    let n = journal.send(run, asked.signal, &session.holder(), asked.reason.as_deref()).await?;
    match answer(session, &journal, run, n).await? {
        Answer::Taken => session.say_steered(&journal, run, done(asked.signal)).await?,
        Answer::None => {
            let text = "is asked for, and the process that drives the run has not answered yet";
            session.say_steered(&journal, run, &format!("{} {text}", asked.signal)).await?;
        }
        Answer::Nobody => {
            let record = journal.run(run).await?;
            return by_itself(session, journal, &record, asked, Some(n)).await;
        }
    }
    journal.close().await?;
    Ok(Exit::Done)
}

/// Does what is asked where no process drives the run. `sent` is the number of the signal, if it was left already.
async fn by_itself(
    session: &Session<'_>,
    journal: Journal,
    record: &RunRecord,
    asked: &Asked,
    sent: Option<u32>,
) -> Result<Exit, Report> {
    let run = record.id;
    let goes_on = match asked.signal {
        Signal::Promote | Signal::PromoteFully => record.gate().is_some(),
        Signal::Unpause => record.waits() == Some("paused"),
        Signal::Abort => true,
        Signal::Pause => false,
    };
    if !goes_on {
        return Err(out_of_place(record, asked.signal));
    }
    if matches!(asked.signal, Signal::Promote | Signal::PromoteFully) && sent.is_none() {
        journal.send(run, asked.signal, &session.holder(), asked.reason.as_deref()).await?;
    }
    if !asked.resumes {
        session
            .say_steered(
                &journal,
                run,
                &format!("the gate is open, `deployctl resume {}` goes on", run.short()),
            )
            .await?;
        journal.close().await?;
        return Ok(Exit::Done);
    }
    match asked.signal {
        Signal::Abort => {
            let cause = cause::of_rollback(session, asked.reason.as_deref());
            go_on(session, journal, run, async |engine| engine.rollback_with(run, cause).await).await
        }
        Signal::Promote | Signal::PromoteFully | Signal::Pause | Signal::Unpause => {
            go_on(session, journal, run, async |engine| engine.resume(run).await).await
        }
    }
}

/// Waits for what the process that drives the run says.
///
/// # Errors
/// What is asked was refused.
async fn answer(session: &Session<'_>, journal: &Journal, run: RunId, n: u32) -> Result<Answer, Report> {
    let until = Instant::now() + PATIENCE;
    loop {
        // The holder is read first, so that an answer that it left before it went is found.
        let is_driven = journal.run(run).await?.holder.is_some();
        match journal.answer_to(run, n).await? {
            Some(EventKind::Signalled { refused: Some(why), signal, .. }) => {
                return Err(refused(run, signal, &why));
            }
            Some(_) => return Ok(Answer::Taken),
            None if !is_driven => return Ok(Answer::Nobody),
            None if Instant::now() >= until => return Ok(Answer::None),
            None => session.clock.sleep(LOOK).await,
        }
    }
}

const fn done(signal: Signal) -> &'static str {
    match signal {
        Signal::Promote => "the gate is open, and the run goes on",
        Signal::PromoteFully => "every gate is open, and the run goes on",
        Signal::Pause => "the run holds after its present step",
        Signal::Unpause => "the run goes on",
        Signal::Abort => "the run goes back",
    }
}

fn over(record: &RunRecord, signal: Signal) -> Report {
    let id = record.id.short();
    let report = Report::usage(format!("run {} is over: it is {}", record.id, status(record)));
    match (signal, record.state) {
        (Signal::Abort, RunState::Succeeded) => {
            report.hint(format!("`deployctl rollback {id}` takes it back"))
        }
        _ => report.hint(format!("`deployctl history {id}` shows it; nothing is left to {signal}")),
    }
}

fn refused(run: RunId, signal: Signal, why: &str) -> Report {
    Report {
        kind: Kind::Refused,
        message: format!("{signal} was refused: {why}"),
        hint: Some(format!("`deployctl watch {}` shows what the run does", run.short())),
        exit: Exit::Usage,
    }
}

/// Why a run that nobody drives does not do what is asked.
fn out_of_place(record: &RunRecord, signal: Signal) -> Report {
    let id = record.id.short();
    let (why, hint) = match signal {
        Signal::Pause => (
            "no process drives it, so it holds already".to_owned(),
            format!("`deployctl resume {id}` goes on with it"),
        ),
        Signal::Unpause => (
            format!("it is not paused, but {}", status(record)),
            gate::hint(record).unwrap_or_else(|| format!("`deployctl resume {id}` goes on with it")),
        ),
        Signal::Promote | Signal::PromoteFully | Signal::Abort => (
            format!("it waits at no gate: it is {}", status(record)),
            gate::hint(record).unwrap_or_else(|| format!("`deployctl history {id}` shows where it stands")),
        ),
    };
    Report {
        kind: Kind::Refused,
        message: format!("run {}: {why}", record.id),
        hint: Some(hint),
        exit: Exit::Usage,
    }
}

impl Session<'_> {
    /// Says what became of what a person asked of a run.
    async fn say_steered(&self, journal: &Journal, run: RunId, text: &str) -> Result<(), Report> {
        if self.ui.is_json {
            self.ui.json(&journal.run(run).await?.to_json(&PUBLISHED));
        } else {
            self.ui.out(&format!("run {}: {text}", run.short()));
        }
        Ok(())
    }
}
