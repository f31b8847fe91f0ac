//! The instances that other runs of the deployment have made, by their tags.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::beside::belongs;
use super::candidates::is_kept;
use super::{World, failure, instance};
use crate::config::{Belongs, Filter, MinReady};
use crate::engine::Cx;
use crate::oci::{InstanceId, is_terminated, printable};
use crate::run::{Failure, RunId, Timestamp};

const DOING: &str = "looking for other runs of the deployment";

/// How far apart two lists are, unless `min-ready` says otherwise.
const LISTS_APART: Duration = Duration::from_secs(10);

/// Where the instances of other runs are, and which one is none of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Others {
    /// The value of the deployment's tag.
    pub(super) deployment: String,
    pub(super) compartments: Vec<String>,
    /// What the old instance is found by. A rollback may bring one back that no run has tagged.
    pub(super) filter: Filter,
    /// The instance that is replaced.
    pub(super) replaced: Option<InstanceId>,
}

/// What decides between instances that do not serve yet: when an instance was created, and if that is the same, its run's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seniority(Option<Timestamp>, Option<RunId>);

impl Seniority {
    /// That of an instance that was created then, by a run.
    pub(super) fn of(created: Option<Timestamp>, run: Option<RunId>) -> Self {
        Self(created, run)
    }

    /// That of a run whose instance need not be compared.
    pub(super) fn unknown(cx: &Cx<'_, World>) -> Self {
        Self(None, Some(cx.run()))
    }

    fn shown(instance: &Value, run: Option<RunId>) -> Self {
        Self::of(instance::created_at(instance), run)
    }
}

/// An instance that another run has made or brought back.
#[derive(Clone, Debug)]
pub(super) struct Rival {
    pub(super) id: InstanceId,
    pub(super) run: Option<RunId>,
    pub(super) seniority: Seniority,
    /// Whether a rollback has made it, in place of one that was gone.
    pub(super) is_remade: bool,
}

impl Rival {
    fn of(shown: &Value) -> Option<Self> {
        let run = instance::run_of(shown);
        Some(Self {
            id: InstanceId::from(shown["id"].as_str()?),
            run,
            seniority: Seniority::shown(shown, run),
            is_remade: instance::is_remade(shown),
        })
    }

    pub(super) fn told(&self) -> String {
        let id = printable(self.id.as_str());
        match self.run {
            Some(run) => format!("run {run} has made {id}"),
            None => format!("a rollback has brought back {id}"),
        }
    }

    /// Its addresses. None while they are not known, or if it is gone.
    pub(super) async fn addresses(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let api = cx.world.oci.container_instances();
        match failure::look(cx, DOING, || api.get(&self.id)).await? {
            Ok(read) => Ok(instance::addresses(cx, &read.value).await?.unwrap_or_default()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(failure::of(DOING, &error)),
        }
    }
}

/// What the lists show.
pub(super) struct Alive {
    /// The instances of other runs that are there and not kept.
    pub(super) rivals: Vec<Rival>,
    /// The seniority of this run's own instance.
    pub(super) own: Seniority,
    is_own_listed: bool,
}

impl Others {
    /// What the lists of all compartments show.
    async fn listed(&self, cx: &Cx<'_, World>) -> Result<Vec<Value>, Failure> {
        let api = cx.world.oci.container_instances();
        let mut all = Vec::new();
        for compartment in &self.compartments {
            all.extend(failure::must_look_all(cx, DOING, api.list(compartment)).await?);
        }
        Ok(all)
    }

    pub(super) async fn alive(&self, cx: &Cx<'_, World>, own: &InstanceId) -> Result<Alive, Failure> {
        let listed = self.listed(cx).await?;
        let rivals = self.rivals_among(cx, &listed);
        let seniority = |shown: &Value| Seniority::shown(shown, Some(cx.run()));
        if let Some(shown) = listed.iter().find(|one| one["id"] == own.as_str()) {
            return Ok(Alive { rivals, own: seniority(shown), is_own_listed: true });
        }
        let api = cx.world.oci.container_instances();
        let read = failure::must_look(cx, DOING, || api.get_raw(own)).await?.value;
        Ok(Alive { rivals, own: seniority(&read), is_own_listed: false })
    }

    /// The instances that other runs have, besides the one that is replaced.
    pub(super) async fn rivals(&self, cx: &Cx<'_, World>) -> Result<Vec<Rival>, Failure> {
        Ok(self.rivals_among(cx, &self.listed(cx).await?))
    }

    fn rivals_among(&self, cx: &Cx<'_, World>, listed: &[Value]) -> Vec<Rival> {
        listed.iter().filter(|one| self.is_rival(cx, one)).filter_map(Rival::of).collect()
    }

    /// The addresses of all instances that other runs have made, in any state.
    pub(super) async fn addresses(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let listed = self.listed(cx).await?;
        let mut addresses = Vec::new();
        for rival in listed.iter().filter(|one| self.is_of_another_run(cx, one)).filter_map(Rival::of) {
            addresses.extend(rival.addresses(cx).await?);
        }
        Ok(addresses)
    }

    /// Waits until two lists show this run's own instance and no other. This is for an instance that is registered nowhere, so
    /// that no load balancer decides.
    ///
    /// # Errors
    /// [`Held`](crate::run::FailureKind::Held) if another run goes on instead: a rollback, or the one whose instance is older; or
    /// if the others do not give way in time.
    pub(super) async fn give_way(&self, cx: &Cx<'_, World>, own: &InstanceId) -> Result<(), Failure> {
        let apart = match cx.world.policy.min_ready {
            Some(MinReady::For(time)) => time * 2,
            Some(MinReady::Interval) | None => LISTS_APART,
        };
        let started = Instant::now();
        let mut was_alone = false;
        loop {
            let Alive { rivals, own, is_own_listed } = self.alive(cx, own).await?;
            let goes_before = |one: &&Rival| one.is_remade || one.seniority < own;
            if let Some(first) = rivals.iter().find(goes_before) {
                return Err(Failure::held(first.run, DOING, format!("{}, which goes first", first.told())));
            }
            let is_alone = rivals.is_empty() && is_own_listed;
            if is_alone && was_alone {
                return Ok(());
            }
            if let Some(other) = rivals.first()
                && started.elapsed() > cx.world.policy.instance_timeout
            {
                return Err(Failure::held(
                    other.run,
                    DOING,
                    format!("{}, and does not give way", other.told()),
                ));
            }
            was_alone = is_alone;
            cx.progress("looking once more whether another run has an instance");
            cx.pause(apart.max(cx.world.policy.poll_interval)).await?;
        }
    }

    /// Whether the instance is another run's, and is there and not kept.
    fn is_rival(&self, cx: &Cx<'_, World>, one: &Value) -> bool {
        self.is_of_another_run(cx, one) && !is_terminated(one) && !is_kept(one)
    }

    fn is_of_another_run(&self, cx: &Cx<'_, World>, one: &Value) -> bool {
        let is_own = instance::is_made_here(cx, one);
        let is_replaced = self.replaced.as_ref().is_some_and(|id| one["id"] == id.as_str());
        let is_made = instance::made_by(one).is_some() && belongs(&self.deployment, one) != Belongs::Not;
        !is_own && !is_replaced && (is_made || self.filter.matches(one))
    }
}
