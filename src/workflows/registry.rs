//! What runs are resumed and undone by: their names in the journal.

use super::activities::{
    AdmitBackend, CreateBackendSet, CreateInstance, DrainBackend, MarkKept, RegisterBackend, RemoveBackend,
    RetireInstance,
};
use super::destroy::Destroy;
use super::redeploy::Redeploy;
use super::world::World;
use crate::engine::Registry;

/// These workflows, and every mutation of them, by its name in the journal.
pub fn registry() -> Registry<World> {
    Registry::new()
        .workflow::<Redeploy>()
        .workflow::<Destroy>()
        .mutation::<AdmitBackend>()
        .mutation::<CreateBackendSet>()
        .mutation::<CreateInstance>()
        .mutation::<DrainBackend>()
        .mutation::<MarkKept>()
        .mutation::<RegisterBackend>()
        .mutation::<RemoveBackend>()
        .mutation::<RetireInstance>()
}
