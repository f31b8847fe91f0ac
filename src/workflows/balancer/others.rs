//! The backends that existed before the run, except those of the instance that it replaces.
//!
//! If one of them has the new instance's present address, an instance that is gone left it behind, because only one instance
//! at a time has an address.

use crate::engine::Cx;
use crate::run::Facts;
use crate::workflows::World;

const OTHERS_FACT: &str = "backends-before";

/// The fact that holds their names.
pub(in crate::workflows) fn others_fact(names: &[String]) -> Facts {
    if names.is_empty() {
        return Facts::new();
    }
    Facts::from([(OTHERS_FACT.to_owned(), names.join("\n"))])
}

/// Whether a backend, as `set/address:port`, existed before the run.
pub(in crate::workflows) fn was_there_before(cx: &Cx<'_, World>, name: &str) -> bool {
    cx.fact(OTHERS_FACT).is_some_and(|names| names.lines().any(|one| one == name))
}
