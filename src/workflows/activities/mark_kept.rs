//! Marks the old instance, in a tag, as kept by this run. Later deployments, also on machines without this journal, then do
//! not take it for the one that serves.
//!
//! The mark is written before a stop, or last if the instance goes on running. A run that cannot write the mark warns and
//! goes on: the mark only saves a question.
//!
//! Its undo restores the tag and leaves the other tags alone. In doubt, the undo reads until it is certain that no mark has
//! arrived (docs/design/doubt.md, form c), and then outruns a request that is still on its way.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::sent::preview_of;
use super::withdrawal;
use crate::engine::{Activity, Cx, Done, Looks, Mutation, Preview, Undone};
use crate::oci::InstanceId;
use crate::oci::container_instances as api;
use crate::run::{Confidential, Failure};
use crate::workflows::World;
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::SURE_AFTER;
use crate::workflows::instance::keeping::{keep, now, retag, until_settled};
use crate::workflows::instance::{self, kept};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct MarkKept {
    pub(in crate::workflows) id: InstanceId,
    pub(in crate::workflows) compartment_id: String,
    /// Its freeform tags, as they were found.
    pub(in crate::workflows) tags: Confidential<Map<String, Value>>,
    /// What the new instance claims. Absent in runs of older versions, and if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) claim: Option<Claim>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Marked {
    pub(in crate::workflows) was_sent: bool,
}

impl Activity for MarkKept {
    const NAME: &'static str = "mark-kept";
    type World = World;
    type Output = Marked;

    fn subject(&self) -> Option<String> {
        Some(self.id.to_string())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Marked, Failure> {
        let was_sent = keep(cx, &self.id, &self.compartment_id).await?;
        Ok(Marked { was_sent })
    }
}

impl Mutation for MarkKept {
    fn foresee(&self) -> Marked {
        Marked::default()
    }

    fn preview(&self) -> Preview {
        let tags = kept::marked(self.tags.expose(), "(this run)");
        preview_of(&api::retag(&self.id, tags.as_ref().unwrap_or_else(|| self.tags.expose())))
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Marked>, Failure> {
        let now = now(cx, &self.id, &self.compartment_id).await?;
        let is_ours = now.is_some_and(|now| kept::by(&now.tags) == Some(&cx.run().to_string()));
        if is_ours {
            until_settled(cx, &self.id, &self.compartment_id).await?;
        }
        Ok(is_ours.then_some(Marked { was_sent: true }))
    }

    async fn compensate(&self, done: Done<&Marked>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        if let Done::Known(Marked { was_sent: false }) = done {
            return Ok(Undone::whole());
        }
        let unmarks = withdrawal::unmarks(&self.id, &self.compartment_id);
        if let Some(part) = withdrawal::before(cx, self.claim.as_ref(), unmarks).await? {
            return Ok(part);
        }
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let Some(now) = now(cx, &self.id, &self.compartment_id).await? else {
                return Ok(Undone::whole());
            };
            if let Some(tags) = kept::unmarked(&now.tags, self.tags.expose(), &cx.run().to_string()) {
                retag(cx, &self.id, &tags, now).await?;
                return Ok(Undone::whole());
            }
            if started.elapsed() > SURE_AFTER {
                if done == Done::InDoubt {
                    instance::outrun(cx, &self.id).await?;
                }
                return Ok(Undone::whole());
            }
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }
}
