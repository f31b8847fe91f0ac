//! Removes a drained old backend before its instance goes. The load balancer keeps connections open even to an idle
//! backend, and answers 502 when they break (docs/oci.md 2.4).
//!
//! Its undo registers the backend again, drained, at its instance's present address. Once it is healthy, the undo of its drain
//! restores its flags. In doubt, it is undone from the input.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::left::{self, fact};
use super::sent::{Sent, preview_of};
use super::withdrawal;
use crate::config::Register;
use crate::engine::{Activity, Cx, Done, Looks, Mutation, Preview, Undone};
use crate::oci::Call;
use crate::oci::load_balancers::{Flags, create_backend, delete_backend};
use crate::run::Failure;
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::{self, Expected, Place, SURE_AFTER};
use crate::workflows::successor::Takeover;
use crate::workflows::{World, guards};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct RemoveBackend {
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

impl RemoveBackend {
    fn call(&self) -> Call {
        delete_backend(&self.place.load_balancer, &self.place.backend_set, &self.place.name())
    }
}

impl Activity for RemoveBackend {
    const NAME: &'static str = "remove-backend";
    type World = World;
    type Output = Sent;

    fn subject(&self) -> Option<String> {
        Some(self.place.subject())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Sent, Failure> {
        const DOING: &str = "removing the old backend";
        // The new version, or another backend, may have died while the old one drained.
        if let Some(takeover) = &self.takeover {
            takeover.has_served_lately(cx).await?;
        }
        if !self.may_leave_nothing && self.flags.serves() {
            guards::others_serve(cx, &self.place).await?;
        }
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let (balancer, etag) = balancer::when_idle(cx, &self.place.load_balancer).await?;
            match self.place.find(&balancer) {
                None => {
                    guards::is_still_retiring(cx, &self.place).await?;
                    return Ok(Sent::NOTHING);
                }
                Some(backend) if backend.flags.drain => {
                    let (id, expected) = (&self.place.load_balancer, Expected::NoBackend(self.place.clone()));
                    return balancer::send(cx, id, self.call(), etag, &expected, DOING).await.map(Sent::now);
                }
                // Either the read is stale, or somebody put the backend back into service. Then we must not remove it.
                Some(_) if started.elapsed() > SURE_AFTER => break,
                Some(_) => cx.pause(wait).await?,
            }
        }
        let name = self.place.subject();
        Err(Failure::permanent(
            DOING,
            format!("{name} is not drained any more: somebody else has changed it"),
        ))
    }
}

impl Mutation for RemoveBackend {
    fn foresee(&self) -> Sent {
        Sent::NOTHING
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call())
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        let (balancer, _) = balancer::when_idle(cx, &self.place.load_balancer).await?;
        Ok(Sent::before_if(self.place.find(&balancer).is_none()))
    }

    async fn compensate(&self, _done: Done<&Sent>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        const DOING: &str = "registering the old backend again";
        let place = left::restored(cx, &self.place);
        if cx.fact(&left::stays_away(&self.place.address)).is_some() {
            cx.warn(format!("{} is not registered again, as its instance stays away", place.subject()));
            return Ok(Undone::whole());
        }
        let registers = withdrawal::registers(cx, &place)?;
        if let Some(part) = withdrawal::before(cx, self.claim.as_ref(), registers).await? {
            return Ok(part);
        }
        let Some((balancer, etag)) = balancer::when_idle_unless_gone(cx, &place.load_balancer).await? else {
            return Ok(Undone::whole());
        };
        guards::old_instance_is_there(cx, &place).await?;
        // If drained backends are not checked, it is checked once it is in service.
        let (flags, how) = match cx.world.policy.register {
            Register::Active if self.flags.serves() && self.claim.is_none() => {
                (self.flags.clone(), left::IN_SERVICE)
            }
            Register::Active | Register::Drained => (self.flags.drained(), "drained"),
        };
        if place.find(&balancer).is_some() {
            // It was not removed, or the read is stale. The change tells which, and outruns a removal that is on its way.
            if balancer::set_flags(cx, &place, &flags, DOING).await?.is_none() {
                return Err(Failure::transient(DOING, format!("{} is not visible yet", place.subject())));
            }
        } else {
            let Place { load_balancer, backend_set, address, port } = &place;
            let call = create_backend(load_balancer, backend_set, address, *port, &flags);
            let expected = Expected::Backend { place: place.clone(), flags };
            let work = balancer::send(cx, load_balancer, call, etag, &expected, DOING).await?;
            balancer::follow_to(cx, work.as_ref(), &expected).await?;
        }
        Ok(Undone::Whole(fact(&left::registered_again(&self.place), &how)))
    }
}
