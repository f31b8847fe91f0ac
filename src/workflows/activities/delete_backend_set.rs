//! Deletes a backend set that nobody uses.
//!
//! Its undo creates the set again as it was. In doubt, the request is outrun if the set is still there: it carries the version
//! that was read (docs/design/doubt.md, form c).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::sent::{Sent, preview_of};
use crate::engine::{Activity, Cx, Done, Mutation, Preview, Undone};
use crate::oci::load_balancers as api;
use crate::oci::{Call, LoadBalancerId};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{self, Expected};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct DeleteBackendSet {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) name: String,
    /// The set as it was found, without its name.
    pub(in crate::workflows) specification: Value,
}

impl DeleteBackendSet {
    fn call(&self) -> Call {
        api::delete_backend_set(&self.load_balancer, &self.name)
    }

    pub(in crate::workflows) fn expected(&self) -> Expected {
        Expected::NoSet(self.load_balancer.clone(), self.name.clone())
    }
}

impl Activity for DeleteBackendSet {
    const NAME: &'static str = "delete-backend-set";
    type World = World;
    type Output = Sent;

    fn subject(&self) -> Option<String> {
        Some(self.name.clone())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Sent, Failure> {
        const DOING: &str = "deleting the backend set";
        let (balancer, etag) = balancer::when_idle(cx, &self.load_balancer).await?;
        if !balancer.backend_sets.contains_key(&self.name) {
            return Ok(Sent::NOTHING);
        }
        if balancer::is_set_used(&balancer, &self.name) {
            cx.warn(format!("somebody uses the backend set `{}` by now: it stays", self.name));
            return Ok(Sent::NOTHING);
        }
        balancer::send(cx, &self.load_balancer, self.call(), etag, &self.expected(), DOING)
            .await
            .map(Sent::now)
    }
}

impl Mutation for DeleteBackendSet {
    fn foresee(&self) -> Sent {
        Sent::NOTHING
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call())
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        let (balancer, _) = balancer::when_idle(cx, &self.load_balancer).await?;
        Ok(Sent::before_if(!balancer.backend_sets.contains_key(&self.name)))
    }

    async fn compensate(&self, done: Done<&Sent>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        const DOING: &str = "creating the backend set again";
        let id = &self.load_balancer;
        if matches!(done, Done::Known(sent) if !sent.was_sent()) {
            return Ok(Undone::whole());
        }
        let Some((balancer, etag)) = balancer::when_idle_unless_gone(cx, id).await? else {
            return Ok(Undone::whole());
        };
        let expected = Expected::Set(id.clone(), self.name.clone());
        let call = match balancer.backend_sets.get(&self.name) {
            // An update that changes nothing gives it a new version.
            Some(set) => api::update_backend_set(id, &self.name, set.with_flags(|_| None)),
            None => {
                let mut specification = self.specification.clone();
                specification["name"] = json!(self.name);
                api::create_backend_set(id, specification)
            }
        };
        let work = balancer::send(cx, id, call, etag, &expected, DOING).await?;
        balancer::follow_to(cx, work.as_ref(), &expected).await?;
        Ok(Undone::whole())
    }
}
