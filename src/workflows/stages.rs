//! The stages of a rollout: bring up, join and shift (`joining`), retire. Workflows combine them. A stage gets what it works on
//! as arguments, and how it behaves from the world's policy.
//!
//! The order of the steps within a stage is journaled: a resumed run must ask for the same steps again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::activities::{
    AwaitAddress, AwaitDrain, AwaitInstance, AwaitRetirement, AwaitWork, CreateBackendSet, CreateInstance,
    Created, DrainBackend, MarkKept, OldBackend, OldInstance, RemoveBackend, RetireInstance, Sent,
};
use super::arbiter::Claim;
use super::balancer::{Expected, Place};
use super::elsewhere::Elsewhere;
use super::instance::Running;
use super::rivals::Others;
use super::successor::{Successor, Takeover};
use super::target::{self, instance_compartment};
use super::world::World;
use crate::config::{BackendTarget, Deployment, DeploymentTarget, Disposal};
use crate::engine::{Activity as _, Run, Stop};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::Confidential;

/// Creates the backend sets that are missing.
pub(super) async fn make_sets(
    run: &mut Run<'_, World>,
    balancer: &LoadBalancerId,
    missing: &[BackendTarget],
    others: Option<&Others>,
) -> Result<(), Stop> {
    for target in missing {
        let specification = target.create.clone().unwrap_or_default();
        let name = target.backend_set.clone();
        let create = CreateBackendSet {
            load_balancer: balancer.clone(),
            name: name.clone(),
            specification,
            others: others.cloned(),
        };
        let sent = run.change(create).await?;
        // A run of an older version keeps the waits that it began.
        let expected = if sent.is_of_before() {
            Expected::Success
        } else {
            Expected::Set(balancer.clone(), name.clone())
        };
        follow(run, sent, name, expected).await?;
    }
    Ok(())
}

/// Creates the new instance.
pub(super) async fn create(
    run: &mut Run<'_, World>,
    deployment: &Deployment,
    balancer: &LoadBalancerId,
    target: Option<&DeploymentTarget>,
) -> Result<Created, Stop> {
    run.change(create_instance(deployment, balancer, target)).await
}

/// Waits until its addresses are known.
pub(super) async fn locate(
    run: &mut Run<'_, World>,
    deployment: &Deployment,
    created: &Created,
) -> Result<Vec<String>, Stop> {
    run.wait(AwaitAddress { created: created.clone(), secrets: secrets(deployment) }).await
}

/// Waits until it runs; and if no load balancer decides between this run and these others, until they have given way.
pub(super) async fn bring_up(
    run: &mut Run<'_, World>,
    deployment: &Deployment,
    created: Created,
    others: Option<Others>,
) -> Result<Running, Stop> {
    run.wait(AwaitInstance { created, secrets: secrets(deployment), others }).await
}

/// How an instance is retired.
pub(super) struct Retiring<'r> {
    pub(super) balancer: &'r LoadBalancerId,
    pub(super) backends: &'r [OldBackend],
    /// Those of them that were taken out of service together with the admission of their successors.
    pub(super) shifted: Vec<Place>,
    pub(super) compartment_id: &'r str,
    pub(super) mode: Disposal,
    pub(super) may_leave_nothing: bool,
    /// Whether an instance that is not deleted is marked as kept. Runs of older versions do not mark it.
    pub(super) marks_kept: bool,
    /// The instance that serves instead, if there is one.
    pub(super) takeover: Option<Takeover>,
    /// What the instance that serves instead claims.
    pub(super) claim: Option<Claim>,
    /// Other load balancers that may send to it.
    pub(super) elsewhere: Option<Elsewhere>,
}

impl Retiring<'_> {
    fn takeover_in(&self, set: &str) -> Option<Takeover> {
        self.takeover.as_ref().map(|takeover| takeover.within(set))
    }
}

