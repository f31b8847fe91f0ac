//! Ends a run by hand, for the side that serves.

use super::confirm::Confirmation;
use super::exit::Exit;
use super::foresee::{Foreseen, foreseen};
use super::problem::{Kind, Report, refused};
use super::session::Session;
use crate::engine::{Foresight, Past};
use crate::journal::{Claim, Journal, Purpose};
use crate::run::{Keep, RunId, RunSelector};
use crate::workflows::{KeepNew, NEW_SIDE, NewSide, Side, World, old_side};

/// What a person says when they abandon a run: the side to keep, the reason, and whether they are asked.
pub(super) struct Word {
    pub(super) keep: Keep,
    pub(super) reason: Option<String>,
    pub(super) confirmation: Confirmation,
}

pub(super) async fn abandon(
    session: &Session<'_>,
    selector: &RunSelector,
    word: Word,
    claim: Claim,
) -> Result<Exit, Report> {
    let journal = session.existing_journal(selector).await?.claiming(claim);
    let run = journal.find(selector, Purpose::Undo).await?;
    session.say_whom_it_disowns(&journal, run, claim).await?;
    of_run(session, journal, run, word).await
}

/// Keeps one side of a run and takes the other one away, also if that was begun before.
pub(super) async fn of_run(
    session: &Session<'_>,
    journal: Journal,
    run: RunId,
    said: Word,
) -> Result<Exit, Report> {
    let record = journal.run(run).await?;
    if let Some(by) = record.holder.as_ref().filter(|_| journal.claim() == Claim::Respects) {
        return Err(Report {
            kind: Kind::Held,
            message: format!("run {run} is being advanced by {by}"),
            hint: Some(format!(
                "`deployctl watch {}` follows it; when {} is gone for sure, --force-lease takes the run from it",
                run.short(),
                by.host
            )),
            exit: Exit::Refused,
        });
    }
    if record.state.is_over() {
        let report = Report::usage(format!("run {run} is {}", record.state));
        return Err(report.hint("there is nothing left to abandon"));
    }
    let context = session.context_of(&journal, run).await?;
    let past = Past::from(journal.history(run).await?);
    let new = match said.keep {
        Keep::New => Some(NewSide::of(&past, context.policy()).map_err(|failure| refused(&failure))?),
        Keep::Old => None,
    };
    let old = match said.keep {
        Keep::New => None,
        Keep::Old => Some(old_side(&past).map_err(|failure| refused(&failure))?),
    };
    let Some(kept) = new.as_ref().map(NewSide::kept).or(old.as_ref()) else {
        return Err(Report::ours("a run has two sides"));
    };
    let world = session.world_of(&context).await?;
    let serves = async |foresight: &Foresight<'_, World>| kept.serves(foresight, &past).await;
    match foreseen(session, &world, serves).await? {
        Foreseen::Seen(()) => {}
        Foreseen::Stopped(stop) => return Err(stop.into()),
        Foreseen::Signalled(exit) => return Ok(exit),
    }
    said.confirmation.ask(session.ui, &what(run, &record.name, said.keep, kept), "abandon the run?")?;
    let reason = said.reason;
    let exit = session
        .drive(&journal, &world, &record.name, async |engine| match &new {
            Some(new) => engine.keep_new::<KeepNew>(run, reason, new).await,
            None => engine.keep_old(run, reason, NEW_SIDE).await,
        })
        .await?;
    journal.close().await?;
    Ok(exit)
}

fn what(run: RunId, name: &str, keep: Keep, kept: &Side) -> String {
    let (side, other) = match keep {
        Keep::New => ("new", "old"),
        Keep::Old => ("old", "new"),
    };
    format!(
        "run {} of {name} ends here: its {side} side is kept, which serves\n  {}\nand its {other} one is taken away",
        run.short(),
        kept.shown()
    )
}
