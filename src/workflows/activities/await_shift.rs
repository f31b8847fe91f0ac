//! Follows the change that replaces a set to its end, and finds what it has overwritten: somebody's change of the same set that
//! was accepted before ours and not applied when we read the set.
//!
//! The cloud applies one change after the other. So there is a time in which theirs is applied and ours is not, and the set then
//! shows what they wanted.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::engine::{Activity, Cx, Looks, Wait};
use crate::oci::load_balancers::{Backend, Flags};
use crate::oci::network::is_same_address;
use crate::oci::{LoadBalancerId, WorkRequestId};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::{self, Expected, Place};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AwaitShift {
    pub(in crate::workflows) work_request: WorkRequestId,
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) backend_set: String,
    /// The flags of our own backends after the change.
    pub(in crate::workflows) expected: Expected,
    /// The other backends that our change has kept.
    pub(in crate::workflows) others: Vec<Backend>,
    /// What the new instance claims. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) claim: Option<Claim>,
}

/// A backend that somebody has changed, and what our change has made of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Overwritten {
    pub(in crate::workflows) place: Place,
    /// The flags that they gave it; `None` if they removed it.
    pub(in crate::workflows) flags: Option<Flags>,
}

impl Activity for AwaitShift {
    const NAME: &'static str = "await-shift";
    type World = World;
    type Output = Vec<Overwritten>;

    fn subject(&self) -> Option<String> {
        Some(self.backend_set.clone())
    }

    fn note(overwritten: &Vec<Overwritten>) -> Option<String> {
        let put_back = match overwritten.len() {
            0 => String::new(),
            n => format!("; {n} of other people's changes to put back"),
        };
        Some(format!("the new version serves alone in it{put_back}"))
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Vec<Overwritten>, Failure> {
        let before_ours = balancer::open_before(cx, &self.load_balancer, &self.work_request).await?;
        // A process that died may have seen that something was open before ours.
        let theirs = if before_ours.is_empty() && cx.is_first_entry() {
            None
        } else {
            Box::pin(self.between(cx, &before_ours)).await?
        };
        match balancer::failed(cx, &self.work_request, &self.expected).await? {
            Some(request) => Err(balancer::work_failure(cx, &request)),
            None => {
                let overwritten = theirs.map(|theirs| self.overwritten(&theirs)).unwrap_or_default();
                Box::pin(self.without_losers(cx, overwritten)).await
            }
        }
    }
}

impl Wait for AwaitShift {
    fn foresee(&self) -> Vec<Overwritten> {
        Vec::new()
    }
}

impl AwaitShift {
    /// The other backends of the set once everything before our change is applied and our change is not. `None` if that time
    /// has passed unseen.
    async fn between(
        &self,
        cx: &Cx<'_, World>,
        before_ours: &[WorkRequestId],
    ) -> Result<Option<Vec<Backend>>, Failure> {
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let mut is_open = false;
            for work in before_ours {
                is_open |= balancer::is_open(cx, work).await?;
            }
            if !is_open {
                break;
            }
            // Something that does not end keeps ours from ending too, and following ours says so.
            if !balancer::is_open(cx, &self.work_request).await?
                || started.elapsed() > cx.world.policy.work_timeout
            {
                return Ok(None);
            }
            cx.progress("waiting for somebody else's change of the load balancer, which comes before ours");
            cx.pause(wait).await?;
        }
        let balancer = balancer::now(cx, &self.load_balancer).await?;
        if !balancer::is_open(cx, &self.work_request).await? {
            if !before_ours.is_empty() {
                cx.warn(format!(
                    "somebody's change of the load balancer was accepted right before the set `{}` was replaced: see \
                     whether it is still there",
                    self.backend_set
                ));
            }
            return Ok(None);
        }
        let set = balancer.backend_sets.get(&self.backend_set);
        Ok(set.map(|set| set.backends.iter().filter(|one| !self.is_ours(one)).cloned().collect()))
    }

    /// Leaves out what another run of the deployment has registered, because it has lost and takes that away again. A backend
    /// that is put back afterwards would stay.
    async fn without_losers(
        &self,
        cx: &Cx<'_, World>,
        overwritten: Vec<Overwritten>,
    ) -> Result<Vec<Overwritten>, Failure> {
        let Some(claim) = self.claim.as_ref().filter(|_| !overwritten.is_empty()) else {
            return Ok(overwritten);
        };
        let losers = claim.others.addresses(cx).await?;
        let is_losers = |one: &Overwritten| losers.iter().any(|at| is_same_address(at, &one.place.address));
        Ok(overwritten.into_iter().filter(|one| one.flags.is_none() || !is_losers(one)).collect())
    }

    fn place(&self, backend: &Backend) -> Place {
        Place::of(&self.load_balancer, &self.backend_set, backend)
    }

    fn is_ours(&self, backend: &Backend) -> bool {
        let Expected::Backends(ours) = &self.expected else { return false };
        ours.iter().any(|(place, _)| *place == self.place(backend))
    }

    /// Where our change has set aside what somebody wanted.
    fn overwritten(&self, theirs: &[Backend]) -> Vec<Overwritten> {
        let find = |all: &[Backend], one: &Backend| all.iter().find(|other| other.name == one.name).cloned();
        let changed = theirs.iter().filter(|one| find(&self.others, one).as_ref() != Some(one));
        let changed = changed.map(|one| (self.place(one), Some(one.flags.clone())));
        let removed = self.others.iter().filter(|one| find(theirs, one).is_none());
        let removed = removed.map(|one| (self.place(one), None));
        changed.chain(removed).map(|(place, flags)| Overwritten { place, flags }).collect()
    }
}
