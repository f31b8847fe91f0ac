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
use crate::engine::{Activity, Cx, Done, Looks, Mutation, Preview, Undone};
use crate::oci::container_instances::{self as api, InstanceState};
use crate::oci::{Etag, InstanceId, is_terminated};
use crate::run::{Confidential, Failure, FailureKind};
use crate::workflows::balancer::SURE_AFTER;
use crate::workflows::instance::{self, kept, mark};
use crate::workflows::{World, failure};

const DOING: &str = "marking the old instance as kept";
/// How often a 404 to the change counts as stale while the instance can be read.
const REFUSALS_LIMIT: usize = 3;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct MarkKept {
    pub(in crate::workflows) id: InstanceId,
    pub(in crate::workflows) compartment_id: String,
    /// Its freeform tags, as they were found.
    pub(in crate::workflows) tags: Confidential<Map<String, Value>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Marked {
    pub(in crate::workflows) was_sent: bool,
}

/// The instance as it is now.
struct Now {
    tags: Map<String, Value>,
    state: String,
    etag: Option<Etag>,
}

impl MarkKept {
    /// `None` when it is gone.
    async fn now(&self, cx: &Cx<'_, World>) -> Result<Option<Now>, Failure> {
        let api = cx.world.oci.container_instances();
        let is_gone = || async {
            Ok(instance::state(cx, &self.compartment_id, &self.id)
                .await?
                .is_none_or(InstanceState::is_terminated))
        };
        let read = failure::look_unless(cx, DOING, || api.get_raw(&self.id), is_gone).await?;
        let there = read.filter(|answer| !is_terminated(&answer.value));
        Ok(there.map(|answer| Now {
            tags: answer.value["freeformTags"].as_object().cloned().unwrap_or_default(),
            state: answer.value["lifecycleState"].as_str().unwrap_or_default().to_owned(),
            etag: answer.etag,
        }))
    }

    async fn send(&self, cx: &Cx<'_, World>, tags: &Map<String, Value>, now: Now) -> Result<(), Failure> {
        mark::is_ours(cx).await?;
        cx.assure_lease().await?;
        let call = api::retag(&self.id, tags).only_if(now.etag);
        cx.world.oci.send(&call).await.map(drop).map_err(|error| failure::of(DOING, &error))
    }

    /// Waits until a change of the tags is done, so that the next step does not interfere with it.
    async fn until_settled(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let Some(now) = self.now(cx).await? else { return Ok(()) };
            let is_updating = now.state == "UPDATING";
            let is_there = kept::by(&now.tags) == Some(&cx.run().to_string());
            if !is_updating && (is_there || started.elapsed() > SURE_AFTER) {
                return Ok(());
            }
            if started.elapsed() > cx.world.policy.instance_timeout {
                return Err(Failure::transient(DOING, format!("{} is being updated still", self.id)));
            }
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }
}

impl Activity for MarkKept {
    const NAME: &'static str = "mark-kept";
    type World = World;
    type Output = Marked;

    fn subject(&self) -> Option<String> {
        Some(self.id.to_string())
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Marked, Failure> {
        let run = cx.run().to_string();
        for attempt in 1.. {
            let Some(now) = self.now(cx).await? else { return Ok(Marked::default()) };
            if kept::by(&now.tags) == Some(&run) {
                break;
            }
            let Some(tags) = kept::marked(&now.tags, &run) else {
                cx.warn(format!(
                    "{} has no room for one more tag: later deployments do not know that it was kept, and may have to be \
                     told by `--replace` which instance is meant",
                    self.id
                ));
                return Ok(Marked::default());
            };
            match self.send(cx, &tags, now).await {
                Ok(()) => break,
                Err(failure) if failure.kind == FailureKind::Missing && attempt < REFUSALS_LIMIT => {
                    cx.pause(cx.world.policy.poll_interval).await?;
                }
                Err(failure) if matches!(failure.kind, FailureKind::Missing | FailureKind::Permanent) => {
                    cx.warn(format!("later deployments do not know that {} was kept: {failure}", self.id));
                    return Ok(Marked::default());
                }
                Err(failure) => return Err(failure),
            }
        }
        self.until_settled(cx).await?;
        Ok(Marked { was_sent: true })
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
        let now = self.now(cx).await?;
        let is_ours = now.is_some_and(|now| kept::by(&now.tags) == Some(&cx.run().to_string()));
        if is_ours {
            self.until_settled(cx).await?;
        }
        Ok(is_ours.then_some(Marked { was_sent: true }))
    }

    async fn compensate(&self, done: Done<&Marked>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        if let Done::Known(Marked { was_sent: false }) = done {
            return Ok(Undone::whole());
        }
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let Some(now) = self.now(cx).await? else { return Ok(Undone::whole()) };
            if let Some(tags) = kept::unmarked(&now.tags, self.tags.expose(), &cx.run().to_string()) {
                self.send(cx, &tags, now).await?;
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
