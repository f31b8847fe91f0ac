//! The tags that show which run created an instance (docs/design/doubt.md), and the search for them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::mark;
use crate::engine::Cx;
use crate::oci::{InstanceId, is_terminated};
use crate::run::{Failure, RunId, Timestamp, time_of};
use crate::workflows::{World, failure};

const RUN_TAG: &str = "deployctl-run";
const STEP_TAG: &str = "deployctl-step";
/// The end of a step's tag on what its compensation creates.
pub(in crate::workflows) const OF_THE_UNDO: &str = "-undo";

/// `specification` with the tags by which run and step find the instance.
pub(in crate::workflows) fn tagged(mut specification: Value, tags: &[(&str, String)]) -> Value {
    let Some(body) = specification.as_object_mut() else { return specification };
    let all = body.entry("freeformTags").or_insert_with(|| Value::Object(Map::new()));
    if let Some(all) = all.as_object_mut() {
        for (name, value) in tags {
            all.insert((*name).to_owned(), json!(value));
        }
    }
    specification
}

/// The tags of what this step, or its compensation, creates.
pub(in crate::workflows) fn own_tags(cx: &Cx<'_, World>, purpose: &str) -> [(&'static str, String); 2] {
    [(RUN_TAG, cx.run().to_string()), (STEP_TAG, format!("{}{purpose}", cx.id()))]
}

/// Whether this run created an instance.
pub(in crate::workflows) fn is_made_here(cx: &Cx<'_, World>, instance: &Value) -> bool {
    made_by(instance).is_some_and(|run| run == cx.run().to_string())
}

/// The run that created an instance, according to its tag.
pub(in crate::workflows) fn made_by(instance: &Value) -> Option<&str> {
    instance["freeformTags"][RUN_TAG].as_str()
}

/// The same, as an id. `None` also if somebody has written something else into the tag.
pub(in crate::workflows) fn run_of(instance: &Value) -> Option<RunId> {
    made_by(instance)?.parse().ok()
}

/// When the instance was created, by the cloud's clock.
pub(in crate::workflows) fn created_at(instance: &Value) -> Option<Timestamp> {
    time_of(instance["timeCreated"].as_str()?)
}

/// Whether the instance was created by a compensation, in place of one that a run had retired.
pub(in crate::workflows) fn is_remade(instance: &Value) -> bool {
    instance["freeformTags"][STEP_TAG].as_str().is_some_and(|step| step.ends_with(OF_THE_UNDO))
}

/// Every instance that carries these tags and is not gone.
pub(in crate::workflows) async fn find_tagged(
    cx: &Cx<'_, World>,
    compartment: &str,
    tags: &[(&str, String)],
) -> Result<Vec<InstanceId>, Failure> {
    const DOING: &str = "looking for what the run created";
    let api = cx.world.oci.container_instances();
    let listed = failure::must_look_all(cx, DOING, api.list(compartment)).await?;
    let ours = listed.iter().filter(|instance| {
        let has = |(name, value): &(&str, String)| instance["freeformTags"][*name] == json!(value);
        tags.iter().all(has) && !is_terminated(instance)
    });
    Ok(ours.filter_map(|instance| instance["id"].as_str()).map(InstanceId::from).collect())
}

/// Makes sure that an instance carries the tags of this run.
///
/// # Errors
/// Permanent when it does not: then it is somebody else's. The same as of [`mark::is_ours`] when somebody has taken the run
/// over.
pub(in crate::workflows) fn carries(
    id: &InstanceId,
    found: &BTreeMap<String, String>,
    tags: &[(&'static str, String)],
    cx: &Cx<'_, World>,
) -> Result<(), Failure> {
    let is_remade = tags.iter().any(|(name, value)| *name == STEP_TAG && value.ends_with(OF_THE_UNDO));
    if !is_remade {
        mark::check(cx, id, found)?;
    }
    let Some((name, value)) = tags.iter().find(|(name, value)| found.get(*name) != Some(value)) else {
        return Ok(());
    };
    let (run, seq) = (cx.run().short(), cx.seq());
    Err(Failure::permanent(
        "making sure that the instance is the run's own",
        format!(
            "{id} does not carry the tag {name} = {value}: it is not this run's, and is not touched. If somebody took \
             the tag away, give it back and say `deployctl rollback {run}`; otherwise \
             `deployctl resolve {run} {seq} --as undone`"
        ),
    ))
}

/// The instances of these compartments, each of which the user has named.
pub(in crate::workflows) async fn listed<'c>(
    cx: &Cx<'_, World>,
    doing: &str,
    compartments: impl IntoIterator<Item = &'c String, IntoIter: Send>,
) -> Result<Vec<Value>, Failure> {
    let api = cx.world.oci.container_instances();
    let mut listed = Vec::new();
    for compartment in compartments {
        listed.extend(failure::list_named(cx, doing, api.list(compartment)).await?);
    }
    Ok(listed)
}
