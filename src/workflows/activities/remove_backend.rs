//! Removes a drained old backend, before its instance goes: the load balancer keeps connections open even to an
//! idle backend, and answers 502 when they break (OCI.md 2.4).
//!
//! Undone by registering it again, drained, at the address where its instance is now; once it is healthy it gets
//! the flags with which it was found. In doubt: from the input.

use serde::{Deserialize, Serialize};

use super::{Sent, preview_of, restored_address};
use crate::engine::{Activity, Cx, Done, Mutation, Preview};
use crate::oci::Call;
use crate::oci::load_balancers::{Flags, create_backend, delete_backend};
use crate::run::{Facts, Failure};
use crate::workflows::balancer::{self, Place};
use crate::workflows::{World, guards};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct RemoveBackend {
    pub(in crate::workflows) place: Place,
    /// As they were found.
    pub(in crate::workflows) flags: Flags,
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
        let (balancer, etag) = balancer::when_idle(cx, &self.place.load_balancer).await?;
        match self.place.find(&balancer) {
            None => Ok(Sent::default()),
            // Somebody has put it back into service while we waited: it is not ours to take away.
            Some(backend) if !backend.flags.drain => Err(Failure::permanent(
                DOING,
                format!("{} is not drained any more: somebody else has changed it", self.place.subject()),
            )),
            Some(_) => Ok(Sent { work_request: balancer::send(cx, self.call(), etag, DOING).await? }),
        }
    }
}

impl Mutation for RemoveBackend {
    fn foresee(&self) -> Sent {
        Sent::default()
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call())
    }

    async fn compensate(&self, _done: Done<&Sent>, cx: &Cx<'_, World>) -> Result<Facts, Failure> {
        const DOING: &str = "registering the old backend again";
        let address = cx.fact(&restored_address(&self.place.address)).unwrap_or(&self.place.address);
        let place = self.place.at(address);
        let (balancer, etag) = balancer::when_idle(cx, &place.load_balancer).await?;
        if place.find(&balancer).is_none() {
            let drained = self.flags.drained();
            let call =
                create_backend(&place.load_balancer, &place.backend_set, address, place.port, &drained);
            let work = balancer::send(cx, call, etag, DOING).await?;
            balancer::follow_to_success(cx, work.as_ref()).await?;
        }
        if guards::has_listener(&balancer, &place.backend_set) {
            balancer::until_healthy(cx, std::slice::from_ref(&place)).await?;
        }
        match balancer::set_flags(cx, &place, &self.flags, DOING).await? {
            Some(()) => Ok(Facts::new()),
            None => Err(Failure::transient(DOING, format!("{} is not visible yet", place.subject()))),
        }
    }
}
