//! Finds what a command means: a run by its id, or a deployment by its file or its name.
//!
//! An argument that ends in .edn, .yaml, .yml or .json, or has a slash, is a file, unless there is no such file and a
//! deployment has that name. `latest` and the beginning of an id mean runs. Everything else is a name, alone or with
//! the digest of its target.

use std::path::Path;

use super::args::DeploymentArgs;
use super::exit::Exit;
use super::foresee::{Foreseen, foreseen};
use super::problem::{Report, deployment_of, of_kin, target_of_kin};
use super::session::{Ready, Session};
use crate::config::{Deployment, DeploymentTag};
use crate::engine::Foresight;
use crate::journal::{FindError, Journal, Kin, Purpose};
use crate::oci::LoadBalancerId;
use crate::run::{RunId, RunSelector};
use crate::workflows::{BACKEND_SET, World, locate, target_of};

/// The result of looking for the run.
pub(super) enum Meant {
    /// The run, in its journal.
    Run(Journal, RunId),
    /// The user stopped the search.
    Signalled(Exit),
}

/// The run that the arguments of a rollback mean.
pub(super) async fn meant(session: &Session<'_>, args: &DeploymentArgs) -> Result<Meant, Report> {
    let said = args.file.as_deref().map(|path| (path, path.display().to_string()));
    let Some((path, text)) = said else { return by_target(session, args).await };
    if is_file_name(path) && path.exists() {
        return by_target(session, args).await;
    }
    let Some(journal) = session.journal_to_drive().await? else {
        if is_file_name(path) {
            return by_target(session, args).await;
        }
        return Err(session.no_journal(&text));
    };
    let named = called(journal.deployments().await?, &text);
    if is_file_name(path) && named.is_empty() {
        return by_target(session, args).await;
    }
    let run = match text.parse::<RunSelector>() {
        Ok(RunSelector::Latest) => journal.find(&RunSelector::Latest, Purpose::Undo).await?,
        Ok(selector @ RunSelector::Prefix(_)) => {
            match (journal.find(&selector, Purpose::Undo).await, &named[..]) {
                (found, []) => found?,
                (Err(FindError::None { .. }), _) => newest(&only(named, &text)?, &text)?,
                (Ok(run), _) => return Err(both(&text, &[run], &named)),
                (Err(FindError::Ambiguous { candidates, .. }), _) => {
                    return Err(both(&text, &candidates, &named));
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
        Err(_) if named.is_empty() => return Err(nobody(&text, &journal.deployments().await?)),
        Err(_) => newest(&only(named, &text)?, &text)?,
    };
    Ok(Meant::Run(journal, run))
}

fn is_file_name(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let is_known = ending.is_some_and(|ending| matches!(ending.as_str(), "edn" | "yaml" | "yml" | "json"));
    is_known || path.to_string_lossy().contains('/')
}

/// The deployments that have a run with this name, or with this name and target.
fn called(deployments: Vec<Vec<Kin>>, text: &str) -> Vec<Vec<Kin>> {
    let wanted = DeploymentTag::parse(text);
    let is_meant =
        |kin: &Kin| DeploymentTag::parse(&deployment_of(kin)).is_meant_by(&wanted) || kin.name == text;
    deployments.into_iter().filter(|runs| runs.iter().any(is_meant)).collect()
}

/// The runs of the only deployment.
fn only(mut deployments: Vec<Vec<Kin>>, text: &str) -> Result<Vec<Kin>, Report> {
    match (deployments.pop(), deployments.is_empty()) {
        (Some(runs), true) => Ok(runs),
        (None, _) => Err(nobody(text, &[])),
        (Some(last), false) => {
            let all = deployments.iter().chain([&last]).filter_map(|runs| runs.first());
            let lines: Vec<String> = all.map(|kin| format!("\n  {}", of_kin(kin))).collect();
            let n = lines.len();
            Err(Report::usage(format!("`{text}` is the name of {n} deployments:{}", lines.concat()))
                .hint("say which: the name with its digest, as it stands there, or the run"))
        }
    }
}

fn newest(runs: &[Kin], text: &str) -> Result<RunId, Report> {
    runs.first().map(|newest| newest.run).ok_or_else(|| nobody(text, &[]))
}

fn both(text: &str, runs: &[RunId], named: &[Vec<Kin>]) -> Report {
    let newest: Vec<String> =
        named.iter().filter_map(|runs| runs.first()).map(|kin| format!("\n  {}", of_kin(kin))).collect();
    let runs: Vec<String> = runs.iter().map(|run| format!("\n  {run}")).collect();
    Report::usage(format!(
        "`{text}` is the beginning of a run's id and the name of a deployment:{}{}",
        runs.concat(),
        newest.concat()
    ))
    .hint("say which: more of the id, or the name with its digest")
}

fn nobody(text: &str, deployments: &[Vec<Kin>]) -> Report {
    let report = Report::usage(format!("no run of a deployment `{text}` has changed anything"));
    let known: Vec<String> = deployments.iter().filter_map(|runs| runs.first()).map(deployment_of).collect();
    if known.is_empty() {
        report.hint("`deployctl history` lists the runs")
    } else {
        report.hint(format!("there are runs of {}", known.join(", ")))
    }
}

/// The newest run of the deployment that the arguments describe.
async fn by_target(session: &Session<'_>, args: &DeploymentArgs) -> Result<Meant, Report> {
    let ready = session.ready(args).await?;
    let name = &ready.deployment.name;
    let Some(journal) = session.journal_to_drive().await? else { return Err(session.no_journal(name)) };
    Ok(match described(session, &ready, &journal).await? {
        Runs::Of(runs) => Meant::Run(journal, newest(&runs, name)?),
        Runs::Signalled(exit) => Meant::Signalled(exit),
    })
}

/// The runs of a deployment.
pub(super) enum Runs {
    /// Those that have changed something, the newest first.
    Of(Vec<Kin>),
    /// The user stopped the search.
    Signalled(Exit),
}

/// Whether the arguments describe a deployment, by its file or by flags. Otherwise they name one that the journal knows.
pub(super) fn is_described(args: &DeploymentArgs) -> bool {
    args.file.as_deref().is_none_or(|path| is_file_name(path) && path.exists())
}

/// The runs of the deployment that the user names or describes.
pub(super) async fn runs_of(
    session: &Session<'_>,
    args: &DeploymentArgs,
    journal: &Journal,
) -> Result<Runs, Report> {
    let Some(path) = args.file.as_deref().filter(|_| !is_described(args)) else {
        return described(session, &session.ready(args).await?, journal).await;
    };
    let text = path.display().to_string();
    let all = journal.deployments().await?;
    let named = called(all.clone(), &text);
    if named.is_empty() {
        return Err(nobody(&text, &all));
    }
    Ok(Runs::Of(only(named, &text)?))
}

/// The runs of a deployment that was read.
async fn described(
    session: &Session<'_>,
    ready: &Ready<Deployment>,
    journal: &Journal,
) -> Result<Runs, Report> {
    match runs_at(session, ready, journal).await? {
        Runs::Of(runs) if runs.is_empty() => {
            Err(nobody(&ready.deployment.name, &journal.deployments().await?))
        }
        found => Ok(found),
    }
}

/// The same, and nothing if the journal does not know the deployment.
pub(super) async fn runs_at(
    session: &Session<'_>,
    ready: &Ready<Deployment>,
    journal: &Journal,
) -> Result<Runs, Report> {
    let Ready { deployment, world, .. } = ready;
    let look = async |foresight: &Foresight<'_, World>| locate(foresight, deployment).await;
    let balancer = match foreseen(session, world, look).await? {
        Foreseen::Seen(balancer) => balancer,
        Foreseen::Stopped(stop) => return Err(stop.into()),
        Foreseen::Signalled(exit) => return Ok(Runs::Signalled(exit)),
    };
    let found = going_there(journal.deployments().await?, deployment, &balancer);
    Ok(Runs::Of(if found.is_empty() { Vec::new() } else { only(found, &deployment.name)? }))
}

/// The deployments that go where this one goes.
fn going_there(
    mut found: Vec<Vec<Kin>>,
    deployment: &Deployment,
    balancer: &LoadBalancerId,
) -> Vec<Vec<Kin>> {
    found.retain(|runs| runs.iter().any(|kin| goes_there(kin, deployment, balancer)));
    if found.len() > 1 {
        // Without `backends`, the file says less than its runs know, so the name decides.
        let is_so_called = |runs: &&Vec<Kin>| runs.iter().any(|kin| kin.name == deployment.name);
        let so_called: Vec<Vec<Kin>> = found.iter().filter(is_so_called).cloned().collect();
        if !so_called.is_empty() {
            found = so_called;
        }
    }
    found
}

/// Whether a run and this deployment have the same target.
fn goes_there(kin: &Kin, deployment: &Deployment, balancer: &LoadBalancerId) -> bool {
    let sets: Vec<&str> = deployment.backends.iter().map(|target| target.backend_set.as_str()).collect();
    match target_of_kin(kin) {
        Some(Ok(service)) => target_of(deployment, balancer, &sets).is_some_and(|wanted| {
            if sets.is_empty() { service.is_beside(&wanted) } else { service == wanted }
        }),
        Some(Err(_)) => false,
        // The run was started before runs knew their target.
        None => kin.targets_of(BACKEND_SET).any(|place| {
            let set = place.strip_prefix(balancer.as_str()).and_then(|rest| rest.strip_prefix('/'));
            set.is_some_and(
                |set| if sets.is_empty() { kin.name == deployment.name } else { sets.contains(&set) },
            )
        }),
    }
}
