//! The mark of a take-over: the end of a tag of the instance that a run created, written by the machine that recovers the run.
//!
//! The invariant: a process changes nothing more once the instance carries another mark than the process's journal. The mark
//! is in a tag that is there already, because a resource takes ten tags at most. A run that was never recovered has no mark.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::engine::Cx;
use crate::oci::InstanceId;
use crate::oci::container_instances::ContainerInstance;
use crate::run::{Failure, RetryToken};
use crate::workflows::kinship::NEW_INSTANCE;
use crate::workflows::{World, failure};

/// The digest of the specification of which an instance was made, and the mark after it.
pub(in crate::workflows) const SPECIFICATION_TAG: &str = "deployctl-spec";
/// The fact that holds the mark under which a recovered run goes on.
pub(in crate::workflows) const FACT: &str = "taken-over-as";
/// Stands between the digest and the mark. A digest does not contain it.
const BEFORE: char = '.';

/// A tag's value without the mark.
fn without(value: &str) -> &str {
    value.split_once(BEFORE).map_or(value, |(digest, _)| digest)
}

/// The digest of the specification of which an instance was made, according to its tag.
pub(in crate::workflows) fn specification_of(instance: &Value) -> Option<&str> {
    instance["freeformTags"][SPECIFICATION_TAG].as_str().map(without)
}

/// The tags with this mark, in place of an earlier one.
pub(in crate::workflows) fn marked(tags: &Map<String, Value>, mark: &str) -> Map<String, Value> {
    let digest = tags.get(SPECIFICATION_TAG).and_then(Value::as_str).map(without).unwrap_or_default();
    let mut marked = tags.clone();
    marked.insert(SPECIFICATION_TAG.to_owned(), json!(format!("{digest}{BEFORE}{mark}")));
    marked
}

/// The retry token of the step's own request. A lost run may have made this very request, and taken back what it did; then the
/// cloud would answer to the same token as it did before, and do nothing. So a run that was recovered has tokens of its own.
pub(in crate::workflows) fn token(cx: &Cx<'_, World>) -> RetryToken {
    let generation = cx.fact(FACT).and_then(|mark| u32::from_str_radix(mark, 16).ok());
    cx.token(generation.unwrap_or(0))
}

/// Makes sure that nobody has taken the run over, right before a change. An instance that is gone says nothing; what is
/// changed then is looked at by the change's own guard.
///
/// # Errors
/// [`FailureKind::TakenOver`](crate::run::FailureKind::TakenOver) when somebody has.
pub(in crate::workflows) async fn is_ours(cx: &Cx<'_, World>) -> Result<(), Failure> {
    const DOING: &str = "making sure that nobody has taken the run over";
    let Some(id) = cx.fact(NEW_INSTANCE).map(InstanceId::from) else { return Ok(()) };
    let api = cx.world.oci.container_instances();
    match failure::look(cx, DOING, || api.get(&id)).await? {
        Ok(answer) => check(cx, &id, &answer.value.freeform_tags),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(failure::of(DOING, &error)),
    }
}

/// The same for an instance that was just read, if it is the one that the run created.
pub(super) fn check_if_new(cx: &Cx<'_, World>, instance: &ContainerInstance) -> Result<(), Failure> {
    match cx.fact(NEW_INSTANCE) {
        Some(id) if id == instance.id.as_str() => check(cx, &instance.id, &instance.freeform_tags),
        Some(_) | None => Ok(()),
    }
}

/// The same for the tags of that instance.
pub(super) fn check(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    tags: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let found = tags.get(SPECIFICATION_TAG).and_then(|value| value.split_once(BEFORE)).map(|(_, mark)| mark);
    if found == cx.fact(FACT) {
        return Ok(());
    }
    let by = found
        .map_or_else(|| "the mark of this journal is gone".to_owned(), |mark| format!("it is marked {mark}"));
    Err(Failure::taken_over(
        "changing what the run has made",
        format!("another machine has recovered run {}, and drives it: {id} says so ({by})", cx.run().short()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_takes_the_place_of_an_earlier_one_and_leaves_the_digest() {
        let tags = |value: &str| Map::from_iter([(SPECIFICATION_TAG.to_owned(), json!(value))]);
        let once = marked(&tags("d-_1"), "aaaa");
        assert_eq!(once, tags("d-_1.aaaa"));
        assert_eq!(marked(&once, "bbbb"), tags("d-_1.bbbb"));
        assert_eq!((without("d-_1.bbbb"), without("d-_1")), ("d-_1", "d-_1"));
    }
}
