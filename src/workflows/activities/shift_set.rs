//! Lets requests reach the new backends of a set and takes the old ones out of service, in one change that replaces the set.
//! So there is no moment in which both versions serve, and none in which nobody does.
//!
//! A set is replaced by what was read, with other flags. The version that is sent with it makes the cloud refuse a set that
//! somebody has changed since, but not one for which a change is waiting in its queue. So nothing is sent while anything is
//! open, and `await-shift` looks for what was accepted in between.
//!
//! Its undo gives the old backends their flags back, and then drains the new ones, one backend at a time. In doubt, it is undone
//! from the input.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::admit_backend::{is_outrun, take_back};
use super::drain_backend::give_back;
use super::left::{self, fact};
use super::sent::preview_of;
use super::timing::drained_out;
use super::withdrawal;
use crate::engine::{Activity, Cx, Done, Looks, Mutation, Preview, Undone};
use crate::oci::load_balancers::{
    Backend, BackendSet, Flags, HealthStatus, LoadBalancer, backend, update_backend_set,
};
use crate::oci::network::is_same_address;
use crate::oci::{Call, LoadBalancerId, WorkRequestId};
use crate::run::{Facts, Failure};
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::{self, Expected, Place, Replaced};
use crate::workflows::guards::Predecessors;
use crate::workflows::instance::mark;
use crate::workflows::looked::Side;
use crate::workflows::successor::Successor;
use crate::workflows::{World, guards};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct ShiftSet {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) backend_set: String,
    /// The new backends, which are drained, with the flags that they get.
    pub(in crate::workflows) coming: Vec<Flagged>,
    /// The old backends in service, with their flags as they were found.
    pub(in crate::workflows) leaving: Vec<Flagged>,
    pub(in crate::workflows) successor: Successor,
    /// What the new instance claims. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) claim: Option<Claim>,
}

/// A backend and flags for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Flagged {
    pub(in crate::workflows) place: Place,
    pub(in crate::workflows) flags: Flags,
}

impl Flagged {
    fn is(&self, backend: &Backend) -> bool {
        is_same_address(&backend.ip_address, &self.place.address) && backend.port == self.place.port
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) enum Shifted {
    /// The set was as wanted.
    Nothing,
    /// An earlier attempt, whose answer was lost, was carried out.
    Before,
    /// The set is replaced by its other backends, which were these, and by ours.
    Now { work_request: Option<WorkRequestId>, others: Vec<Backend>, expected: Expected },
    /// The cloud does not take the set as this version would send it, so each backend is changed by itself.
    OneByOne,
}

impl ShiftSet {
    /// The flags that a backend of ours gets.
    fn wanted(&self, backend: &Backend) -> Option<Flags> {
        let coming = self.coming.iter().find(|one| one.is(backend)).map(|one| one.flags.clone());
        coming.or_else(|| self.leaving.iter().find(|one| one.is(backend)).map(|one| one.flags.drained()))
    }

    fn call(&self, set: &BackendSet) -> Call {
        let body = set.with_flags(|backend| self.wanted(backend));
        update_backend_set(&self.load_balancer, &self.backend_set, body)
    }

    /// The flags that our backends have after the change. An old one that somebody has removed stays away.
    fn expected(&self, balancer: &LoadBalancer) -> Expected {
        let coming = self.coming.iter().map(|one| (one.place.clone(), one.flags.clone()));
        let leaving = self.leaving.iter().filter(|one| one.place.find(balancer).is_some());
        let leaving = leaving.map(|one| (one.place.clone(), one.flags.drained()));
        Expected::Backends(coming.chain(leaving).collect())
    }

    fn is_done(&self, balancer: &LoadBalancer) -> bool {
        let has = |place: &Place, flags: &Flags| place.find(balancer).is_some_and(|one| one.flags == *flags);
        let is_out = |one: &Flagged| one.place.find(balancer).is_none_or(|found| found.flags.drain);
        self.coming.iter().all(|one| has(&one.place, &one.flags)) && self.leaving.iter().all(is_out)
    }

    /// Waits until the new backends could serve, and reads the set. The last change may become visible only after a while; the
    /// old backends serve meanwhile.
    ///
    /// # Errors
    /// Permanent when they could not, or when the old instance has another address by now.
    async fn read_when_ready(&self, cx: &Cx<'_, World>) -> Result<balancer::Read, Failure> {
        const DOING: &str = "making sure that the new version can serve";
        let deadline = Instant::now() + cx.world.policy.backend_timeout;
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let mut waiting: Vec<String> = self.successor.runs_now(cx).await?.into_iter().collect();
            let read = match &self.claim {
                Some(claim) => Box::pin(claim.last_look(cx, Side::Start)).await?,
                None => balancer::when_surely_idle(cx, &self.load_balancer).await?,
            };
            for new in &self.coming {
                if new.place.find(&read.0).is_none() {
                    let name = new.place.subject();
                    return Err(Failure::missing(DOING, format!("{name} is not on the load balancer")));
                }
                if cx.world.watched.was_just_well(&new.place.subject()) {
                    continue;
                }
                let (status, seen) = balancer::health(cx, &new.place).await?;
                // A set without a listener is not checked (docs/oci.md 2.5).
                let is_unchecked =
                    status == HealthStatus::Unknown && !balancer::has_listener(&read.0, &self.backend_set);
                if status != HealthStatus::Ok && !is_unchecked {
                    waiting.push(balancer::unwell(&new.place, status, &seen));
                }
            }
            if waiting.is_empty() {
                for old in self.leaving.iter().filter(|old| old.place.find(&read.0).is_none()) {
                    guards::is_still_retiring(cx, &old.place).await?;
                }
                return Ok(read);
            }
            if Instant::now() + wait > deadline {
                return Err(Failure::permanent(DOING, waiting.join("; ")));
            }
            cx.progress(waiting.join("; "));
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }
}

impl Activity for ShiftSet {
    const NAME: &'static str = "shift-set";
    type World = World;
    type Output = Shifted;

