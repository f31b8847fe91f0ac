//! The commands that look at a deployment: show and validate.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::DeploymentArgs;
use super::exit::Exit;
use super::foresee::{Foreseen, foreseen, stopped, unfound};
use super::problem::Report;
use super::session::{Ready, Session};
use super::ui::plain;
use crate::config::{Loaded, MinReady, Predecessor, Problem, load};
use crate::engine::{Foresight, Stop};
use crate::workflows::{Unfound, Validation, World};

pub(super) fn show(session: &Session<'_>, args: &DeploymentArgs) -> Result<Exit, Report> {
    let Loaded { deployment, policy, .. } = session.deployment(args)?;
    let seconds = |duration: Duration| json!(duration.as_secs_f64());
    let (is_first, replaced) = match &deployment.predecessor {
        Predecessor::MayBeMissing => (true, None),
        Predecessor::Named(id) => (false, Some(id)),
        Predecessor::AsBefore | Predecessor::Expected => (false, None),
    };
    let shown = json!({
        "name": deployment.name,
        "ci-config": deployment.masked(),
        "compartment-id": deployment.compartment_id,
        "lb-compartment": deployment.lb_compartment,
        "ci-filter": deployment.ci_filter.masked(),
        "lb-filter": deployment.lb_filter.masked(),
        "first": is_first,
        "replace": replaced,
        "backends": deployment.backends,
        "drain-delay": seconds(policy.drain_delay),
        "backend-timeout": seconds(policy.backend_timeout),
        "instance-timeout": seconds(policy.instance_timeout),
        "min-ready": match policy.min_ready {
            Some(MinReady::For(duration)) => seconds(duration),
            Some(MinReady::Interval) | None => json!(null),
        },
        "work-timeout": seconds(policy.work_timeout),
        "lb-compartments": policy.lb_compartments,
        "poll-interval": seconds(policy.poll_interval),
        "request-timeout": seconds(policy.request_timeout),
        "on-failure": policy.on_failure,
        "old-instance": policy.old_instance,
        "register": policy.register,
        "retry": {
            "max-elapsed": seconds(policy.retry.max_elapsed),
            "initial-interval": seconds(policy.retry.initial_interval),
            "max-interval": seconds(policy.retry.max_interval),
            "multiplier": policy.retry.multiplier,
        },
    });
    if session.ui.is_json {
        session.ui.json(&shown);
    } else {
        session.ui.exact(&format!("{shown:#}"));
    }
    Ok(Exit::Done)
}

pub(super) async fn validate(
    session: &Session<'_>,
    args: &DeploymentArgs,
    is_online: bool,
) -> Result<Exit, Report> {
    let loaded = match load(&session.sources(args)) {
        Ok(loaded) => loaded,
        Err(problems) if session.ui.is_json => {
            let problems: Vec<Value> = problems.0.iter().map(told).collect();
            return Ok(invalid(session, &problems, &[]));
        }
        Err(problems) => return Err(problems.into()),
    };
    session.warn(&loaded);
    let warnings: Vec<Value> = loaded.warnings.iter().map(told).collect();
    let mut seen = Vec::new();
    if is_online {
        let Ready { deployment, world, .. } = session.ready_with(loaded.clone()).await?;
        let look = async |foresight: &Foresight<'_, World>| foresight.plan::<Validation>(&deployment).await;
        match foreseen(session, &world, look).await? {
            Foreseen::Seen((steps, problems)) if problems.is_empty() => seen = steps,
            Foreseen::Seen((_, problems)) if session.ui.is_json => {
                let problems: Vec<Value> = problems.iter().map(told_of_the_cloud).collect();
                return Ok(invalid(session, &problems, &warnings));
            }
            Foreseen::Seen((_, problems)) => return Err(unfound(&problems)),
            // A refusal that applies to every deployment is a problem like any other.
            Foreseen::Stopped(Stop::Failed(failure)) if session.ui.is_json && !failure.is_held() => {
                let problem = Unfound { path: None, message: failure.message };
                return Ok(invalid(session, &[told_of_the_cloud(&problem)], &warnings));
            }
            Foreseen::Stopped(stop) => return Err(stopped(session, stop).await),
            Foreseen::Signalled(exit) => return Ok(exit),
        }
    } else {
        session.check_credentials(&loaded)?;
    }
    let name = &loaded.deployment.name;
    if session.ui.is_json {
        session
            .ui
            .json(&json!({"valid": true, "name": name, "problems": [], "warnings": warnings, "seen": seen}));
        return Ok(Exit::Done);
    }
    for step in &seen {
        let subject = step.subject.as_deref().map(|subject| format!("{subject} ")).unwrap_or_default();
        let note = step.note.as_deref().unwrap_or_default();
        session.ui.out(&plain(&format!("{:19} {subject}{note}", step.name)));
    }
    session.ui.out(&plain(&if is_online {
        format!("{name} is valid, and what it names is there")
    } else {
        format!("{name} is valid; --online also looks whether what it names is there")
    }));
    Ok(Exit::Done)
}

fn invalid(session: &Session<'_>, problems: &[Value], warnings: &[Value]) -> Exit {
    session.ui.json(&json!({"valid": false, "problems": problems, "warnings": warnings}));
    Exit::Usage
}

/// The problem when the cloud does not have what a deployment names. It has no place in a file, but the path of the
/// value that names it.
fn told_of_the_cloud(problem: &Unfound) -> Value {
    let path = problem.path.as_deref().unwrap_or_default();
    json!({"file": null, "line": null, "column": null, "path": path, "message": problem.message})
}

fn told(problem: &Problem) -> Value {
    let (line, column) = problem.place.position.unzip();
    json!({
        "file": problem.place.source.as_ref().map(|source| source.display().to_string()),
        "line": line,
        "column": column,
        "path": problem.path,
        "message": problem.message,
    })
}
