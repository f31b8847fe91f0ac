//! The stages of a rollout: bring up, join, shift, retire. Workflows combine them. A stage gets what it works on as arguments,
//! and how it behaves from the world's policy.
//!
//! The order of the steps within a stage is journaled: a resumed run must ask for the same steps again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::activities::{
    AdmitBackend, AwaitBackends, AwaitDrain, AwaitInstance, AwaitRetirement, AwaitWork, CreateBackendSet,
    CreateInstance, DrainBackend, MarkKept, NewBackend, OldBackend, OldInstance, Ready, RegisterBackend,
    RemoveBackend, RetireInstance, Sent,
};
use super::balancer::{Expected, Place};
use super::elsewhere::Elsewhere;
use super::instance::Running;
use super::successor::{Successor, Takeover};
use super::target::{self, instance_compartment};
use super::world::World;
use crate::config::{BackendTarget, Deployment, DeploymentTarget, Disposal, Register};
use crate::engine::{Activity as _, Run, Stop};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::Confidential;

/// Creates the backend sets that are missing.
pub(super) async fn make_sets(
    run: &mut Run<'_, World>,
    balancer: &LoadBalancerId,
    missing: &[BackendTarget],
) -> Result<(), Stop> {
    for target in missing {
        let specification = target.create.clone().unwrap_or_default();
        let name = target.backend_set.clone();
        let create = CreateBackendSet { load_balancer: balancer.clone(), name: name.clone(), specification };
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

/// Creates the new instance and waits until it runs.
pub(super) async fn bring_up(
    run: &mut Run<'_, World>,
    deployment: &Deployment,
    balancer: &LoadBalancerId,
    target: Option<&DeploymentTarget>,
) -> Result<Running, Stop> {
    let created = run.change(create_instance(deployment, balancer, target)).await?;
    run.wait(AwaitInstance { created, secrets: secrets(deployment) }).await
}

/// The backends of an instance that joins, and what was in service before.
pub(super) struct Joining<'j> {
    backends: Vec<(Place, &'j NewBackend)>,
    balancer: &'j LoadBalancerId,
    before: &'j [OldBackend],
    is_of_before: bool,
}

impl<'j> Joining<'j> {
    /// Each address of the new instance in each set that it joins.
    pub(super) fn new(
        balancer: &'j LoadBalancerId,
        new: &Running,
        targets: &'j [NewBackend],
        before: &'j [OldBackend],
        is_of_before: bool,
    ) -> Self {
        let place = |target: &NewBackend, address: &String| Place {
            load_balancer: balancer.clone(),
            backend_set: target.backend_set.clone(),
            address: address.clone(),
            port: target.port,
        };
        let at = |target: &'j NewBackend| new.addresses.iter().map(move |at| (place(target, at), target));
        Self { backends: targets.iter().flat_map(at).collect(), balancer, before, is_of_before }
    }

    /// The sets that the instance joins.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.backends.iter().map(|(place, _)| place)
    }

    /// Where a set took requests before; `None` in a run of an older version, which does not record it.
    fn predecessors(&self, set: &str) -> Option<Vec<Place>> {
        (!self.is_of_before).then(|| in_service(self.balancer, self.before, set))
    }
}

/// Registers the new backends and waits until each is healthy.
pub(super) async fn join(
    run: &mut Run<'_, World>,
    joining: &Joining<'_>,
    successor: Successor,
) -> Result<(), Stop> {
    let (register, min_ready) = (run.world().policy.register, run.world().policy.min_ready);
    for (place, target) in &joining.backends {
        let flags = match register {
            Register::Drained => target.flags.drained(),
            Register::Active => target.flags.clone(),
        };
        let register = RegisterBackend {
            place: place.clone(),
            flags: flags.clone(),
            replaces: joining.predecessors(&place.backend_set),
        };
        let sent = run.change(register).await?;
        let expected = Expected::Backend { place: place.clone(), flags };
        follow(run, sent, place.subject(), expected).await?;
    }
    let waited = joining.backends.iter().filter(|(_, target)| target.is_checked || !joining.is_of_before);
    let places: Vec<Place> = waited.map(|(place, _)| place.clone()).collect();
    if places.is_empty() {
        return Ok(());
    }
    let ready = min_ready.map(|min_ready| Ready { successor, min_ready });
    run.wait(AwaitBackends { places, ready }).await
}

/// Lets the new backends take requests.
pub(super) async fn shift(run: &mut Run<'_, World>, joining: &Joining<'_>) -> Result<(), Stop> {
    for (place, target) in &joining.backends {
        let flags = target.flags.clone();
        let replaces = joining.before.iter().any(|old| old.backend_set == place.backend_set);
        let admit = AdmitBackend {
            place: place.clone(),
            flags: flags.clone(),
            replaces,
            predecessors: joining.predecessors(&place.backend_set),
        };
        let sent = run.change(admit).await?;
        let expected = Expected::Backend { place: place.clone(), flags };
        follow(run, sent, place.subject(), expected).await?;
    }
    Ok(())
}

/// How an instance is retired.
pub(super) struct Retiring<'r> {
    pub(super) balancer: &'r LoadBalancerId,
    pub(super) backends: &'r [OldBackend],
    pub(super) compartment_id: &'r str,
    pub(super) mode: Disposal,
    pub(super) may_leave_nothing: bool,
    /// Whether an instance that is not deleted is marked as kept. Runs of older versions do not mark it.
    pub(super) marks_kept: bool,
    /// The instance that serves instead, if there is one.
    pub(super) takeover: Option<Takeover>,
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
    for (place, old) in &places {
        let flags = old.backend.flags.clone();
        let drained = flags.drained();
        let drain = DrainBackend {
            place: place.clone(),
            flags,
            may_leave_nothing: retiring.may_leave_nothing,
            takeover: retiring.takeover_in(&place.backend_set),
        };
        let sent = run.change(drain).await?;
        let expected = Expected::Backend { place: place.clone(), flags: drained };
        follow(run, sent, place.subject(), expected).await?;
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
        let flags = old.backend.flags.clone();
        let remove = RemoveBackend {
            place: place.clone(),
            flags,
            may_leave_nothing: retiring.may_leave_nothing,
            takeover: retiring.takeover_in(&place.backend_set),
        };
        let sent = run.change(remove).await?;
        follow(run, sent, place.subject(), Expected::NoBackend(place.clone())).await?;
    }
    let compartment_id = old.compartment_id.unwrap_or_else(|| retiring.compartment_id.to_owned());
    let id = old.id.clone();
    // This comes before a stop, because nobody knows whether the cloud lets a stopped instance be changed.
    if retiring.marks_kept && matches!(retiring.mode, Disposal::Keep | Disposal::Stop) {
        let tags = old.specification.expose()["freeformTags"].as_object().cloned().unwrap_or_default();
        let tags = Confidential::new(tags);
        let mark = MarkKept { id: id.clone(), compartment_id: compartment_id.clone(), tags };
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
    };
    run.change(retire).await?;
    run.wait(AwaitRetirement { id, compartment_id, mode: retiring.mode }).await
}

/// Where the old instance takes requests in a set.
fn in_service(balancer: &LoadBalancerId, old: &[OldBackend], set: &str) -> Vec<Place> {
    let served = old.iter().filter(|old| old.backend_set == set && old.backend.flags.serves());
    served.map(|old| old.place(balancer)).collect()
}

/// Follows the work of a change, as a step of its own, so that the request is checkpointed before anybody waits for its end.
/// A plan shows the wait although nothing was sent.
async fn follow(
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

fn digest(masked: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(masked.to_string()))
}
