//! Helps a person who creates the old instance again by hand: shows its specification, and accepts the instance that replaces
//! it.

use serde_json::Value;

use super::World;
use super::activities::{CheckSubstitute, FindOldInstance, RetireInstance};
use super::redeploy::Redeploy;
use crate::config::{masked_instance, masked_places};
use crate::engine::{Activity, Foresight, Past, Stop};
use crate::oci::InstanceId;
use crate::run::{Facts, Failure, Seq};

/// The step that takes the old instance away. A person can do its undo by hand.
pub const RETIRES: &str = RetireInstance::NAME;

/// The specification of a run's old instance.
#[derive(Debug)]
pub struct OldSpecification {
    /// With the wire's names and with its secrets masked.
    pub masked: Value,
    /// The masked places.
    pub places: Vec<String>,
}

impl OldSpecification {
    /// The run's record of the instance that it replaces.
    ///
    /// # Errors
    /// When the run did not come that far, or there was no old instance.
    pub fn of(past: &Past) -> Result<Self, Failure> {
        const DOING: &str = "reading what was recorded of the old instance";
        let found = past
            .output::<FindOldInstance>()?
            .ok_or_else(|| Failure::permanent(DOING, "the run has not come so far as to look for it"))?;
        let old = found.ok_or_else(|| Failure::permanent(DOING, "the run has no old instance"))?;
        let recorded = old.specification.expose();
        // A run that destroys has no secrets from the environment.
        let told = past.input::<Redeploy>().map(|deployment| deployment.secrets).unwrap_or_default();
        let masked = masked_instance(recorded, told.expose());
        let places = masked_places(recorded, &masked);
        Ok(Self { masked, places })
    }
}

/// An instance that a person created in place of the one that a run retired.
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

    /// Checks the instance, and returns the facts that the undos of earlier steps need.
    ///
    /// # Errors
    /// When it cannot take the old one's place.
    pub async fn facts(self, foresight: &Foresight<'_, World>, past: &Past) -> Result<Facts, Stop> {
        foresight.look(self.0, &past.facts).await
    }
}
