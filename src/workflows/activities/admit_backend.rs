//! Lets requests reach a new backend that is healthy.
//!
//! Its undo drains the backend once the one that it replaced serves, and waits until its requests have ended. In doubt, it is
//! undone from the input.

use serde::{Deserialize, Serialize};

use super::left::{self, fact};
use super::sent::{Sent, preview_of};
use super::timing::drained_out;
use crate::engine::{Activity, Cx, Done, Mutation, Preview, Undone};
use crate::oci::Call;
use crate::oci::load_balancers::{Flags, update_backend};
use crate::run::{Facts, Failure};
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::{self, Expected, Place};
use crate::workflows::guards::Predecessors;
use crate::workflows::instance::mark;
use crate::workflows::looked::Side;
use crate::workflows::{World, guards};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct AdmitBackend {
    pub(in crate::workflows) place: Place,
    pub(in crate::workflows) flags: Flags,
    /// Whether the set was served before this run. If so, a rollback must not leave it without a backend.
    pub(in crate::workflows) replaces: bool,
    /// Where the old instance is in service in this set. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) predecessors: Option<Vec<Place>>,
    /// What the new instance claims. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) claim: Option<Claim>,
}

impl AdmitBackend {
    fn call(&self) -> Call {
        update_backend(&self.place.load_balancer, &self.place.backend_set, &self.place.name(), &self.flags)
    }
}

impl Activity for AdmitBackend {
    const NAME: &'static str = "admit-backend";
    type World = World;
    type Output = Sent;

    fn subject(&self) -> Option<String> {
        Some(self.place.subject())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Sent, Failure> {
        const DOING: &str = "admitting the backend";
        if let Some(claim) = &self.claim {
            let read = Box::pin(claim.last_look(cx, Side::Start)).await?;
            cx.world.pace.hand_on(&self.place.load_balancer, read);
        }
        let (balancer, etag) = balancer::when_idle(cx, &self.place.load_balancer).await?;
        match self.place.find(&balancer) {
            // Reads may lag behind the registration. If somebody removed the backend, the run fails in the end.
            None => {
                Err(Failure::missing(DOING, format!("{} is not on the load balancer", self.place.subject())))
            }
            Some(backend) if backend.flags == self.flags => Ok(Sent::NOTHING),
            Some(_) => {
                let call = self.call().with_retry_token(mark::token(cx).as_str());
                let expected = Expected::Backend { place: self.place.clone(), flags: self.flags.clone() };
                balancer::send(cx, &self.place.load_balancer, call, etag, &expected, DOING)
                    .await
                    .map(Sent::now)
            }
        }
    }
}

impl Mutation for AdmitBackend {
    fn foresee(&self) -> Sent {
        Sent::NOTHING
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call())
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        balancer::has_flags(cx, &self.place, &self.flags).await.map(Sent::before_if)
    }

    async fn compensate(&self, done: Done<&Sent>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        let place = &self.place;
        let is_in_doubt = self.claim.is_some() && done == Done::InDoubt && left::drained_at(cx).is_none();
        if is_in_doubt && is_outrun(cx, &[(place, &self.flags)]).await? {
            return Ok(Undone::whole());
        }
        if let Some(since) = left::drained_at(cx) {
            drained_out(cx, since).await?;
            return Ok(Undone::whole());
        }
        let facts = take_back(cx, place, &self.flags, &self.before(cx)).await?;
        Ok(facts.map_or_else(Undone::whole, |facts| Undone::Part { facts, note: "drained".to_owned() }))
    }

    fn stays(&self) -> Facts {
        fact(&left::needed(&self.place.address), &Self::NAME)
    }
}

/// Whether an admission that is in doubt was not carried out, and cannot be any more: none of the backends is in service, and a
/// change which says so once more has given the load balancer a new version. `false` if one is in service.
pub(super) async fn is_outrun(cx: &Cx<'_, World>, backends: &[(&Place, &Flags)]) -> Result<bool, Failure> {
    let Some((first, _)) = backends.first() else { return Ok(true) };
    let id = &first.load_balancer;
    let Some(read) = balancer::when_idle_unless_gone(cx, id).await? else { return Ok(true) };
    let serves = |place: &Place| place.find(&read.0).is_some_and(|backend| backend.flags.serves());
    if backends.iter().any(|(place, _)| serves(place)) {
        return Ok(false);
    }
    // The cloud refuses the change if this read was stale.
    cx.world.pace.hand_on(id, read);
    for (place, flags) in backends {
        balancer::set_flags(cx, place, &flags.drained(), "keeping the new backend out of service").await?;
    }
    Ok(true)
}

/// Takes a new backend out of service, once the one that it replaced serves. `None` if the backend is gone.
pub(super) async fn take_back(
    cx: &Cx<'_, World>,
    place: &Place,
    flags: &Flags,
    before: &Predecessors,
) -> Result<Option<Facts>, Failure> {
    let Some((balancer, _)) = balancer::when_idle_unless_gone(cx, &place.load_balancer).await? else {
        return Ok(None);
    };
    if place.find(&balancer).is_some() {
        guards::is_new_instance(cx, place).await?;
    }
    guards::may_leave(cx, place, before).await?;
    if balancer::set_flags(cx, place, &flags.drained(), "draining the new backend").await?.is_none() {
        return Ok(None);
    }
    let mut facts = left::drained_now(cx);
    facts.extend(fact(&left::was_in_service(place), &true));
    Ok(Some(facts))
}

impl AdmitBackend {
    fn before(&self, cx: &Cx<'_, World>) -> Predecessors {
        let set = &self.place.backend_set;
        let was_idle =
            cx.fact(&left::idle_before(set)).is_some() && cx.fact(&left::served_before(set)).is_none();
        match &self.predecessors {
            Some(places) if places.is_empty() => Predecessors::Nobody,
            Some(places) => Predecessors::At(places.iter().map(|place| left::restored(cx, place)).collect()),
            None if self.replaces && !was_idle => Predecessors::Anybody,
            None => Predecessors::Nobody,
        }
    }
}
