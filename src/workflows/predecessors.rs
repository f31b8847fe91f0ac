//! Which instance a run replaces whose journal is lost. It is looked for as at the start of the run, but behind what the run
//! itself has changed since.

use serde_json::Value;

use super::candidates::{self, Candidate, Named};
use super::lost::LostRun;
use super::{World, instance};
use crate::config::Disposal;
use crate::engine::Cx;
use crate::oci::is_terminated;
use crate::oci::load_balancers::LoadBalancer;
use crate::run::Failure;

/// The instances among `listed` that the run may replace. An instance that a rollback of the run has created in place of the
/// old one is that one now.
pub(super) async fn of_lost<'v>(
    cx: &Cx<'_, World>,
    balancer: Option<&LoadBalancer>,
    lost: &LostRun,
    named: Named<'_>,
    listed: &'v [Value],
) -> Result<Vec<&'v Value>, Failure> {
    let run = lost.run.to_string();
    let is_own = |one: &Value| instance::made_by(one) == Some(&run);
    let there = || listed.iter().filter(|one| !is_terminated(one));
    let remade: Vec<&Value> = there().filter(|one| is_own(one) && instance::is_remade(one)).collect();
    if !remade.is_empty() {
        return Ok(remade);
    }
    let (kept, others): (Vec<&Value>, Vec<&Value>) = there()
        .filter(|one| named.is(one) && !is_own(one) && !is_of_a_later_run(one, lost))
        .partition(|one| is_kept_by(one, lost));
    Ok([kept, candidates::without_kept(cx, balancer, others).await?].concat())
}

/// Whether the run has done all that it does to the instance which it replaces: it is registered nowhere, and is marked as
/// kept, and stopped if it is to be stopped.
pub(super) fn is_retired(
    cx: &Cx<'_, World>,
    lost: &LostRun,
    instance: &Value,
    candidate: &Candidate,
) -> bool {
    let is_left = match cx.world.policy.old_instance {
        Disposal::Delete => false,
        Disposal::Keep => true,
        Disposal::Stop => matches!(instance["lifecycleState"].as_str(), Some("INACTIVE" | "FAILED")),
    };
    is_left && is_kept_by(instance, lost) && candidate.registered.is_empty()
}

fn is_kept_by(instance: &Value, lost: &LostRun) -> bool {
    let by = instance["freeformTags"].as_object().and_then(instance::kept::by);
    by == Some(&lost.run.to_string())
}

/// A run does not replace what a later run has created.
fn is_of_a_later_run(one: &Value, lost: &LostRun) -> bool {
    instance::made_by(one).is_some()
        && instance::created_at(one).zip(lost.since).is_some_and(|(theirs, ours)| theirs > ours)
}
