//! Creates the new instance, with tags by which it is found again if the answer is lost.
//!
//! Its undo deletes the instance. In doubt, the undo looks for the tags. If it finds none and the token is still valid, it
//! sends the create again with the same token, which returns the original, and deletes that. A stale list therefore cannot
//! hide an instance (docs/design/doubt.md, form b).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::image::{image, with_image};
use super::left::{self, fact};
use super::sent::preview_of;
use super::timing::token_counts;
use crate::engine::{Activity, Cx, Done, Mutation, Preview, Undone};
use crate::oci::container_instances::{self as api, InstanceState};
use crate::oci::{InstanceId, LoadBalancerId, WorkRequestId};
use crate::run::{Confidential, Facts, Failure};
use crate::workflows::instance::{self, TokenOf, mark};
use crate::workflows::kinship::{NEW_IMAGE, NEW_INSTANCE};
use crate::workflows::{World, failure, guards};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct CreateInstance {
    /// The value of the deployment's tag; in runs of older versions only its name.
    pub(in crate::workflows) deployment: String,
    pub(in crate::workflows) compartment_id: String,
    pub(in crate::workflows) specification: Confidential<Value>,
    /// Secrets to mask if the cloud repeats them. Absent in runs journaled before this field existed.
    #[serde(default, rename = "hidden")]
    pub(in crate::workflows) secrets: Confidential<Vec<String>>,
    /// The specification with its secrets masked, for a plan.
    #[serde(rename = "shown")]
    pub(in crate::workflows) masked: Value,
    /// The digest of the masked form. It distinguishes two versions without revealing a secret.
    pub(in crate::workflows) digest: String,
    pub(in crate::workflows) load_balancer: LoadBalancerId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Created {
    pub(in crate::workflows) id: InstanceId,
    pub(in crate::workflows) work_request: Option<WorkRequestId>,
    /// The mark under which the run goes on, if it was recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) mark: Option<String>,
    /// Its images. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) image: Option<String>,
}

impl CreateInstance {
    fn created(&self, id: InstanceId, work_request: Option<WorkRequestId>) -> Created {
        Created { id, work_request, mark: None, image: image(self.specification.expose()) }
    }

    fn tagged(&self, cx: &Cx<'_, World>) -> Value {
        let [run, step] = instance::own_tags(cx, "");
        let tags = [
            run,
            step,
            ("deployctl-deployment", self.deployment.clone()),
            (instance::SPECIFICATION_TAG, self.digest.clone()),
        ];
        instance::tagged(self.specification.expose().clone(), &tags)
    }

    async fn find(&self, cx: &Cx<'_, World>) -> Result<Vec<InstanceId>, Failure> {
        instance::find_tagged(cx, &self.compartment_id, &instance::own_tags(cx, "")).await
    }

    async fn delete(&self, cx: &Cx<'_, World>, id: &InstanceId) -> Result<(), Failure> {
        const DOING: &str = "looking at the new instance";
        let own = instance::own_tags(cx, "");
        let api = cx.world.oci.container_instances();
        let is_gone = || async { Ok(instance::state(cx, &self.compartment_id, id).await?.is_none()) };
        let read = failure::look_unless(cx, DOING, || api.get(id), is_gone).await?;
        let read = read.map(|answer| answer.value).filter(|found| !found.lifecycle_state.is_terminated());
        if let Some(found) = read {
            instance::carries(id, &found.freeform_tags, &own, cx)?;
            let addresses = instance::addresses(cx, &found).await?;
            let needed = |address: &String| cx.fact(&left::needed(address));
            if let Some(by) = addresses.iter().flatten().find_map(needed) {
                cx.warn(format!("{id} stays, as {by} stays"));
                return Ok(());
            }
            match addresses {
                Some(addresses) => guards::is_no_backend(cx, &self.load_balancer, &addresses).await?,
                None if found.lifecycle_state == InstanceState::Active => {
                    return Err(Failure::missing(DOING, format!("the address of {id} cannot be seen")));
                }
                // An instance that never ran is no backend.
                None => {}
            }
        }
        instance::delete(cx, &self.compartment_id, id, &own).await
    }
}

impl Activity for CreateInstance {
    const NAME: &'static str = "create-instance";
    type World = World;
    type Output = Created;

    fn note(created: &Created) -> Option<String> {
        Some(with_image(created.id.to_string(), created.image.as_deref()))
    }

    fn facts(created: &Created) -> Facts {
        let mut facts = fact(NEW_INSTANCE, &created.id);
        facts.extend(created.mark.iter().flat_map(|mark| fact(mark::FACT, mark)));
        facts.extend(created.image.iter().flat_map(|image| fact(NEW_IMAGE, image)));
        facts
    }

    fn mask(&self, world: &World) {
        world.mask(self.specification.expose());
        world.oci.mask(self.secrets.expose());
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Created, Failure> {
        match instance::create(cx, &self.tagged(cx), TokenOf::TheStep).await? {
            Some((id, work_request)) => Ok(self.created(id, work_request)),
            None => Err(Failure::permanent(
                "creating the container instance",
                "somebody has deleted the instance that this step created",
            )),
        }
    }
}

impl Mutation for CreateInstance {
    fn foresee(&self) -> Created {
        self.created(InstanceId::from("(new instance)"), None)
    }

    fn preview(&self) -> Preview {
        preview_of(&api::create(self.masked.clone()))
    }

    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Created>, Failure> {
        let found = self.find(cx).await?;
        Ok(found.into_iter().next().map(|id| self.created(id, None)))
    }

    async fn recall(&self, cx: &Cx<'_, World>) -> Result<Option<Created>, Failure> {
        let mark = cx.world.lost.as_ref().and_then(|lost| lost.mark.clone());
        Ok(self.adopt(cx).await?.map(|created| Created { mark, ..created }))
    }

    async fn compensate(&self, done: Done<&Created>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        if let Done::Known(created) = done {
            self.delete(cx, &created.id).await?;
            return Ok(Undone::whole());
        }
        let finished = left::finished(cx);
        if let Some(id) = cx.fact(&finished) {
            self.delete(cx, &InstanceId::from(id)).await?;
            return Ok(Undone::whole());
        }
        let found = self.find(cx).await?;
        if found.is_empty() && token_counts(cx) {
            match instance::create(cx, &self.tagged(cx), TokenOf::TheStep).await {
                Ok(Some((id, _))) => {
                    return Ok(Undone::Part { facts: fact(&finished, &id), note: "sent again".to_owned() });
                }
                // It was deleted already, or refused: it cannot exist.
                Ok(None) => {}
                Err(failure) if instance::is_refusal(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        let Some((last, others)) = found.split_last() else { return Ok(Undone::whole()) };
        self.delete(cx, last).await?;
        if others.is_empty() {
            return Ok(Undone::whole());
        }
        Ok(Undone::Part { facts: Facts::new(), note: format!("{last} is deleted") })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_that_was_journaled_before_it_hid_anything_can_be_undone() {
        let stored = json!({
            "deployment": "web", "compartment-id": "c", "specification": Confidential::new(json!({"shape": "s"})),
            "shown": {"shape": "s"}, "digest": "d", "load-balancer": "lb",
        });
        let step: CreateInstance = serde_json::from_value(stored).expect("it is read");
        assert_eq!(step.secrets.expose(), &Vec::<String>::new());
    }
}
