//! Makes somebody's change again which the replacement of a whole set has overwritten. A rollback leaves it: it is theirs.

use serde::{Deserialize, Serialize};

use super::Overwritten;
use super::sent::{Sent, preview_of};
use crate::engine::{Activity, Cx, Done, Mutation, Preview, Undone};
use crate::oci::Call;
use crate::oci::load_balancers::{create_backend, delete_backend, update_backend};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{self, Expected};
use crate::workflows::instance::mark;

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::workflows) struct PutBack(pub(in crate::workflows) Overwritten);

impl PutBack {
    /// The change, given whether the backend is there.
    fn call(&self, is_there: bool) -> Call {
        let place = &self.0.place;
        match &self.0.flags {
            None => delete_backend(&place.load_balancer, &place.backend_set, &place.name()),
            Some(flags) if is_there => {
                update_backend(&place.load_balancer, &place.backend_set, &place.name(), flags)
            }
            Some(flags) => {
                create_backend(&place.load_balancer, &place.backend_set, &place.address, place.port, flags)
            }
        }
    }

    pub(in crate::workflows) fn expected(&self) -> Expected {
        match &self.0.flags {
            None => Expected::NoBackend(self.0.place.clone()),
            Some(flags) => Expected::Backend { place: self.0.place.clone(), flags: flags.clone() },
        }
    }
}

impl Activity for PutBack {
    const NAME: &'static str = "put-back";
    type World = World;
    type Output = Sent;

    fn subject(&self) -> Option<String> {
        Some(self.0.place.subject())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Sent, Failure> {
        let Overwritten { place, flags } = &self.0;
        let (balancer, etag) = balancer::when_idle(cx, &place.load_balancer).await?;
        let found = place.find(&balancer);
        if found.map(|backend| &backend.flags) == flags.as_ref() {
            return Ok(Sent::NOTHING);
        }
        cx.warn(format!(
            "somebody's change of {} was accepted right before the set was replaced, and lost by that: it is made again",
            place.subject()
        ));
        let call = self.call(found.is_some());
        let call = if flags.is_some() { call.with_retry_token(mark::token(cx).as_str()) } else { call };
        let doing = "making somebody's change again";
        balancer::send(cx, &place.load_balancer, call, etag, &self.expected(), doing).await.map(Sent::now)
    }
}

impl Mutation for PutBack {
    fn foresee(&self) -> Sent {
        Sent::NOTHING
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call(false))
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        let Overwritten { place, flags } = &self.0;
        let (balancer, _) = balancer::when_idle(cx, &place.load_balancer).await?;
        let is_so = place.find(&balancer).map(|backend| &backend.flags) == flags.as_ref();
        Ok(Sent::before_if(is_so))
    }

    async fn compensate(&self, _done: Done<&Sent>, _cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        Ok(Undone::whole())
    }
}
