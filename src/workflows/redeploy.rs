//! Redeploy: the table of docs/design/redeploy.md, top to bottom. Reads first: everything that can be wrong is found before
//! anything is created.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::activities::{
    AdmitBackend, AwaitBackends, AwaitDrain, AwaitInstance, AwaitRetirement, AwaitWork, CreateBackendSet,
    CreateInstance, DrainBackend, MarkKept, OldBackend, OldInstance, Ready, RegisterBackend, RemoveBackend,
    RetireInstance, Sent,
};
use super::balancer::{Expected, Place};
use super::elsewhere::Elsewhere;
use super::finders::{elsewhere, find_load_balancer, find_old_backends, find_old_instance};
use super::successor::{Successor, Takeover};
use super::target::{self, instance_compartment};
use super::world::World;
use crate::config::{Deployment, DeploymentTarget, OldInstance as Mode, Predecessor, Register};
use crate::engine::{Activity as _, Run, Stop, Workflow};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::Confidential;

/// Replaces an instance without dropping a request.
#[derive(Debug)]
pub struct Redeploy;

impl Workflow for Redeploy {
    const NAME: &'static str = "redeploy";
    const VERSION: u32 = 1;
    type World = World;
    type Input = Deployment;
    type Output = ();

    async fn steps(run: &mut Run<'_, World>, deployment: &Deployment) -> Result<(), Stop> {
        run.world().oci.mask(deployment.secret_texts());
        let balancer = run.read(find_load_balancer(deployment)).await?.id;
        let policy = run.world().policy.clone();
        let old = run.read(find_old_instance(deployment, Some(&balancer))).await?;
        let found = run.read(find_old_backends(deployment, &policy, &balancer, old.as_ref())).await?;
        let old_sets = found.old.iter().map(|old| &old.backend_set);
        for set in old_sets.chain(found.new.iter().map(|new| &new.backend_set)) {
            run.hold(&target::backend_set(&balancer, set)).await?;
        }
        if let Some(old) = &old {
            run.hold(&target::instance(&old.id)).await?;
        }
        let new_sets: Vec<&str> = found.new.iter().map(|new| new.backend_set.as_str()).collect();
        let target = target::of(deployment, &balancer, &new_sets);
        if let Some(held) = target.as_ref().and_then(target::held) {
            run.hold(&held).await?;
        }
        for target in &found.missing_sets {
            let specification = target.create.clone().unwrap_or_default();
            let name = target.backend_set.clone();
            let create =
                CreateBackendSet { load_balancer: balancer.clone(), name: name.clone(), specification };
            let sent = run.change(create).await?;
            // What a run of before has begun to wait for stays what it was.
            let expected = if sent.is_of_before() {
                Expected::Success
            } else {
                Expected::Set(balancer.clone(), name.clone())
            };
            follow(run, sent, name, expected).await?;
        }

        let created = run.change(create_instance(deployment, &balancer, target.as_ref())).await?;
        let new = run.wait(AwaitInstance { created, secrets: secrets(deployment) }).await?;
        let mut joining = Vec::new();
        for target in &found.new {
            for address in &new.addresses {
                let place = Place {
                    load_balancer: balancer.clone(),
                    backend_set: target.backend_set.clone(),
                    address: address.clone(),
                    port: target.port,
                };
                joining.push((place, target));
            }
        }
        let is_of_before = policy.is_of_before();
        let predecessors = |set: &str| (!is_of_before).then(|| in_service(&balancer, &found.old, set));
        for (place, target) in &joining {
            let flags = match policy.register {
                Register::Drained => target.flags.drained(),
                Register::Active => target.flags.clone(),
            };
            let register = RegisterBackend {
                place: place.clone(),
                flags: flags.clone(),
                replaces: predecessors(&place.backend_set),
            };
            let sent = run.change(register).await?;
            let expected = Expected::Backend { place: place.clone(), flags };
            follow(run, sent, place.subject(), expected).await?;
        }
        let waited = joining.iter().filter(|(_, target)| target.is_checked || !is_of_before);
        let places: Vec<Place> = waited.map(|(place, _)| place.clone()).collect();
        if !places.is_empty() {
            let successor = successor(deployment, &new.id);
            let ready = policy.min_ready.map(|min_ready| Ready { successor, min_ready });
            run.wait(AwaitBackends { places, ready }).await?;
        }
        for (place, target) in &joining {
            let flags = target.flags.clone();
            let replaces = found.old.iter().any(|old| old.backend_set == place.backend_set);
            let admit = AdmitBackend {
                place: place.clone(),
                flags: flags.clone(),
                replaces,
                predecessors: predecessors(&place.backend_set),
            };
            let sent = run.change(admit).await?;
            let expected = Expected::Backend { place: place.clone(), flags };
            follow(run, sent, place.subject(), expected).await?;
        }
        if let Some(old) = old {
            let at = joining.iter().map(|(place, _)| place.clone()).collect();
            let takeover = Takeover { by: successor(deployment, &new.id), at };
            let retirement = Retiring {
                balancer: &balancer,
                backends: &found.old,
                compartment_id: &deployment.compartment_id,
                mode: policy.old_instance,
                may_leave_nothing: false,
                marks_kept: deployment.predecessor != Predecessor::AsBefore,
                takeover: (!is_of_before).then_some(takeover),
                elsewhere: elsewhere(deployment, &policy, Some(&old)),
            };
            retirement.of(run, old).await?;
        }
        Ok(())
    }
}

