//! An earlier run's specification, rolled out once more by a run of its own.

use super::context::Context;
use super::redeploy::Redeploy;
use crate::config::{Deployment, Origin, Predecessor, Secrecy};
use crate::engine::Past;
use crate::run::Failure;

/// What a new run deploys that repeats an earlier one, and the new run's context. Of how it is done, only the settings are
/// repeated: the new run goes the ways of this version.
///
/// # Errors
/// When the run did not deploy anything, as one that destroys.
pub fn again(
    past: &Past,
    context: Context,
    predecessor: Option<Predecessor>,
) -> Result<(Deployment, Context), Failure> {
    let before = past.input::<Redeploy>()?;
    let origin = before.origin.clone().unwrap_or(Origin { env: context.profile().to_owned(), tenancy: None });
    let deployment = Deployment {
        secrecy: Secrecy::ByPlace,
        origin: Some(origin),
        // What the earlier run replaced, or was put beside, says nothing about today.
        predecessor: predecessor.unwrap_or(Predecessor::Expected),
        ..before
    };
    Ok((deployment, context.renewed()))
}
