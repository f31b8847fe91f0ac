//! Records work that a person did by hand: resolves a stuck step, or replaces the old instance by one that they
//! created.

use super::exit::Exit;
use super::foresee::{Foreseen, foreseen};
use super::history;
use super::problem::{Report, refused};
use super::session::Session;
use super::ui::plain;
use crate::engine::{Foresight, Past};
use crate::journal::{Journal, Purpose};
use crate::run::{Facts, Resolution, RunId, RunSelector};
use crate::workflows::{OldSpecification, Substitute, World};

/// A person's statement about a step.
pub(super) struct Word {
    pub(super) resolution: Resolution,
    /// The reason. It may be missing if there is an instance.
    pub(super) reason: Option<String>,
    /// The instance that replaces the old one.
    pub(super) instance: Option<String>,
}

pub(super) async fn resolve(
    session: &Session<'_>,
    selector: &RunSelector,
    step: &str,
    word: &Word,
) -> Result<Exit, Report> {
    let Word { resolution, reason, instance } = word;
    if instance.is_some() && *resolution != Resolution::Undone {
        return Err(Report::usage("--instance is for what was undone by hand")
            .hint("say `--as undone`; nothing was changed"));
    }
    let journal = session.existing_journal(selector).await?;
    let run = journal.find(selector, Purpose::Undo).await?;
    let facts = match instance {
        None => Facts::new(),
        Some(id) => match facts_of(session, &journal, run, step, id).await? {
            Foreseen::Seen(facts) => facts,
            Foreseen::Stopped(why) => return Err(why.into()),
            Foreseen::Signalled(exit) => return Ok(exit),
        },
    };
    let made = || format!("made again by hand: {}", instance.as_deref().unwrap_or_default());
    let reason = reason.clone().unwrap_or_else(made);
    journal.resolve(run, step, *resolution, &reason, &facts, &session.holder()).await?;
    let record = journal.run(run).await?;
    history::print(session.ui, &record, None);
    journal.close().await?;
    Ok(Exit::Done)
}

/// The facts about the instance that a person created, for the undos of earlier steps.
async fn facts_of(
    session: &Session<'_>,
    journal: &Journal,
    run: RunId,
    step: &str,
    id: &str,
) -> Result<Foreseen<Facts>, Report> {
    let seq = journal.stuck_at(run, step).await?;
    let past = Past::from(journal.history(run).await?);
    let substitute = Substitute::of(&past, seq, id).map_err(|failure| refused(&failure))?;
    let world = session.world_of(&session.context_of(journal, run).await?).await?;
    let look = async |foresight: &Foresight<'_, World>| substitute.facts(foresight, &past).await;
    foreseen(session, &world, look).await
}

/// Shows how the old instance of a run was created, so that a person can create it again.
pub(super) async fn show_old(session: &Session<'_>, text: &str) -> Result<Exit, Report> {
    let selector: RunSelector = text.parse().map_err(|_| {
        Report::usage(format!("with --old, `{}` must be a run", plain(text)))
            .hint("an id, the beginning of one, or `latest`; `deployctl history` lists the runs")
    })?;
    let journal = session.existing_journal(&selector).await?;
    let run = journal.find(&selector, Purpose::Undo).await?;
    let past = Past::from(journal.history(run).await?);
    let OldSpecification { masked, places } =
        OldSpecification::of(&past).map_err(|failure| refused(&failure))?;
    journal.close().await?;
    if session.ui.is_json {
        session.ui.json(&masked);
    } else {
        session.ui.exact(&format!("{masked:#}"));
    }
    if !places.is_empty() {
        session.ui.note(&plain(&format!("masked, and to be filled in: {}", places.join(", "))));
    }
    Ok(Exit::Done)
}
