//! The new version, which is watched for as long as the run depends on it: during the wait for its checks, and before each
//! step that takes the old version away.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::balancer::{Place, SURE_AFTER, has_listener, health, unwell, when_idle};
use super::{World, instance};
use crate::engine::{Cx, Looks};
use crate::oci::InstanceId;
use crate::oci::load_balancers::{HealthStatus, LoadBalancer};
use crate::run::{Confidential, Failure, FailureKind};

/// The instance that takes over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Successor {
    pub(super) id: InstanceId,
    pub(super) compartment_id: String,
    /// The secrets of its specification, to mask if the cloud or a container repeats them.
    #[serde(rename = "hidden")]
    pub(super) secrets: Confidential<Vec<String>>,
}

impl Successor {
    /// Why it is not ready now; `None` if it is.
    ///
    /// # Errors
    /// Permanent when it has died since it came up, with the exit code and the end of the log.
    pub(super) async fn still_runs(&self, cx: &Cx<'_, World>) -> Result<Option<String>, Failure> {
        cx.world.oci.mask(self.secrets.expose());
        // On the heap, as below: the future of a run holds those of all its steps.
        let look = instance::still_runs(cx, &self.compartment_id, &self.id);
        Box::pin(look).await
    }
}

/// What a step that takes the old version away must know about the new one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Takeover {
    pub(super) by: Successor,
    /// The places where it must serve.
    pub(super) at: Vec<Place>,
}

impl Takeover {
    /// The new version in one set only.
    pub(super) fn within(&self, set: &str) -> Self {
        let at = self.at.iter().filter(|place| place.backend_set == set).cloned().collect();
        Self { by: self.by.clone(), at }
    }

    /// Makes sure that the new version runs and serves before its predecessor is taken out of service. The last change may
    /// become visible only after a while, so this retries until the backend timeout; no request is lost meanwhile.
    ///
    /// # Errors
    /// Permanent when it does not.
    pub(super) async fn is_ready(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        Box::pin(self.serves_within(cx, cx.world.policy.backend_timeout)).await
    }

    /// Makes sure that the new version runs and serves while its predecessor no longer does. It does not wait long, because
    /// requests may be lost meanwhile.
    ///
    /// # Errors
    /// Permanent when it does not.
    pub(super) async fn still_serves(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        Box::pin(self.serves_within(cx, cx.world.policy.backend_timeout.min(SURE_AFTER))).await
    }

    async fn serves_within(&self, cx: &Cx<'_, World>, patience: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let waiting = self.not_serving(cx).await?;
            if waiting.is_empty() {
                return Ok(());
            }
            if Instant::now() + wait > deadline {
                return Err(failed(&waiting));
            }
            cx.progress(waiting.join("; "));
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }

    /// Watches the new version for as long as this is awaited.
    ///
    /// Returns what is wrong once the new version has died, or has not served for a while. A read without an answer does not
    /// count; use [`Self::still_serves`] where an answer is needed.
    pub(super) async fn until_lost(&self, cx: &Cx<'_, World>) -> Failure {
        let patience = SURE_AFTER.min(cx.world.policy.backend_timeout);
        let mut since = None;
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            if cx.pause(wait).await.is_err() {
                // Interrupted: the wait beside this one ends as well.
                std::future::pending::<()>().await;
            }
            match Box::pin(self.not_serving(cx)).await {
                Ok(waiting) if waiting.is_empty() => since = None,
                Ok(waiting) if since.get_or_insert_with(Instant::now).elapsed() > patience => {
                    return failed(&waiting);
                }
                Err(failure) if failure.kind == FailureKind::Permanent => return failure,
                Ok(_) | Err(_) => {}
            }
        }
        unreachable!("looks never end")
    }

    /// Why it does not serve now, place by place.
    async fn not_serving(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let mut waiting: Vec<String> = self.by.still_runs(cx).await?.into_iter().collect();
        let Some(first) = self.at.first() else { return Ok(waiting) };
        let (balancer, _) = when_idle(cx, &first.load_balancer).await?;
        for place in &self.at {
            waiting.extend(not_serving_at(cx, &balancer, place).await?);
        }
        Ok(waiting)
    }
}

/// Why a place does not serve now; `None` if it does.
pub(super) async fn not_serving_at(
    cx: &Cx<'_, World>,
    balancer: &LoadBalancer,
    place: &Place,
) -> Result<Option<String>, Failure> {
    let name = place.subject();
    let Some(backend) = place.find(balancer) else {
        return Ok(Some(format!("{name} is not on the load balancer any more")));
    };
    if !backend.flags.serves() {
        return Ok(Some(format!("{name} was taken out of service by somebody else")));
    }
    let (status, seen) = health(cx, place).await?;
    let is_well = match status {
        HealthStatus::Ok => true,
        // A set without a listener is not checked (docs/oci.md 2.5).
        HealthStatus::Unknown => !has_listener(balancer, &place.backend_set),
        HealthStatus::Warning | HealthStatus::Critical => false,
    };
    Ok((!is_well).then(|| unwell(place, status, &seen)))
}

fn failed(waiting: &[String]) -> Failure {
    Failure::permanent("making sure that the new version serves", waiting.join("; "))
}
