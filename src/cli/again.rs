//! `rollback --to` and `restart`: roll out a revision once more, as a run of its own.

use std::time::Duration;

use super::args::DeploymentArgs;
use super::cause;
use super::confirm::Confirmation;
use super::drive::roll_out;
use super::exit::Exit;
use super::foresee::{Foreseen, foreseen, stopped, table};
use super::meant::{Runs, runs_of};
use super::problem::Report;
use super::revisions::name_of;
use super::session::{Ready, Session, predecessor};
use crate::config::{Deployment, Predecessor};
use crate::engine::{Foresight, Past};
use crate::journal::{Fate, Journal, Kin, Revision, revisions};
use crate::run::RunId;
use crate::workflows::{REPEATS, Redeploy, World, again, complete_origin};

/// The revision that is rolled out again.
#[derive(Clone, Copy)]
pub(super) enum Which<'w> {
    /// The current one.
    Current,
    /// The one with this number, or whose run's id begins so.
    Named(&'w str),
}

/// How it is rolled out.
#[derive(Clone, Copy)]
pub(super) struct Again<'a> {
    pub(super) which: Which<'a>,
    pub(super) confirmation: Confirmation,
    /// Why.
    pub(super) reason: Option<&'a str>,
    /// How long to wait for another run of the deployment.
    pub(super) wait: Option<Duration>,
}

/// Rolls a revision of the deployment out again.
pub(super) async fn roll_out_again(
    session: &Session<'_>,
    args: &DeploymentArgs,
    way: Again<'_>,
) -> Result<Exit, Report> {
    let Some(journal) = session.journal_to_drive().await? else {
        return Err(session.no_journal_for(args));
    };
    let runs = match runs_of(session, args, &journal).await? {
        Runs::Of(runs) => runs,
        Runs::Signalled(exit) => return Ok(exit),
    };
    let revision = chosen(&runs, way.which)?;
    let ready = ready_again(session, &journal, revision.run, predecessor(args)).await?;
    let Ready { deployment, world, .. } = &ready;
    if way.confirmation.asks(session.ui) {
        let plan = async |foresight: &Foresight<'_, World>| foresight.plan::<Redeploy>(deployment).await;
        let steps = match foreseen(session, world, plan).await? {
            Foreseen::Seen((steps, ())) => steps,
            Foreseen::Stopped(stop) => return Err(stopped(session, stop).await),
            Foreseen::Signalled(exit) => return Ok(exit),
        };
        let question = format!("roll out revision {} of {} again?", revision.number, deployment.name);
        way.confirmation.ask(session.ui, &table(&steps), &question)?;
    }
    let mut facts = cause::of_start(session, way.reason);
    facts.insert(REPEATS.to_owned(), revision.run.to_string());
    let exit = roll_out(session, &journal, &ready, &facts, way.wait).await?;
    journal.close().await?;
    Ok(exit)
}

/// What a run has deployed, ready to be deployed again.
pub(super) async fn ready_again(
    session: &Session<'_>,
    journal: &Journal,
    run: RunId,
    predecessor: Option<Predecessor>,
) -> Result<Ready<Deployment>, Report> {
    let context = session.context_of(journal, run).await?;
    let past = Past::from(journal.history(run).await?);
    let (mut deployment, context) =
        again(&past, context, predecessor).map_err(|failure| Report::usage(failure.to_string()))?;
    let world = session.world_of(&context).await?;
    complete_origin(&mut deployment, &world).await;
    Ok(Ready { deployment, context, world })
}

fn chosen(runs: &[Kin], which: Which<'_>) -> Result<Revision, Report> {
    let mut known = revisions(runs);
    let numbers: Vec<String> = known.iter().map(|revision| revision.number.to_string()).collect();
    let name = name_of(runs);
    let hint = match numbers.as_slice() {
        [] => "no run of it has succeeded; `deployctl start FILE` rolls out what a file describes".to_owned(),
        numbers => {
            format!("its revisions are {}; `deployctl revisions {name}` shows them", numbers.join(", "))
        }
    };
    known.retain(|revision| match which {
        Which::Current => revision.fate == Fate::Current,
        Which::Named(text) => revision.number.to_string() == text || is_beginning(text, revision.run),
    });
    match (known.pop(), known.is_empty(), which) {
        (Some(only), true, _) => Ok(only),
        (Some(_), false, _) => Err(Report::usage("several runs have an id that begins so").hint(hint)),
        (None, _, Which::Current) => Err(Report::usage(format!("{name} has no current revision")).hint(hint)),
        (None, _, Which::Named(text)) => {
            Err(Report::usage(format!("{name} has no revision `{text}`")).hint(hint))
        }
    }
}

/// The shortest beginning of an id that is not mistaken for a number.
const SHORTEST_ID: usize = 8;

fn is_beginning(text: &str, run: RunId) -> bool {
    text.len() >= SHORTEST_ID && run.to_string().starts_with(&text.to_ascii_lowercase())
}
