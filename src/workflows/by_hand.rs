//! What a person needs who makes the old instance again by hand: how it was made, and a way to name the one in its place.

use serde_json::Value;

use super::World;
use super::activities::{CheckSubstitute, FindOldInstance, RetireInstance};
use super::redeploy::Redeploy;
use crate::config::{masked_instance, masked_places};
use crate::engine::{Activity, Foresight, Past, Stop};
use crate::oci::InstanceId;
use crate::run::{Facts, Failure, Seq};

/// The step that takes the old instance away, and whose undo a person can do by hand.
pub const RETIRES: &str = RetireInstance::NAME;

/// How the old instance of a run was made.
#[derive(Debug)]
pub struct OldSpecification {
    /// In the words of the wire, with its secrets masked.
    pub masked: Value,
    /// The places that are masked.
    pub places: Vec<String>,
}

impl OldSpecification {
    /// What the run recorded of the instance that it replaces.
    ///
    /// # Errors
    /// When it did not come so far, or there was none.
    pub fn of(past: &Past) -> Result<Self, Failure> {
        const DOING: &str = "reading what was recorded of the old instance";
        let found = past
            .output::<FindOldInstance>()?
            .ok_or_else(|| Failure::permanent(DOING, "the run has not come so far as to look for it"))?;
        let old = found.ok_or_else(|| Failure::permanent(DOING, "the run has no old instance"))?;
        let recorded = old.specification.expose();
        // A run that destroys knows nothing of the environment.
        let told = past.input::<Redeploy>().map(|deployment| deployment.secrets).unwrap_or_default();
        let masked = masked_instance(recorded, told.expose());
        let places = masked_places(recorded, &masked);
        Ok(Self { masked, places })
    }
}

/// An instance that a person made in place of the one which a run retired.
#[derive(Debug)]
pub struct Substitute(CheckSubstitute);

impl Substitute {
    /// The instance `id`, for the stuck step `seq`.
    ///
    /// # Errors
    /// When the step is not the one that retires the old instance.
    pub fn of(past: &Past, seq: Seq, id: &str) -> Result<Self, Failure> {
        let retire = past.given::<RetireInstance>(seq)?.ok_or_else(|| {
            Failure::permanent(
                "naming an instance in place of the old one",
                format!("only {RETIRES} has one, and step {seq} is another"),
            )
        })?;
        let RetireInstance { compartment_id, addresses, .. } = retire;
        Ok(Self(CheckSubstitute { id: InstanceId::from(id), compartment_id, addresses }))
    }

    /// Looks at it, and says what the undos of earlier steps must know of it.
    ///
    /// # Errors
    /// When it cannot take the old one's place.
    pub async fn facts(self, foresight: &Foresight<'_, World>, past: &Past) -> Result<Facts, Stop> {
        foresight.look(self.0, &past.facts).await
    }
}
