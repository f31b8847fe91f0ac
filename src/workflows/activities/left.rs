//! What compensations leave for one another, as facts of the run.

use crate::engine::Cx;
use crate::oci::InstanceId;
use crate::run::{Facts, Timestamp, stamp, time_of};
use crate::workflows::World;
use crate::workflows::balancer::Place;
use crate::workflows::kinship::RESTORED_INSTANCE;

/// The address of an instance that was created again, in place of `address`.
pub(in crate::workflows) fn restored_address(address: &str) -> String {
    format!("restored-address:{address}")
}

/// The instance in the old one's place, and its new address for each old one.
pub(super) fn restored_as(id: &InstanceId, before: &[String], now: &[String]) -> Facts {
    let mut facts = fact(RESTORED_INSTANCE, id);
    facts.extend(before.iter().zip(now).map(|(before, now)| (restored_address(before), now.clone())));
    facts
}

/// The place of the old instance now.
pub(super) fn restored(cx: &Cx<'_, World>, place: &Place) -> Place {
    place.at(&now_at(cx, &place.address))
}

/// The address of the old instance now that had this one.
pub(super) fn now_at(cx: &Cx<'_, World>, address: &str) -> String {
    cx.fact(&restored_address(address)).unwrap_or(address).to_owned()
}

/// The value for an old backend that was registered again and is not drained.
pub(super) const IN_SERVICE: &str = "in service";

/// That this compensation gave an old backend its flags back.
pub(super) fn given_back(cx: &Cx<'_, World>, place: &Place) -> String {
    format!("given-back:{}:{}", cx.id(), place.subject())
}

/// That this compensation took a new backend out of service.
pub(super) fn taken_back(cx: &Cx<'_, World>, place: &Place) -> String {
    format!("taken-back:{}:{}", cx.id(), place.subject())
}

/// That an old backend was registered again, and how.
pub(super) fn registered_again(place: &Place) -> String {
    format!("registered-again:{}", place.subject())
}

/// That the new version was drained at a place after it had been in service.
pub(super) fn was_in_service(place: &Place) -> String {
    format!("was-in-service:{}", place.subject())
}

/// That the old instance had a backend in the set, and whether it was in service.
pub(super) fn served_before(set: &str) -> String {
    format!("served-before:{set}")
}

pub(super) fn idle_before(set: &str) -> String {
    format!("idle-before:{set}")
}

/// That something needs an address, because a person said that its effect stays.
pub(super) fn needed(address: &str) -> String {
    format!("needed:{address}")
}

/// That a person said that the instance at an address stays away.
pub(super) fn stays_away(address: &str) -> String {
    format!("stays-away:{address}")
}

/// When the compensation of this step drained its backend.
pub(super) fn drained_now(cx: &Cx<'_, World>) -> Facts {
    fact(&format!("drained:{}", cx.id()), &stamp(cx.clock.now()))
}

/// Until when the requests of the backend that this compensation drained may go on; `None` if it drained none.
pub(super) fn drained_at(cx: &Cx<'_, World>) -> Option<Timestamp> {
    time_of(cx.fact(&format!("drained:{}", cx.id()))?)
}

/// That the request of this step is no longer in doubt.
pub(super) fn finished(cx: &Cx<'_, World>) -> String {
    format!("finished:{}", cx.id())
}

/// One fact.
pub(super) fn fact(name: &str, value: &impl ToString) -> Facts {
    Facts::from([(name.to_owned(), value.to_string())])
}
