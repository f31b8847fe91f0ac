//! Takes an old backend out of service: it gets no new requests, and those under way go on.
//!
//! Its undo restores each of its flags, at its instance's present address. A backend that was registered again must be healthy
//! first. In doubt, it is undone from the input.

use serde::{Deserialize, Serialize};

use super::left::{self, fact};
use super::sent::{Sent, preview_of};
use super::withdrawal;
use crate::config::Register;
use crate::engine::{Activity, Cx, Done, Mutation, Preview, Undone};
use crate::oci::load_balancers::{Flags, update_backend};
use crate::oci::{Call, InstanceId};
use crate::run::Failure;
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::{self, Expected, Place};
use crate::workflows::instance::mark;
use crate::workflows::kinship::RESTORED_INSTANCE;
use crate::workflows::looked::Side;
use crate::workflows::successor::Takeover;
use crate::workflows::{World, guards};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct DrainBackend {
    pub(in crate::workflows) place: Place,
    /// The flags as they were found.
    pub(in crate::workflows) flags: Flags,
    /// Whether the set may end up without a backend, as when an instance is destroyed.
    pub(in crate::workflows) may_leave_nothing: bool,
    /// The new version in this set, which must already serve. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) takeover: Option<Takeover>,
    /// What the new instance claims. Absent in runs of older versions, and if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) claim: Option<Claim>,
}

impl DrainBackend {
    fn call(&self) -> Call {
        let Place { load_balancer, backend_set, .. } = &self.place;
        update_backend(load_balancer, backend_set, &self.place.name(), &self.flags.drained())
    }
}

impl Activity for DrainBackend {
    const NAME: &'static str = "drain-backend";
    type World = World;
    type Output = Sent;

    fn subject(&self) -> Option<String> {
        Some(self.place.subject())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Sent, Failure> {
        const DOING: &str = "draining the old backend";
        if let Some(takeover) = &self.takeover {
            takeover.is_ready(cx).await?;
        }
        if !self.may_leave_nothing {
            guards::another_serves(cx, &self.place).await?;
        }
        let (balancer, etag) = balancer::when_idle(cx, &self.place.load_balancer).await?;
        match self.place.find(&balancer) {
            // Somebody else removed it, so it gets no requests.
            None => {
                guards::is_still_retiring(cx, &self.place).await?;
                Ok(Sent::NOTHING)
            }
            Some(backend) if backend.flags.drain => Ok(Sent::NOTHING),
            Some(_) => {
                let call = self.call().with_retry_token(mark::token(cx).as_str());
                let expected = Expected::Backend { place: self.place.clone(), flags: self.flags.drained() };
                balancer::send(cx, &self.place.load_balancer, call, etag, &expected, DOING)
                    .await
                    .map(Sent::now)
            }
        }
    }
}

impl Mutation for DrainBackend {
    fn foresee(&self) -> Sent {
        Sent::NOTHING
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call())
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        balancer::has_flags(cx, &self.place, &self.flags.drained()).await.map(Sent::before_if)
    }

    /// It is drained, or removed by a later step.
    async fn recall(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        let (balancer, _) = balancer::when_idle(cx, &self.place.load_balancer).await?;
        Ok(Sent::before_if(self.place.find(&balancer).is_none_or(|backend| backend.flags.drain)))
    }

    async fn compensate(&self, done: Done<&Sent>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        if let Some(part) = withdrawal::next(cx, self.claim.as_ref()).await? {
            return Ok(part);
        }
        let set = &self.place.backend_set;
        let facts =
            fact(&if self.flags.serves() { left::served_before(set) } else { left::idle_before(set) }, &true);
        let is_back = cx.fact(&left::registered_again(&self.place)).is_some();
        // It was drained before this run, and is unchanged.
        if !is_back && done == Done::Known(&Sent::NOTHING) {
            return Ok(Undone::Whole(facts));
        }
        match give_back(cx, &self.place, &self.flags, self.claim.as_ref()).await? {
            Some(part) => Ok(part),
            None => Ok(Undone::Whole(facts)),
        }
    }
}

/// Gives an old backend its flags back, at its instance's present address. If another run goes on instead of this rollback,
/// this is the part in which it begins to give way.
pub(super) async fn give_back(
    cx: &Cx<'_, World>,
    place: &Place,
    flags: &Flags,
    claim: Option<&Claim>,
) -> Result<Option<Undone>, Failure> {
    let again = cx.fact(&left::registered_again(place));
    // Until a backend was removed, the new version serves, and every other run gives way to it.
    let claim = claim.filter(|_| flags.serves() && again.is_some());
    let back = claim.and_then(|claim| {
        let addresses = claim.replaced_at.iter().map(|at| left::now_at(cx, at)).collect();
        claim.taken_back(
            cx.fact(RESTORED_INSTANCE).map(InstanceId::from),
            left::restored(cx, place),
            addresses,
        )
    });
    let place = left::restored(cx, place);
    if let Some(back) = &back {
        let id = &place.load_balancer;
        let Some(read) = balancer::when_idle_unless_gone(cx, id).await? else { return Ok(None) };
        cx.world.pace.hand_on(id, read);
        if let Err(failure) = Box::pin(back.first_look(cx, Side::Rollback)).await {
            return if failure.is_held() { withdrawal::begin(&failure).map(Some) } else { Err(failure) };
        }
    }
    let is_to_serve = again.is_some() && flags.serves();
    // Where drained backends are not checked, it is checked once it is in service.
    let is_checked_first = again == Some(left::IN_SERVICE) || cx.world.policy.register == Register::Drained;
    if is_to_serve && is_checked_first {
        balancer::until_checked(cx, &place).await?;
    }
    if again != Some(left::IN_SERVICE) {
        if let Some(back) = &back {
            match Box::pin(back.last_look(cx, Side::Rollback)).await {
                Ok(read) => cx.world.pace.hand_on(&place.load_balancer, read),
                Err(failure) if failure.is_held() => return withdrawal::begin(&failure).map(Some),
                Err(failure) => return Err(failure),
            }
        }
        // If somebody else removed the backend, we must not bring it back.
        balancer::set_flags(cx, &place, flags, "giving the old backend its flags back").await?;
    }
    if is_to_serve && !is_checked_first {
        balancer::until_checked(cx, &place).await?;
    }
    Ok(None)
}
