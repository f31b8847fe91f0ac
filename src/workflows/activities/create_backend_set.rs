//! Creates a backend set that the deployment describes and the load balancer lacks.
//!
//! Its undo deletes the set if it is empty, because somebody else may use it by then. In doubt, the request is finished with
//! the same token and then undone (docs/design/doubt.md, form b).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::left::{self, fact};
use super::sent::{Sent, preview_of};
use super::timing::token_counts;
use crate::engine::{Activity, Cx, Done, Mutation, Preview, Undone};
use crate::oci::load_balancers::{self as api, LoadBalancer};
use crate::oci::{Call, LoadBalancerId};
use crate::run::Failure;
use crate::workflows::World;
use crate::workflows::balancer::{self, Expected};
use crate::workflows::instance::mark;
use crate::workflows::rivals::Others;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct CreateBackendSet {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) name: String,
    pub(in crate::workflows) specification: Value,
    /// The other runs of the deployment, which may need the set as well. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) others: Option<Others>,
}

impl CreateBackendSet {
    fn call(&self) -> Call {
        let mut specification = self.specification.clone();
        specification["name"] = json!(self.name);
        api::create_backend_set(&self.load_balancer, specification)
    }

    fn expected(&self) -> Expected {
        Expected::Set(self.load_balancer.clone(), self.name.clone())
    }

    fn sent(&self, cx: &Cx<'_, World>) -> Call {
        self.call().with_retry_token(mark::token(cx).as_str())
    }
}

impl Activity for CreateBackendSet {
    const NAME: &'static str = "create-backend-set";
    type World = World;
    type Output = Sent;

    fn subject(&self) -> Option<String> {
        Some(self.name.clone())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Sent, Failure> {
        const DOING: &str = "creating the backend set";
        let (balancer, etag) = balancer::when_idle(cx, &self.load_balancer).await?;
        if balancer.backend_sets.contains_key(&self.name) {
            return Ok(Sent::NOTHING);
        }
        balancer::send(cx, &self.load_balancer, self.sent(cx), etag, &self.expected(), DOING)
            .await
            .map(Sent::now)
    }
}

impl Mutation for CreateBackendSet {
    fn foresee(&self) -> Sent {
        Sent::NOTHING
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call())
    }

    /// The set was missing when the run looked, so a set that exists now was created by this step.
    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Sent>, Failure> {
        let (balancer, _) = balancer::when_idle(cx, &self.load_balancer).await?;
        Ok(balancer.backend_sets.contains_key(&self.name).then_some(Sent::BEFORE))
    }

    async fn compensate(&self, done: Done<&Sent>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        // Nothing was sent, because the set existed already.
        if matches!(done, Done::Known(sent) if !sent.was_sent()) {
            return Ok(Undone::whole());
        }
        let id = &self.load_balancer;
        let finished = left::finished(cx);
        if done == Done::InDoubt && token_counts(cx) && cx.fact(&finished).is_none() {
            let is_there = |balancer: &LoadBalancer| balancer.backend_sets.contains_key(&self.name);
            if balancer::finish(cx, id, self.sent(cx), &self.expected(), is_there).await? {
                return Ok(Undone::Part { facts: fact(&finished, &true), note: "sent again".to_owned() });
            }
        }
        if let Some(others) = &self.others
            && !others.rivals(cx).await?.is_empty()
        {
            cx.warn(format!(
                "another run of the deployment needs the backend set `{}`, which stays",
                self.name
            ));
            return Ok(Undone::whole());
        }
        let Some((balancer, etag)) = balancer::when_idle_unless_gone(cx, id).await? else {
            return Ok(Undone::whole());
        };
        if balancer::is_set_used(&balancer, &self.name) {
            cx.warn(format!("the backend set `{}` is in use by others and stays", self.name));
            return Ok(Undone::whole());
        }
        balancer::remove_set(cx, id, &self.name, etag).await?;
        Ok(Undone::whole())
    }
}