/// What is done to an instance that is to go: shared by redeploy and destroy.
pub(super) struct Retiring<'r> {
    pub(super) balancer: &'r LoadBalancerId,
    pub(super) backends: &'r [OldBackend],
    pub(super) compartment_id: &'r str,
    pub(super) mode: Mode,
    pub(super) may_leave_nothing: bool,
    /// Whether an instance that is not deleted is marked as kept. Runs of before did not.
    pub(super) marks_kept: bool,
    /// Who serves instead, if anybody does.
    pub(super) takeover: Option<Takeover>,
    /// Who else may send to it.
    pub(super) elsewhere: Option<Elsewhere>,
}

impl Retiring<'_> {
    /// Drains its backends, waits, removes them, and retires it.
    pub(super) async fn of(&self, run: &mut Run<'_, World>, old: OldInstance) -> Result<(), Stop> {
        let places: Vec<(Place, &OldBackend)> =
            self.backends.iter().map(|old| (old.place(self.balancer), old)).collect();
        for (place, old) in &places {
            let flags = old.backend.flags.clone();
            let drained = flags.drained();
            let drain = DrainBackend {
                place: place.clone(),
                flags,
                may_leave_nothing: self.may_leave_nothing,
                takeover: self.takeover_in(&place.backend_set),
            };
            let sent = run.change(drain).await?;
            let expected = Expected::Backend { place: place.clone(), flags: drained };
            follow(run, sent, place.subject(), expected).await?;
        }
        if !places.is_empty() {
            let delay = run.world().policy.drain_delay;
            match self.takeover.clone() {
                Some(takeover) => run.wait(AwaitDrain { delay, takeover }).await?,
                // The same step without anybody to watch: also that of runs of before.
                None => run.sleep(AwaitDrain::NAME, delay).await?,
            }
        }
        for (place, old) in &places {
            let flags = old.backend.flags.clone();
            let remove = RemoveBackend {
                place: place.clone(),
                flags,
                may_leave_nothing: self.may_leave_nothing,
                takeover: self.takeover_in(&place.backend_set),
            };
            let sent = run.change(remove).await?;
            follow(run, sent, place.subject(), Expected::NoBackend(place.clone())).await?;
        }
        let compartment_id = old.compartment_id.unwrap_or_else(|| self.compartment_id.to_owned());
        let id = old.id.clone();
        // Before a stop: whether what is stopped can be changed is not known of the cloud.
        if self.marks_kept && matches!(self.mode, Mode::Keep | Mode::Stop) {
            let tags = old.specification.expose()["freeformTags"].as_object().cloned().unwrap_or_default();
            let tags = Confidential::new(tags);
            let mark = MarkKept { id: id.clone(), compartment_id: compartment_id.clone(), tags };
            run.change(mark).await?;
        }
        if self.mode == Mode::Keep {
            return Ok(());
        }
        let retire = RetireInstance {
            id: old.id,
            compartment_id: compartment_id.clone(),
            addresses: old.addresses,
            mode: self.mode,
            specification: old.specification,
            load_balancer: self.balancer.clone(),
            takeover: self.takeover.clone(),
            elsewhere: self.elsewhere.clone(),
        };
        run.change(retire).await?;
        run.wait(AwaitRetirement { id, compartment_id, mode: self.mode }).await
    }
}

impl Retiring<'_> {
    fn takeover_in(&self, set: &str) -> Option<Takeover> {
        self.takeover.as_ref().map(|takeover| takeover.within(set))
    }
}

/// Where the old instance takes requests in a set.
fn in_service(balancer: &LoadBalancerId, old: &[OldBackend], set: &str) -> Vec<Place> {
    let served = old.iter().filter(|old| old.backend_set == set && old.backend.flags.serves());
    served.map(|old| old.place(balancer)).collect()
}

/// Follows the work that a change has started, as a step of its own: what was sent is checkpointed before anybody
/// waits for it. In a plan nothing was sent, and the wait is shown all the same.
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

fn successor(deployment: &Deployment, id: &InstanceId) -> Successor {
    let compartment_id = instance_compartment(deployment);
    Successor { id: id.clone(), compartment_id, secrets: secrets(deployment) }
}

fn secrets(deployment: &Deployment) -> Confidential<Vec<String>> {
    Confidential::new(deployment.secret_texts())
}

fn digest(masked: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(masked.to_string()))
}
