//! Finds the instance to replace, and records what is needed to create it again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::image::{image, with_image};
use super::left::fact;
use crate::config::Filter;
use crate::engine::{Activity, Cx, Read};
use crate::oci::InstanceId;
use crate::oci::container_instances::{ContainerInstance, InstanceState};
use crate::run::{Confidential, Facts, Failure};
use crate::workflows::beside::{self, Around};
use crate::workflows::candidates::Named;
use crate::workflows::instance::kept;
use crate::workflows::kinship::{OLD_IMAGE, OLD_INSTANCE};
use crate::workflows::lost::LostRun;
use crate::workflows::unfinished;
use crate::workflows::{World, candidates, failure, instance, record};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindOldInstance {
    pub(in crate::workflows) which: Which,
    /// The deployment's pull secrets, because the cloud does not show those of an existing instance.
    pub(in crate::workflows) pull_secrets: Confidential<Vec<Value>>,
    /// What else is considered if the filter finds nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) around: Option<Around>,
}

/// How the instance is named.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) enum Which {
    /// By its fields, in a compartment; it may be missing.
    Filter { compartment_id: String, filter: Filter },
    /// By its OCID; it must be there.
    Id(InstanceId),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct OldInstance {
    pub(in crate::workflows) id: InstanceId,
    /// Its compartment. Runs of older versions assumed the one in which they searched.
    #[serde(default)]
    pub(in crate::workflows) compartment_id: Option<String>,
    pub(in crate::workflows) addresses: Vec<String>,
    /// Addresses by which no backend may name the instance, because such backends are not understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::workflows) ipv6_addresses: Vec<String>,
    /// The create request that makes it again.
    pub(in crate::workflows) specification: Confidential<Value>,
}

impl Activity for FindOldInstance {
    const NAME: &'static str = "find-old-instance";
    type World = World;
    type Output = Option<OldInstance>;

    fn note(found: &Option<OldInstance>) -> Option<String> {
        Some(match found {
            Some(old) => {
                let image = image(old.specification.expose());
                with_image(format!("{} {}", old.id, old.addresses.join(" ")), image.as_deref())
            }
            None => "none: nothing will be drained or deleted".to_owned(),
        })
    }

    fn facts(found: &Option<OldInstance>) -> Facts {
        let Some(old) = found else { return Facts::new() };
        let mut facts = fact(OLD_INSTANCE, &old.id);
        facts.extend(image(old.specification.expose()).iter().flat_map(|image| fact(OLD_IMAGE, image)));
        facts
    }

    fn mask_output(found: &Option<OldInstance>, world: &World) {
        if let Some(old) = found {
            world.mask(old.specification.expose());
        }
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Option<OldInstance>, Failure> {
        let Some((id, listed)) = self.find(cx).await? else { return Ok(None) };
        let old = self.described(cx, id).await?;
        if let (Some((around, _)), Some(listed)) = (self.searched(), listed) {
            unfinished::refuse_alone(cx, around, &listed, &old.addresses).await?;
        }
        Ok(Some(old))
    }
}

/// Whether an instance without an address may still get one.
fn may_get_an_address(state: InstanceState) -> bool {
    match state {
        InstanceState::Creating
        | InstanceState::Updating
        | InstanceState::Active
        | InstanceState::Unknown => true,
        InstanceState::Inactive
        | InstanceState::Deleting
        | InstanceState::Deleted
        | InstanceState::Failed => false,
    }
}

const DOING: &str = "finding the instance to replace";

impl FindOldInstance {
    /// The instance with what is needed to create it again.
    async fn described(&self, cx: &Cx<'_, World>, id: InstanceId) -> Result<OldInstance, Failure> {
        let api = cx.world.oci.container_instances();
        let get = || api.get_raw(&id);
        let raw = match &self.which {
            Which::Id(_) => {
                failure::look(cx, DOING, get).await?.map_err(|error| failure::of_named(DOING, &error))
            }
            Which::Filter { .. } => failure::must_look(cx, DOING, get).await,
        };
        let raw = raw?.value;
        let typed: ContainerInstance = serde_json::from_value(raw.clone()).map_err(|error| {
            Failure::permanent(
                DOING,
                format!("{id} cannot be read: {}", cx.world.oci.heard(&error.to_string())),
            )
        })?;
        if typed.lifecycle_state.is_terminated() {
            return Err(Failure::permanent(DOING, format!("{id} is {}", typed.lifecycle_state)));
        }
        let instance::Reached { private, ipv6: ipv6_addresses, cards } =
            instance::reached(cx, &typed).await?;
        let addresses = match private {
            Some(addresses) => addresses,
            None if !ipv6_addresses.is_empty() => {
                return Err(Failure::permanent(DOING, instance::only_ipv6(&id, &ipv6_addresses)));
            }
            None if may_get_an_address(typed.lifecycle_state) => {
                return Err(Failure::missing(DOING, format!("{id} has no address yet")));
            }
            // An instance that failed may never have had an address.
            None => {
                cx.warn(format!(
                    "{id} is {} and has no address: which backends are its is not known",
                    typed.lifecycle_state
                ));
                Vec::new()
            }
        };
        let record::Recorded { specification, unknown } =
            record::of(cx, &raw, &cards, self.pull_secrets.expose()).await?;
        if !unknown.is_empty() {
            let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
            cx.warn(format!(
                "{id} has what this version does not know ({}): once it is deleted, a rollback would create it \
                 again without (use `old-instance: stop`)",
                unknown.join(", ")
            ));
        }
        if let Some(missing) = record::missing_to_recreate(&specification) {
            cx.warn(format!(
                "once {id} is deleted, a rollback could not create it again: {missing} (use `old-instance: stop`)"
            ));
        }
        let specification = Confidential::new(specification);
        let compartment_id = raw["compartmentId"].as_str().map(ToOwned::to_owned);
        Ok(OldInstance { id, compartment_id, addresses, ipv6_addresses, specification })
    }

