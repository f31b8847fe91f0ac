//! The workflows and mutations, by the names under which the journal knows them.

use super::activities::{
    AdmitBackend, CreateBackendSet, CreateInstance, DeleteBackendSet, DrainBackend, MarkKept, PutBack,
    RegisterBackend, RemoveBackend, RetireInstance, ShiftSet,
};
use super::destroy::Destroy;
use super::prune::Prune;
use super::redeploy::Redeploy;
use super::world::World;
use crate::engine::Registry;

/// All workflows, and each of their mutations, by its name in the journal.
pub fn registry() -> Registry<World> {
    Registry::new()
        .workflow::<Redeploy>()
        .workflow::<Destroy>()
        .workflow::<Prune>()
        .mutation::<AdmitBackend>()
        .mutation::<CreateBackendSet>()
        .mutation::<CreateInstance>()
        .mutation::<DeleteBackendSet>()
        .mutation::<DrainBackend>()
        .mutation::<MarkKept>()
        .mutation::<PutBack>()
        .mutation::<RegisterBackend>()
        .mutation::<RemoveBackend>()
        .mutation::<RetireInstance>()
        .mutation::<ShiftSet>()
}
