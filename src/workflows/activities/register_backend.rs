//! Registers the new instance in a backend set, drained: no request reaches it before it was checked.
//!
//! Undone by removing it. In doubt: finished with the same token, then undone (DESIGN 3, form b), so that a request which
//! is still on its way cannot register it after we looked.

use serde::{Deserialize, Serialize};

use super::{Sent, preview_of, token_counts};
use crate::engine::{Activity, Cx, Done, Mutation, Preview, Undone};
use crate::oci::Call;
use crate::oci::load_balancers::{Flags, create_backend};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{self, Expected, Place};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct RegisterBackend {
    pub(in crate::workflows) place: Place,
    pub(in crate::workflows) flags: Flags,
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
        self.call().with_retry_token(cx.token(0).as_str())
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
        let (balancer, etag) = balancer::when_idle(cx, &self.place.load_balancer).await?;
        match self.place.find(&balancer) {
            Some(backend) if backend.flags == self.flags => Ok(Sent::NOTHING),
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

    async fn compensate(&self, done: Done<&Sent>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        const DOING: &str = "removing the new backend";
        if done == Done::InDoubt && token_counts(cx) {
            let id = &self.place.load_balancer;
            balancer::finish(cx, id, self.sent(cx), &self.expected(), |balancer| {
                self.place.find(balancer).is_some()
            })
            .await?;
        }
        balancer::remove(cx, &self.place, DOING).await?;
        Ok(Undone::whole())
    }
}
