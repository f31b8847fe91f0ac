//! Takes a run over from a process that may still be alive, in the cloud. The instance that the run created gets another mark,
//! at which that process stops (`instance/mark`). Then the old instance and the load balancer get new versions: what has left
//! that process by then, or is about to, carries the old ones, and the cloud refuses it.

use std::time::Duration;

use serde_json::Value;

use super::instance::mark;
use super::lost::LostRun;
use super::{World, failure};
use crate::clock::Clock;
use crate::oci::container_instances as api;
use crate::oci::load_balancers::update_backend;
use crate::oci::network::is_same_address;
use crate::oci::{Call, InstanceId, OciError};
use crate::run::{Failure, FailureKind, RunId};

const DOING: &str = "taking the run over";

/// Takes `lost` over. Returns it with the mark under which it goes on here.
///
/// # Errors
/// [`FailureKind::TakenOver`] when another machine was faster.
pub async fn take_over(world: &World, clock: Clock, lost: &LostRun) -> Result<LostRun, Failure> {
    let taking = Taking { world, clock };
    let mark = RunId::random().short();
    let marked = |found: &Value| {
        let tags = found["freeformTags"].as_object().cloned().unwrap_or_default();
        api::retag(&lost.instance, &mark::marked(&tags, &mark))
    };
    taking.update(&lost.instance, marked).await?;
    for old in &lost.replaces {
        let renamed = |found: &Value| api::rename(old, found["displayName"].as_str().unwrap_or_default());
        unless_it_changes_nothing(taking.update(old, renamed).await)?;
    }
    unless_it_changes_nothing(taking.outrun(lost).await)?;
    Ok(LostRun { mark: Some(mark), ..lost.clone() })
}

/// Some clouds take no update that changes nothing. They cannot be given a new version.
fn unless_it_changes_nothing(done: Result<(), Failure>) -> Result<(), Failure> {
    done.or_else(|failure| if failure.kind == FailureKind::Permanent { Ok(()) } else { Err(failure) })
}

struct Taking<'t> {
    world: &'t World,
    clock: Clock,
}

impl Taking<'_> {
    /// Updates an instance, if it still has the version that was read, and waits until that is done.
    async fn update(&self, id: &InstanceId, call: impl FnOnce(&Value) -> Call) -> Result<(), Failure> {
        let of = |error: OciError| match &error {
            error if error.is_stale() => {
                Failure::taken_over(DOING, format!("{id} was changed by somebody else just now"))
            }
            error => failure::of(DOING, error),
        };
        let api = self.world.oci.container_instances();
        let found = api.get_raw(id).await.map_err(of)?;
        self.world.oci.send(&call(&found.value).only_if(found.etag)).await.map_err(of)?;
        self.until(self.world.policy.instance_timeout, &format!("{id} is being updated still"), async || {
            Ok(api.get_raw(id).await.map_err(of)?.value["lifecycleState"] != "UPDATING")
        })
        .await
    }

    /// Gives the load balancer a new version, by an update that changes nothing of a backend of either instance.
    async fn outrun(&self, lost: &LostRun) -> Result<(), Failure> {
        let of = |error: OciError| failure::of(DOING, &error);
        let (id, api) = (&lost.load_balancer, self.world.oci.load_balancers());
        let read = api.get(id).await.map_err(of)?;
        let is_ours = |address: &str| {
            let mut known = lost.addresses.iter().chain(&lost.old_addresses);
            known.any(|own| is_same_address(own, address))
        };
        let mut backends = read.value.backend_sets.values().flat_map(|set| {
            let own = set.backends.iter().filter(|backend| is_ours(&backend.ip_address));
            own.map(|backend| update_backend(id, &set.name, &backend.name, &backend.flags))
        });
        let Some(call) = backends.next() else { return Ok(()) };
        let work = match self.world.oci.send(&call.only_if(read.etag)).await {
            Ok(answer) => answer.work_request,
            // It has got a new version from somebody else.
            Err(error) if error.is_stale() => None,
            Err(error) => return Err(of(error)),
        };
        let Some(work) = work else { return Ok(()) };
        let what = format!("work request {work} has not ended");
        self.until(self.world.policy.work_timeout, &what, async || {
            Ok(!api.work_request(&work).await.map_err(of)?.value.lifecycle_state.is_open())
        })
        .await
    }

    async fn until(
        &self,
        longest: Duration,
        what: &str,
        is_so: impl AsyncFn() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let poll = self.world.policy.poll_interval;
        for _ in 0..=longest.as_millis() / poll.as_millis().max(1) {
            if is_so().await? {
                return Ok(());
            }
            self.clock.sleep(poll).await;
        }
        Err(Failure::transient(DOING, what))
    }
}
