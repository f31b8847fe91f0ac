//! Ends a run by hand: finds its two sides, and takes the old side away if the new one is kept.

use serde::{Deserialize, Serialize};

use super::activities::{
    AdmitBackend, AwaitInstance, CheckKept, CreateBackendSet, CreateInstance, FindLeftovers,
    FindLoadBalancer, FindOldBackends, FindOldInstance, MarkKept, OldInstance, RegisterBackend, ShiftSet,
    restored_address,
};
use super::balancer::Place;
use super::elsewhere::Elsewhere;
use super::finders::elsewhere;
use super::kinship::RESTORED_INSTANCE;
use super::redeploy::Redeploy;
use super::stages::{Retiring, retire};
use super::target::instance_compartment;
use super::{Destroy, World};
use crate::config::{Disposal, Policy};
use crate::engine::{Activity, Foresight, Past, Run, Stop, Workflow};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::{Confidential, Failure};

/// The activities that create the new side of a run, and the one that would mark the old side as kept.
pub const NEW_SIDE: &[&str] = &[
    CreateBackendSet::NAME,
    CreateInstance::NAME,
    RegisterBackend::NAME,
    AdmitBackend::NAME,
    ShiftSet::NAME,
    MarkKept::NAME,
];

/// Takes away everything of a run except its new side.
#[derive(Debug)]
pub struct KeepNew;

/// The facts about a run that ends with its new side kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NewSide {
    kept: Side,
    load_balancer: LoadBalancerId,
    old: Option<(InstanceId, Vec<String>)>,
    specification: Confidential<serde_json::Value>,
    compartments: Vec<String>,
    elsewhere: Option<Elsewhere>,
}

/// One side of a run: an instance and the places where it serves.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Side {
    id: InstanceId,
    compartment_id: String,
    places: Vec<Place>,
}

impl Workflow for KeepNew {
    const NAME: &'static str = "keep-new";
    const VERSION: u32 = 1;
    type World = World;
    type Input = NewSide;
    type Output = ();

    async fn steps(run: &mut Run<'_, World>, side: &NewSide) -> Result<(), Stop> {
        run.read(side.kept.check()).await?;
        let find = FindLeftovers {
            kept: side.kept.id.clone(),
            old: side.old.clone(),
            compartments: side.compartments.clone(),
            load_balancer: side.load_balancer.clone(),
        };
        for leftover in run.read(find).await? {
            let is_old = side.old.as_ref().is_some_and(|(id, _)| *id == leftover.id);
            let retiring = Retiring {
                balancer: &side.load_balancer,
                backends: &leftover.backends,
                shifted: Vec::new(),
                compartment_id: &leftover.compartment_id,
                // An instance that a compensation created is never kept.
                mode: match (leftover.is_there, is_old) {
                    (false, _) => Disposal::Keep,
                    (true, true) => run.world().policy.old_instance,
                    (true, false) => Disposal::Delete,
                },
                may_leave_nothing: false,
                marks_kept: leftover.is_there,
                elsewhere: side.elsewhere.clone(),
                takeover: None,
                claim: None,
            };
            let old = OldInstance {
                id: leftover.id,
                compartment_id: Some(leftover.compartment_id.clone()),
                addresses: leftover.addresses,
                ipv6_addresses: Vec::new(),
                specification: side.specification.clone(),
            };
            run.read(side.kept.check()).await?;
            retire(run, old, &retiring).await?;
        }
        Ok(())
    }
}

impl Side {
    fn check(&self) -> CheckKept {
        CheckKept {
            id: self.id.clone(),
            compartment_id: self.compartment_id.clone(),
            places: self.places.clone(),
        }
    }

    /// Makes sure that the side serves, before the person's decision is written down.
    ///
    /// # Errors
    /// When it does not.
    pub async fn serves(&self, foresight: &Foresight<'_, World>, past: &Past) -> Result<(), Stop> {
        foresight.look(self.check(), &past.facts).await
    }

    /// The side in words.
    pub fn shown(&self) -> String {
        let places: Vec<String> = self.places.iter().map(Place::subject).collect();
        format!("{} {}", self.id, places.join(" ")).trim_end().to_owned()
    }
}

impl NewSide {
    /// The side that is kept.
    pub const fn kept(&self) -> &Side {
        &self.kept
    }

    /// The new side of a run.
    ///
    /// # Errors
    /// When the run has no new side yet.
    pub fn of(past: &Past, policy: &Policy) -> Result<Self, Failure> {
        let none = || Failure::permanent(LOOKING, "the run has no new instance that ever ran");
        let deployment = past.input::<Redeploy>().map_err(|_| none())?;
        let new = past.output::<AwaitInstance>()?.ok_or_else(none)?;
        let load_balancer = past.output::<FindLoadBalancer>()?.ok_or_else(none)?.id;
        let found = past.output::<FindOldBackends>()?.ok_or_else(none)?;
        let old = past.output::<FindOldInstance>()?.flatten();
        let place = |target: &super::activities::NewBackend, address: &String| Place {
            load_balancer: load_balancer.clone(),
            backend_set: target.backend_set.clone(),
            address: address.clone(),
            port: target.port,
        };
        let places =
            found.new.iter().flat_map(|target| new.addresses.iter().map(move |at| place(target, at)));
        let elsewhere = elsewhere(&deployment, policy, old.as_ref());
        let own = instance_compartment(&deployment);
        let kept = Side { id: new.id.clone(), compartment_id: own.clone(), places: places.collect() };
        let mut compartments = vec![deployment.compartment_id];
        let of_old = old.as_ref().and_then(|old| old.compartment_id.clone());
        for compartment in of_old.into_iter().chain([own]) {
            if !compartments.contains(&compartment) {
                compartments.push(compartment);
            }
        }
        Ok(Self {
            kept,
            load_balancer,
            specification: old.as_ref().map(|old| old.specification.clone()).unwrap_or_default(),
            old: old.map(|old| (old.id, old.addresses)),
            compartments,
            elsewhere,
        })
    }
}

const LOOKING: &str = "looking for the side that is kept";

/// The old side of a run: the instance that served before the run, at its present place.
///
/// # Errors
/// When no instance served before the run.
pub fn old_side(past: &Past) -> Result<Side, Failure> {
    let none = || {
        Failure::permanent(
            LOOKING,
            "the run has no old instance: `deployctl rollback` takes the new one away",
        )
    };
    let compartment_id = match past.input::<Redeploy>() {
        Ok(deployment) => deployment.compartment_id,
        Err(_) => past.input::<Destroy>()?.compartment_id,
    };
    let load_balancer = past.output::<FindLoadBalancer>()?.ok_or_else(none)?.id;
    let old = past.output::<FindOldInstance>()?.flatten().ok_or_else(none)?;
    let compartment_id = old.compartment_id.unwrap_or(compartment_id);
    let found = past.output::<FindOldBackends>()?.ok_or_else(none)?;
    // A backend that did not serve before the run need not serve now.
    let served = found.old.iter().filter(|old| old.backend.flags.serves());
    let places = served.map(|old| {
        let before = &old.backend.ip_address;
        Place {
            load_balancer: load_balancer.clone(),
            backend_set: old.backend_set.clone(),
            address: past.facts.get(&restored_address(before)).unwrap_or(before).clone(),
            port: old.backend.port,
        }
    });
    let id = past.facts.get(RESTORED_INSTANCE).map_or(old.id, |id| InstanceId::from(id.as_str()));
    Ok(Side { id, compartment_id, places: places.collect() })
}
