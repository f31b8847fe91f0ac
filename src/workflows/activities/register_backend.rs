//! Registers the new instance in a backend set, drained, so that no request reaches it before it was checked.
//!
//! Its undo removes the backend if the one that it replaced serves, and drains it first if it is in service. In doubt, the
//! request is finished with the same token and then undone (docs/design/doubt.md, form b). A request that is still on its way
//! therefore cannot register the backend later.

use serde::{Deserialize, Serialize};

use super::left::{self, fact};
use super::sent::{Sent, preview_of};
use super::timing::{drained_out, token_counts};
use crate::engine::{Activity, Cx, Done, Mutation, Preview, Undone};
use crate::oci::Call;
use crate::oci::load_balancers::{Flags, LoadBalancer, create_backend, update_backend};
use crate::run::{Facts, Failure};
use crate::workflows::balancer::{self, Expected, Place};
use crate::workflows::guards::Predecessors;
use crate::workflows::instance::mark;
use crate::workflows::kinship::OLD_INSTANCE;
use crate::workflows::{World, guards, readiness};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct RegisterBackend {
    pub(in crate::workflows) place: Place,
    pub(in crate::workflows) flags: Flags,
    /// Where the old instance is in service in this set. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) replaces: Option<Vec<Place>>,
    /// Backends that are waited for first once all are registered. A look at them now counts then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::workflows) next: Vec<Place>,
}

impl RegisterBackend {
    fn call(&self) -> Call {
        let Place { load_balancer, backend_set, address, port } = &self.place;
        create_backend(load_balancer, backend_set, address, *port, &self.flags)
    }

    fn expected(&self) -> Expected {
        Expected::Backend { place: self.place.clone(), flags: self.flags.clone() }
    }

    fn sent(&self, cx: &Cx<'_, World>) -> Call {
        self.call().with_retry_token(mark::token(cx).as_str())
    }
}

impl Activity for RegisterBackend {
    const NAME: &'static str = "register-backend";
    type World = World;
    type Output = Sent;

    fn subject(&self) -> Option<String> {
        Some(self.place.subject())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Sent, Failure> {
        const DOING: &str = "registering the backend";
        readiness::look_ahead(cx, &self.next).await?;
        let (balancer, etag) = balancer::when_idle(cx, &self.place.load_balancer).await?;
        match self.place.find(&balancer) {
            Some(backend) if backend.flags == self.flags => Ok(Sent::NOTHING),
            Some(_) if balancer::was_there_before(cx, &self.place.subject()) => {
                cx.warn(format!(
                    "{} was left behind by an instance that is gone, at the address that the new one has now: it is \
                     taken over",
                    self.place.subject()
                ));
                let Place { load_balancer, backend_set, .. } = &self.place;
                let call = update_backend(load_balancer, backend_set, &self.place.name(), &self.flags)
                    .with_retry_token(mark::token(cx).as_str());
                balancer::send(cx, load_balancer, call, etag, &self.expected(), DOING).await.map(Sent::now)
            }
            Some(_) => Err(Failure::permanent(
                DOING,
                format!(
                    "{} is registered already, with other flags, and not by this run",
                    self.place.subject()
                ),
            )),
            None => {
                let id = &self.place.load_balancer;
                balancer::send(cx, id, self.sent(cx), etag, &self.expected(), DOING).await.map(Sent::now)
            }
        }
    }
}

impl Mutation for RegisterBackend {
    fn foresee(&self) -> Sent {
        Sent::NOTHING
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call())
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        balancer::has_flags(cx, &self.place, &self.flags).await.map(Sent::before_if)
    }

    /// It is registered, whatever flags later steps have given it.
    async fn recall(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        let (balancer, _) = balancer::when_idle(cx, &self.place.load_balancer).await?;
        Ok(Sent::before_if(self.place.find(&balancer).is_some()))
    }

    async fn compensate(&self, done: Done<&Sent>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        const DOING: &str = "removing the new backend";
        let (place, finished) = (&self.place, left::finished(cx));
        if let Some(by) = cx.fact(&left::needed(&place.address)) {
            cx.warn(format!("{} stays registered, as {by} stays", place.subject()));
            return Ok(Undone::whole());
        }
        if done == Done::InDoubt && token_counts(cx) && cx.fact(&finished).is_none() {
            let (id, is_there) =
                (&place.load_balancer, |balancer: &LoadBalancer| place.find(balancer).is_some());
            if balancer::finish(cx, id, self.sent(cx), &self.expected(), is_there).await? {
                return Ok(Undone::Part { facts: fact(&finished, &true), note: "sent again".to_owned() });
            }
        }
        let Some((balancer, _)) = balancer::when_idle_unless_gone(cx, &place.load_balancer).await? else {
            return Ok(Undone::whole());
        };
        if let Some(backend) = place.find(&balancer) {
            guards::is_new_instance(cx, place).await?;
            let serves = backend.flags.serves();
            if serves || cx.fact(&left::was_in_service(place)).is_some() {
                guards::may_leave(cx, place, &self.predecessors(cx)).await?;
            }
            if serves {
                let drained = backend.flags.drained();
                balancer::set_flags(cx, place, &drained, "draining the new backend").await?;
                return Ok(Undone::Part { facts: left::drained_now(cx), note: "drained".to_owned() });
            }
            if let Some(since) = left::drained_at(cx) {
                drained_out(cx, since).await?;
            }
        }
        balancer::remove(cx, place, DOING).await?;
        Ok(Undone::whole())
    }

    fn stays(&self) -> Facts {
        fact(&left::needed(&self.place.address), &Self::NAME)
    }
}

impl RegisterBackend {
    fn predecessors(&self, cx: &Cx<'_, World>) -> Predecessors {
        match &self.replaces {
            Some(places) if places.is_empty() => Predecessors::Nobody,
            Some(places) => Predecessors::At(places.iter().map(|place| left::restored(cx, place)).collect()),
            None if cx.fact(OLD_INSTANCE).is_none() => Predecessors::Nobody,
            None => Predecessors::Anybody,
        }
    }
}
