//! `status`: what serves a deployment now, read from the cloud, and how it differs from what its runs have left.

use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::again::ready_again;
use super::args::DeploymentArgs;
use super::exit::Exit;
use super::foresee::{Foreseen, foreseen};
use super::meant::{Runs, is_described, runs_at, runs_of};
use super::problem::Report;
use super::revisions::name_of;
use super::session::{Ready, Session};
use super::signals::beside_signals;
use super::status::status;
use super::ui::{Tone, Ui, age, plain, short};
use crate::config::Deployment;
use crate::engine::Foresight;
use crate::journal::{Fate, Journal, Kin, Revision, revisions, serving};
use crate::oci::InstanceId;
use crate::oci::load_balancers::HealthStatus;
use crate::run::{RunId, RunRecord, Timestamp, time_of};
use crate::workflows::{Drift, Expected, NEW_INSTANCE, Seen, Service, ServiceSet, Serving, World};

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_secs(2);

/// What the journal knows of the deployment.
#[derive(Default)]
struct Known {
    revisions: Vec<Revision>,
    /// The newest run, if it is not over.
    open: Option<RunRecord>,
    /// What the runs have left in service, if none is open.
    expected: Option<Expected>,
}

/// Shows what serves. If it is watched, shows it again each time that something has changed.
pub(super) async fn show(
    session: &Session<'_>,
    args: &DeploymentArgs,
    watches: bool,
) -> Result<Exit, Report> {
    let journal = session.journal_if_any().await?;
    let (ready, runs) = match named(session, args, journal.as_ref()).await? {
        Named::Deployment(ready, runs) => (*ready, runs),
        Named::Signalled(exit) => return Ok(exit),
    };
    let name = if runs.is_empty() { ready.deployment.name.clone() } else { name_of(&runs) };
    let newest = runs.first().map(|kin| kin.run);
    let mut shown = Value::Null;
    loop {
        let known = match (&journal, newest) {
            (Some(journal), Some(newest)) => known(journal, newest).await?,
            (None, _) | (_, None) => Known::default(),
        };
        let expected = known.expected.as_ref();
        let look = async |foresight: &Foresight<'_, World>| {
            Service::of(foresight, &ready.deployment, expected).await
        };
        let service = match foreseen(session, &ready.world, look).await? {
            Foreseen::Seen(service) => service,
            Foreseen::Stopped(stop) => return Err(stop.into()),
            Foreseen::Signalled(exit) => return Ok(exit),
        };
        let view =
            View { name: &name, drift: expected.map(|expected| service.drift(expected)), service, known };
        let now = view.published();
        if now != shown {
            if session.ui.is_json {
                session.ui.json(&now);
            } else {
                session.ui.out(&view.screen(session.ui, session.clock.now()));
            }
            shown = now;
        }
        if !watches {
            return Ok(Exit::Done);
        }
        let pause = session.clock.sleep(LOOK);
        if let (_, Some(exit)) = beside_signals(session.ui, &CancellationToken::new(), pause).await? {
            return Ok(exit);
        }
    }
}

/// The deployment that is meant.
enum Named {
    /// The deployment, and its runs as far as the journal knows them, the newest first.
    Deployment(Box<Ready<Deployment>>, Vec<Kin>),
    /// The user stopped the search.
    Signalled(Exit),
}

async fn named(
    session: &Session<'_>,
    args: &DeploymentArgs,
    journal: Option<&Journal>,
) -> Result<Named, Report> {
    if is_described(args) {
        let ready = Box::new(session.ready(args).await?);
        let Some(journal) = journal else { return Ok(Named::Deployment(ready, Vec::new())) };
        return Ok(match runs_at(session, &ready, journal).await? {
            Runs::Of(runs) => Named::Deployment(ready, runs),
            Runs::Signalled(exit) => Named::Signalled(exit),
        });
    }
    let Some(journal) = journal else {
        return Err(session.no_journal_for(args));
    };
    let runs = match runs_of(session, args, journal).await? {
        Runs::Of(runs) => runs,
        Runs::Signalled(exit) => return Ok(Named::Signalled(exit)),
    };
    // A run that only takes something away does not say where the deployment is.
    let Some(deployed) = runs.iter().find(|kin| kin.fact(NEW_INSTANCE).is_some()) else {
        let report = Report::usage(format!("no run of {} has come so far as to deploy", name_of(&runs)));
        return Err(report.hint("name the deployment by its file"));
    };
    let ready = ready_again(session, journal, deployed.run, None).await?;
    Ok(Named::Deployment(Box::new(ready), runs))
}

