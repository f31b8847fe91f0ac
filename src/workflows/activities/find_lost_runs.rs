//! Finds the runs of a deployment that are not over, by the tags of the instances that they created.
//!
//! The newest run whose instance takes requests has replaced what older runs created. It is over unless an instance is left
//! that it replaces. A newer run whose instance takes no requests yet is not over.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Which;
use crate::config::Belongs;
use crate::engine::{Activity, Cx, Read};
use crate::oci::load_balancers::LoadBalancer;
use crate::oci::{LoadBalancerId, is_terminated};
use crate::run::Failure;
use crate::workflows::beside::Around;
use crate::workflows::candidates::{Candidate, Named};
use crate::workflows::lost::LostRun;
use crate::workflows::phase::Phase;
use crate::workflows::predecessors;
use crate::workflows::{World, instance};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindLostRuns {
    /// How the old instance is named.
    pub(in crate::workflows) which: Which,
    pub(in crate::workflows) compartments: Vec<String>,
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) around: Around,
}

/// A run with an instance that is there, and where that instance is registered.
struct Made {
    lost: LostRun,
    /// The sets in which it takes requests.
    serving: Vec<String>,
    registered: Vec<String>,
}

impl Activity for FindLostRuns {
    const NAME: &'static str = "find-lost-runs";
    type World = World;
    type Output = Vec<LostRun>;

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Vec<LostRun>, Failure> {
        const DOING: &str = "looking for runs that are not over";
        let listed = instance::listed(cx, DOING, &self.compartments).await?;
        let balancer = self.around.balancer(cx).await?;
        let mut made = self.made(cx, balancer.as_ref(), &listed).await?;
        made.sort_by_key(|made| std::cmp::Reverse(made.lost.since));
        let n_newest = made.iter().position(|made| !made.serving.is_empty()).map_or(made.len(), |n| n + 1);
        let mut found = Vec::new();
        for mut made in made.into_iter().take(n_newest) {
            let old = predecessors::of_lost(cx, balancer.as_ref(), &made.lost, self.named(), &listed).await?;
            let mut replaced = Vec::new();
            for one in old {
                let candidate = Candidate::of(cx, balancer.as_ref(), one).await?;
                made.lost.replaces.push(candidate.id.clone());
                made.lost.old_addresses.extend(candidate.addresses.iter().cloned());
                if !predecessors::is_retired(cx, &made.lost, one, &candidate) {
                    replaced.push(candidate);
                }
            }
            let places = || replaced.iter().flat_map(|old| &old.registered);
            let wanted: Vec<&String> = match self.around.backend_sets.as_slice() {
                [] => places().map(|place| &place.backend_set).chain(&made.registered).collect(),
                sets => sets.iter().collect(),
            };
            let is_everywhere = wanted.iter().all(|set| made.serving.contains(set));
            if is_everywhere && replaced.is_empty() {
                continue;
            }
            made.lost.phase = if made.registered.is_empty() {
                Phase::Creating
            } else if made.serving.is_empty() {
                Phase::Registered
            } else if is_everywhere && !places().any(|place| place.backend.flags.serves()) {
                Phase::Draining
            } else {
                Phase::BothServing
            };
            found.push(made.lost);
        }
        Ok(found)
    }
}

impl Read for FindLostRuns {}

impl FindLostRuns {
    fn named(&self) -> Named<'_> {
        match &self.which {
            Which::Filter { filter, .. } => Named::Matching(filter),
            Which::Id(id) => Named::Id(id),
        }
    }

    /// The runs of the deployment that created an instance which is there.
    async fn made(
        &self,
        cx: &Cx<'_, World>,
        balancer: Option<&LoadBalancer>,
        listed: &[Value],
    ) -> Result<Vec<Made>, Failure> {
        let mut all = Vec::new();
        for one in listed.iter().filter(|one| !is_terminated(one) && !instance::is_remade(one)) {
            let may_be_ours = self.around.belongs(one) != Belongs::Not;
            let Some(run) = instance::run_of(one).filter(|_| may_be_ours) else { continue };
            let candidate = Candidate::of(cx, balancer, one).await?;
            let sets = |serves: bool| {
                let places = candidate.registered.iter();
                let those = places.filter(|place| !serves || place.backend.flags.serves());
                those.map(|place| place.backend_set.clone()).collect()
            };
            let (serving, registered) = (sets(true), sets(false));
            let lost = LostRun {
                run,
                since: instance::created_at(one),
                phase: Phase::Creating,
                replaces: Vec::new(),
                old_addresses: Vec::new(),
                load_balancer: self.load_balancer.clone(),
                mark: None,
                specification: instance::specification_of(one).map(ToOwned::to_owned),
                instance: candidate.id,
                addresses: candidate.addresses,
            };
            all.push(Made { lost, serving, registered });
        }
        Ok(all)
    }
}