    /// The surroundings, with the first compartment in which instances of other runs are looked for. `None` in a run of an
    /// older version, which does not look.
    fn searched(&self) -> Option<(&Around, &String)> {
        let around = self.around.as_ref()?;
        Some((around, around.searched.first()?))
    }

    /// The instance, and how it is listed if it was found by the filter.
    async fn find(&self, cx: &Cx<'_, World>) -> Result<Option<(InstanceId, Option<Value>)>, Failure> {
        let api = cx.world.oci.container_instances();
        let (compartment_id, filter) = match &self.which {
            Which::Id(id) => {
                if let Some((around, first)) = self.searched() {
                    let listed = failure::list_named(cx, DOING, api.list(first)).await?;
                    unfinished::refuse(cx, around, &listed, Named::Id(id)).await?;
                }
                return Ok(Some((id.clone(), None)));
            }
            Which::Filter { compartment_id, filter } => (compartment_id, filter),
        };
        if let Some(doubt) = filter.doubt() {
            return Err(Failure::permanent(DOING, format!("ci-filter {filter} is not obeyed: {doubt}")));
        }
        let mut listed = failure::list_named(cx, DOING, api.list(compartment_id)).await?;
        if self.around.is_some() && !listed.iter().any(|instance| filter.matches(instance)) {
            // One that moved from a page to the one before it was in neither.
            listed = failure::list_named(cx, DOING, api.list(compartment_id)).await?;
        }
        let left = match self.searched() {
            Some((around, _)) => {
                Box::pin(unfinished::refuse(cx, around, &listed, Named::Matching(filter))).await?
            }
            None => Vec::new(),
        };
        let is_left = |instance: &Value| left.iter().any(|id| instance["id"] == id.as_str());
        let mut matching: Vec<&Value> =
            listed.iter().filter(|instance| filter.matches(instance) && !is_left(instance)).collect();
        let mut balancer = None;
        let is_unclear = matching.len() > 1 || matching.iter().any(|instance| candidates::is_kept(instance));
        if let (Some(around), true) = (&self.around, is_unclear) {
            balancer = around.balancer(cx).await?;
            matching = candidates::without_kept(cx, balancer.as_ref(), matching).await?;
        }
        match (matching.as_slice(), &self.around) {
            ([], Some(around)) if !around.may_be_missing => {
                beside::refuse(cx, around, compartment_id, filter, &listed).await?;
                Ok(None)
            }
            ([], _) => Ok(None),
            ([only], around) => {
                let id = InstanceId::from(only["id"].as_str().unwrap_or_default());
                let listed = (*only).clone();
                if around.as_ref().is_some_and(|around| around.may_be_missing) {
                    cx.warn(format!(
                        "ci-filter matches {id}, which is replaced: `first` is for when it matches none"
                    ));
                }
                Ok(Some((id, Some(listed))))
            }
            (several, _) => {
                let told = candidates::told(cx, balancer.as_ref(), filter, compartment_id, several).await?;
                let message = format!("ci-filter {filter} matches {} instances: {told}", several.len());
                Err(Failure::permanent(DOING, message))
            }
        }
    }
}

impl Read for FindOldInstance {
    /// What the run has changed since is left out: its own instance is not the old one, and one that is gone cannot be known
    /// any more.
    async fn recall(&self, cx: &Cx<'_, World>) -> Result<Option<OldInstance>, Failure> {
        let Some(lost) = &cx.world.lost else { return self.execute(cx).await };
        match lost.replaces.as_slice() {
            [] => {
                cx.warn(
                    "no instance is there that the run replaces; if there was one, it is gone, and a rollback cannot bring \
                     it back: it takes the new version away, and nothing serves then",
                );
                Ok(None)
            }
            [id] => {
                let mut old = self.described(cx, id.clone()).await?;
                old.specification = Confidential::new(without_marks(old.specification.expose(), lost));
                Ok(Some(old))
            }
            several => {
                let ids: Vec<&str> = several.iter().map(InstanceId::as_str).collect();
                let message = format!(
                    "run {} may replace any of {}: say which it is with `--replace OCID`",
                    lost.run.short(),
                    ids.join(", ")
                );
                Err(Failure::permanent(DOING, message))
            }
        }
    }
}

/// The specification without what the run has marked the instance with.
fn without_marks(specification: &Value, lost: &LostRun) -> Value {
    let mut specification = specification.clone();
    let tags = specification["freeformTags"].as_object();
    let unmarked = tags.and_then(|tags| kept::unmarked(tags, &Map::new(), &lost.run.to_string()));
    if let Some(tags) = unmarked {
        specification["freeformTags"] = Value::Object(tags);
    }
    specification
}