/// What the journal knows now of the deployment to which `run` belongs.
async fn known(journal: &Journal, run: RunId) -> Result<Known, Report> {
    let mut deployments = journal.deployments().await?;
    deployments.retain(|runs| runs.iter().any(|kin| kin.run == run));
    let runs = deployments.pop().unwrap_or_default();
    let revisions = revisions(&runs);
    let Some(newest) = runs.first() else { return Ok(Known::default()) };
    if let Some(open) = runs.iter().find(|kin| !kin.state.is_over()) {
        return Ok(Known { revisions, open: Some(journal.run(open.run).await?), expected: None });
    }
    let current = revisions.iter().find(|revision| revision.fate == Fate::Current);
    let expected = match serving(&runs) {
        Some(instance) => {
            let record = journal.run(current.map_or(newest.run, |current| current.run)).await?;
            Some(Expected::of(&instance, &record))
        }
        None => None,
    };
    Ok(Known { revisions, open: None, expected })
}

/// What is shown.
struct View<'v> {
    name: &'v str,
    service: Service,
    known: Known,
    /// `None` if the journal does not say what should serve.
    drift: Option<Vec<Drift>>,
}

impl View<'_> {
    fn revision(&self, id: &InstanceId) -> Option<i64> {
        let revision = self.known.revisions.iter().find(|revision| revision.thing == id.as_str());
        revision.map(|revision| revision.number)
    }

    fn screen(&self, ui: &Ui, now: Timestamp) -> String {
        let Service { load_balancer, load_balancer_name, sets, instances } = &self.service;
        let mut lines = vec![plain(&format!("{} behind {load_balancer_name} {load_balancer}", self.name))];
        for set in sets {
            lines.push(String::new());
            lines.push(self.set(ui, now, set));
        }
        let idle = instances.iter().filter(|one| one.backend_sets.is_empty());
        for one in idle {
            let kept = one.kept_by.as_ref().map(|run| format!(", kept by run {run}")).unwrap_or_default();
            let told = format!("\nserves nowhere: {} ({}, {}{kept})", one.id, one.name, one.state);
            lines.push(format!("{}\n    {}", plain(&told), self.made(one, now)));
        }
        lines.push(String::new());
        lines.push(self.verdict(ui));
        lines.join("\n")
    }

    fn set(&self, ui: &Ui, now: Timestamp, set: &ServiceSet) -> String {
        let name = plain(&set.name);
        if !set.is_there {
            return format!("{name}: {}", ui.out_tone(Tone::Bad, "the load balancer has no such set"));
        }
        let head = match (set.backends.is_empty(), set.is_reached) {
            (true, _) => format!("{name}: no backend"),
            (false, true) => name,
            (false, false) => format!("{name} (no listener uses it, so it is not checked)"),
        };
        if set.backends.is_empty() {
            return head;
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_header(["BACKEND", "IS", "WEIGHT", "HEALTH", "REVISION", "INSTANCE"]);
        for one in &set.backends {
            let Serving { backend, health, instance, .. } = one;
            let revision = instance.as_ref().and_then(|id| self.revision(id));
            table.add_row([
                plain(&backend.name.to_string()),
                standing(one).to_owned(),
                backend.flags.weight.to_string(),
                health.to_string(),
                revision.map(|number| number.to_string()).unwrap_or_default(),
                instance.as_ref().map(|id| short(id.as_str())).unwrap_or_default(),
            ]);
        }
        // What follows is too long for a column.
        let more = set.backends.iter().map(|one| {
            let seen = one.instance.as_ref().and_then(|id| self.service.instance(id));
            let made = seen.map(|seen| format!("\n    {}", self.made(seen, now))).unwrap_or_default();
            match one.health {
                HealthStatus::Ok => made,
                _ if one.checks.is_empty() => made,
                HealthStatus::Warning | HealthStatus::Critical | HealthStatus::Unknown => {
                    format!("{made}\n    {}", plain(&one.checks))
                }
            }
        });
        let rows = table.trim_fmt();
        let more = std::iter::once(String::new()).chain(more);
        let rows: Vec<String> = rows.lines().zip(more).map(|(row, more)| format!("{row}{more}")).collect();
        format!("{head}\n{}", rows.join("\n"))
    }

    /// What an instance is made of, by which run, and how old it is.
    fn made(&self, one: &Seen, now: Timestamp) -> String {
        let image = one.image.as_deref().unwrap_or("(its containers cannot be read)");
        let run = match one.run.as_deref().map(str::parse::<RunId>) {
            Some(Ok(run)) => format!(", made by run {}", run.short()),
            Some(Err(_)) | None if one.is_own => ", made by no run".to_owned(),
            Some(Err(_)) | None => ", not of this deployment".to_owned(),
        };
        let created = one.created_at.as_deref().and_then(time_of);
        let old = created.map(|at| format!(", {} old", age(at, now))).unwrap_or_default();
        plain(&format!("{image}{run}{old}"))
    }

    fn verdict(&self, ui: &Ui) -> String {
        if let Some(open) = &self.known.open {
            let id = open.id.short();
            let text = format!("run {id} is {}; `deployctl history {id}` shows it", status(open));
            return ui.out_tone(Tone::Busy, &text);
        }
        match &self.drift {
            None => "the journal does not say what should serve".to_owned(),
            Some(drift) if drift.is_empty() => "as the last run has left it".to_owned(),
            Some(drift) => {
                let lines = drift.iter().map(|one| format!("\n  {}", plain(&one.message)));
                format!(
                    "{}{}",
                    ui.out_tone(Tone::Bad, "not as the last run has left it:"),
                    lines.collect::<String>()
                )
            }
        }
    }

    fn published(&self) -> Value {
        let Service { load_balancer, load_balancer_name, sets, instances } = &self.service;
        let sets = sets.iter().map(|set| {
            let backends = set.backends.iter().map(|one| {
                let Serving { backend, health, checks, instance } = one;
                json!({
                    "name": backend.name, "ip_address": backend.ip_address, "port": backend.port,
                    "weight": backend.flags.weight, "drain": backend.flags.drain, "backup": backend.flags.backup,
                    "offline": backend.flags.offline, "health": health, "checks": checks, "instance_id": instance,
                })
            });
            let backends: Vec<Value> = backends.collect();
            json!({"name": set.name, "exists": set.is_there, "has_listener": set.is_reached, "backends": backends})
        });
        let instances = instances.iter().map(|one| {
            json!({
                "instance_id": one.id, "name": one.name, "status": one.state, "image": one.image,
                "revision": self.revision(&one.id), "run_id": one.run, "kept_by": one.kept_by,
                "created_at": one.created_at, "backend_sets": one.backend_sets, "of_deployment": one.is_own,
            })
        });
        json!({
            "deployment": self.name,
            "load_balancer": {"id": load_balancer, "name": load_balancer_name},
            "sets": sets.collect::<Vec<_>>(),
            "instances": instances.collect::<Vec<_>>(),
            "open_run_id": self.known.open.as_ref().map(|run| run.id),
            "drift": self.drift,
        })
    }
}

fn standing(one: &Serving) -> &'static str {
    let flags = &one.backend.flags;
    match (flags.offline, flags.drain, flags.backup) {
        (true, _, _) => "offline",
        (false, true, _) => "drained",
        (false, false, true) => "a backup",
        (false, false, false) => "in service",
    }
}