    fn subject(&self) -> Option<String> {
        Some(self.backend_set.clone())
    }

    fn note(shifted: &Shifted) -> Option<String> {
        (*shifted == Shifted::OneByOne).then(|| "one backend at a time".to_owned())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Shifted, Failure> {
        const DOING: &str = "shifting the requests of the backend set";
        let (balancer, etag) = Box::pin(self.read_when_ready(cx)).await?;
        if self.is_done(&balancer) {
            return Ok(Shifted::Nothing);
        }
        let Some(set) = balancer.backend_sets.get(&self.backend_set) else {
            return Err(Failure::missing(DOING, format!("there is no set `{}`", self.backend_set)));
        };
        if etag.is_none() {
            cx.warn("the load balancer has no version, so its backends are changed one by one");
            return Ok(Shifted::OneByOne);
        }
        let call = self.call(set).with_retry_token(mark::token(cx).as_str());
        let expected = self.expected(&balancer);
        match balancer::replace(cx, &self.load_balancer, call, etag, &expected, DOING).await? {
            Replaced::Sent(work_request) => {
                let others = set.backends.iter().filter(|one| self.wanted(one).is_none());
                Ok(Shifted::Now { work_request, others: others.cloned().collect(), expected })
            }
            Replaced::Refused(why) => {
                cx.warn(format!(
                    "the set `{}` cannot be changed as a whole, so its backends are changed one by one: {why}",
                    self.backend_set
                ));
                Ok(Shifted::OneByOne)
            }
        }
    }
}

impl Mutation for ShiftSet {
    fn foresee(&self) -> Shifted {
        Shifted::Nothing
    }

    fn preview(&self) -> Preview {
        preview_of(&self.foreseen())
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Shifted>, Failure> {
        let (balancer, _) = balancer::when_idle(cx, &self.load_balancer).await?;
        Ok(self.is_done(&balancer).then_some(Shifted::Before))
    }

    async fn compensate(&self, done: Done<&Shifted>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        if done == Done::Known(&Shifted::OneByOne) {
            return Ok(Undone::whole());
        }
        if let Some(part) = withdrawal::next(cx, self.claim.as_ref()).await? {
            return Ok(part);
        }
        // The old backends are drained in the same change. Meanwhile another run may have drained them, and serve.
        if self.claim.is_some() && done == Done::InDoubt {
            let coming: Vec<(&Place, &Flags)> =
                self.coming.iter().map(|new| (&new.place, &new.flags)).collect();
            if is_outrun(cx, &coming).await? {
                return Ok(Undone::whole());
            }
        }
        for old in &self.leaving {
            let given_back = left::given_back(cx, &old.place);
            if cx.fact(&given_back).is_none() {
                if let Some(part) = give_back(cx, &old.place, &old.flags, self.claim.as_ref()).await? {
                    return Ok(part);
                }
                let note = format!("{} has its flags back", left::restored(cx, &old.place).name());
                return Ok(Undone::Part { facts: fact(&given_back, &true), note });
            }
        }
        let before: Vec<Place> = self.leaving.iter().map(|old| left::restored(cx, &old.place)).collect();
        for new in &self.coming {
            let taken_back = left::taken_back(cx, &new.place);
            if cx.fact(&taken_back).is_none() {
                let before = Predecessors::At(before.clone());
                let drained = take_back(cx, &new.place, &new.flags, &before).await?;
                let note = drained.as_ref().map_or("is gone", |_| "is drained");
                let mut facts = drained.unwrap_or_default();
                facts.extend(fact(&taken_back, &true));
                return Ok(Undone::Part { facts, note: format!("{} {note}", new.place.name()) });
            }
        }
        if let Some(since) = left::drained_at(cx) {
            drained_out(cx, since).await?;
        }
        Ok(Undone::Whole(fact(&left::served_before(&self.backend_set), &true)))
    }

    fn stays(&self) -> Facts {
        self.coming.iter().flat_map(|new| fact(&left::needed(&new.place.address), &Self::NAME)).collect()
    }
}

impl ShiftSet {
    /// The call with our own backends alone. The others, and the rest of the set, are added when the set is read.
    fn foreseen(&self) -> Call {
        let ours = self.coming.iter().map(|one| (&one.place, one.flags.clone()));
        let ours = ours.chain(self.leaving.iter().map(|one| (&one.place, one.flags.drained())));
        let backends: Vec<serde_json::Value> =
            ours.map(|(place, flags)| backend(&place.address, place.port, &flags)).collect();
        update_backend_set(&self.load_balancer, &self.backend_set, serde_json::json!({"backends": backends}))
    }
}