/// Drains the backends of an instance, waits, removes them, and retires it.
pub(super) async fn retire(
    run: &mut Run<'_, World>,
    old: OldInstance,
    retiring: &Retiring<'_>,
) -> Result<(), Stop> {
    let places: Vec<(Place, &OldBackend)> =
        retiring.backends.iter().map(|old| (old.place(retiring.balancer), old)).collect();
    for (place, old) in places.iter().filter(|(place, _)| !retiring.shifted.contains(place)) {
        let drain_it = DrainBackend {
            place: place.clone(),
            flags: old.backend.flags.clone(),
            may_leave_nothing: retiring.may_leave_nothing,
            takeover: retiring.takeover_in(&place.backend_set),
            claim: retiring.claim.clone(),
        };
        drain(run, drain_it).await?;
    }
    if !places.is_empty() {
        let delay = run.world().policy.drain_delay;
        match retiring.takeover.clone() {
            Some(takeover) => run.wait(AwaitDrain { delay, takeover }).await?,
            // The same step without a new version to watch, as in runs of older versions.
            None => run.sleep(AwaitDrain::NAME, delay).await?,
        }
    }
    for (place, old) in &places {
        let remove_it = RemoveBackend {
            place: place.clone(),
            flags: old.backend.flags.clone(),
            may_leave_nothing: retiring.may_leave_nothing,
            takeover: retiring.takeover_in(&place.backend_set),
            claim: retiring.claim.clone(),
        };
        remove(run, remove_it).await?;
    }
    let compartment_id = old.compartment_id.unwrap_or_else(|| retiring.compartment_id.to_owned());
    let id = old.id.clone();
    // This comes before a stop, because nobody knows whether the cloud lets a stopped instance be changed.
    if retiring.marks_kept && matches!(retiring.mode, Disposal::Keep | Disposal::Stop) {
        let tags = old.specification.expose()["freeformTags"].as_object().cloned().unwrap_or_default();
        let tags = Confidential::new(tags);
        let mark = MarkKept {
            id: id.clone(),
            compartment_id: compartment_id.clone(),
            tags,
            claim: retiring.claim.clone(),
        };
        run.change(mark).await?;
    }
    if retiring.mode == Disposal::Keep {
        return Ok(());
    }
    let retire = RetireInstance {
        id: old.id,
        compartment_id: compartment_id.clone(),
        addresses: old.addresses,
        mode: retiring.mode,
        specification: old.specification,
        load_balancer: retiring.balancer.clone(),
        takeover: retiring.takeover.clone(),
        elsewhere: retiring.elsewhere.clone(),
        claim: retiring.claim.clone(),
    };
    run.change(retire).await?;
    run.wait(AwaitRetirement { id, compartment_id, mode: retiring.mode }).await
}

/// Drains a backend, and follows that to its end.
pub(super) async fn drain(run: &mut Run<'_, World>, drain: DrainBackend) -> Result<(), Stop> {
    let (place, flags) = (drain.place.clone(), drain.flags.drained());
    let sent = run.change(drain).await?;
    follow(run, sent, place.subject(), Expected::Backend { place, flags }).await
}

/// Removes a backend, and follows that to its end.
pub(super) async fn remove(run: &mut Run<'_, World>, remove: RemoveBackend) -> Result<(), Stop> {
    let place = remove.place.clone();
    let sent = run.change(remove).await?;
    follow(run, sent, place.subject(), Expected::NoBackend(place)).await
}

/// Follows the work of a change, as a step of its own, so that the request is checkpointed before anybody waits for its end.
/// A plan shows the wait although nothing was sent.
pub(super) async fn follow(
    run: &mut Run<'_, World>,
    sent: Sent,
    subject: String,
    expected: Expected,
) -> Result<(), Stop> {
    match sent.work_request {
        Some(work_request) => run.wait(AwaitWork { work_request, subject, expected }).await,
        None => Ok(()),
    }
}

fn create_instance(
    deployment: &Deployment,
    balancer: &LoadBalancerId,
    target: Option<&DeploymentTarget>,
) -> CreateInstance {
    CreateInstance {
        deployment: target::tag(deployment, target),
        compartment_id: instance_compartment(deployment),
        specification: deployment.instance.clone(),
        secrets: secrets(deployment),
        digest: digest(&deployment.told_apart()),
        masked: deployment.masked(),
        load_balancer: balancer.clone(),
    }
}

/// The new instance as the one that takes over.
pub(super) fn successor(deployment: &Deployment, id: &InstanceId) -> Successor {
    let compartment_id = instance_compartment(deployment);
    Successor { id: id.clone(), compartment_id, secrets: secrets(deployment) }
}

fn secrets(deployment: &Deployment) -> Confidential<Vec<String>> {
    Confidential::new(deployment.secret_texts())
}

/// The digest of a specification without its secrets.
pub(super) fn digest(masked: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(masked.to_string()))
}
