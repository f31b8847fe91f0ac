//! What is kept with a run for whoever drives it again.

use serde::{Deserialize, Serialize};

use super::problem::Report;
use super::settings::Settings;
use crate::config::{CredentialsSource, Policy};

/// What a run needs to be driven again by another process, besides its input. Kept with it; never secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Context {
    pub(super) source: CredentialsSource,
    pub(super) env: String,
    pub(super) sign_in: Settings,
    pub(super) policy: Policy,
}

impl Context {
    /// As the journal holds it.
    pub(super) fn stored(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("paths and names serialise, as they came from text")
    }

    /// From what the journal holds.
    pub(super) fn restored(stored: &serde_json::Value) -> Result<Self, Report> {
        let mut context: Self = serde_json::from_value(stored.clone()).map_err(|error| {
            Report::ours(format!("the journal's context of the run cannot be read: {error}"))
                .hint("use the version of deployctl that started it, or a newer one")
        })?;
        context.policy.retry.wait_at_all();
        Ok(context)
    }
}
