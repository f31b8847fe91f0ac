//! Which backends were there before the run, besides those of the instance that it replaces.
//!
//! One of them at the address that the new instance has now was left behind by an instance that is gone: an address is
//! one instance's at a time.

use crate::engine::Cx;
use crate::run::Facts;
use crate::workflows::World;

const OTHERS_FACT: &str = "backends-before";

/// The fact that names them.
pub(in crate::workflows) fn others_fact(names: &[String]) -> Facts {
    if names.is_empty() {
        return Facts::new();
    }
    Facts::from([(OTHERS_FACT.to_owned(), names.join("\n"))])
}

/// Whether a backend, as `set/address:port`, was there before the run.
pub(in crate::workflows) fn was_there_before(cx: &Cx<'_, World>, name: &str) -> bool {
    cx.fact(OTHERS_FACT).is_some_and(|names| names.lines().any(|one| one == name))
}
