//! The new version, which is watched for as long as the run depends on it: during the wait for its checks, and before each
//! step that takes the old version away.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::balancer::{Place, SURE_AFTER, are_all_well, has_listener, health, now, unwell, when_idle};
use super::instance::A_MOMENT;
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

    /// The same, unless it was seen running a moment ago.
    pub(super) async fn runs_now(&self, cx: &Cx<'_, World>) -> Result<Option<String>, Failure> {
        self.runs_within(cx, A_MOMENT).await
    }

    /// The same, unless it was seen running lately. Health is looked at more often: it shows more, and costs one read.
    pub(super) async fn runs_lately(&self, cx: &Cx<'_, World>) -> Result<Option<String>, Failure> {
        self.runs_within(cx, cx.world.policy.poll_interval * LATELY).await
    }

    async fn runs_within(&self, cx: &Cx<'_, World>, time: Duration) -> Result<Option<String>, Failure> {
        if cx.world.watched.ran_within(&self.id, time) { Ok(None) } else { self.still_runs(cx).await }
    }
}

/// While nothing is taken away, it is looked at this many times as seldom as anything else.
const LATELY: u32 = 5;

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
        self.serves_within(cx, cx.world.policy.backend_timeout, A_MOMENT).await
    }

    /// Makes sure that the new version runs and serves while its predecessor no longer does. It does not wait long, because
    /// requests may be lost meanwhile.
    ///
    /// # Errors
    /// Permanent when it does not.
    pub(super) async fn still_serves(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        self.serves_within(cx, cx.world.policy.backend_timeout.min(SURE_AFTER), A_MOMENT).await
    }

    /// The same for a step that takes nothing away which serves. It is enough that the instance was seen running lately.
    ///
    /// # Errors
    /// Permanent when it does not serve.
    pub(super) async fn has_served_lately(&self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let lately = cx.world.policy.poll_interval * LATELY;
        self.serves_within(cx, cx.world.policy.backend_timeout.min(SURE_AFTER), lately).await
    }

    async fn serves_within(
        &self,
        cx: &Cx<'_, World>,
        patience: Duration,
        ran_within: Duration,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let mut waiting: Vec<String> = self.by.runs_within(cx, ran_within).await?.into_iter().collect();
            if let Some(first) = self.at.first() {
                let read = when_idle(cx, &first.load_balancer).await?;
                waiting.extend(Box::pin(self.not_serving(cx, &read.0)).await?);
                if waiting.is_empty() {
                    cx.world.pace.hand_on(&first.load_balancer, read);
                }
            }
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

    /// Watches the new version for as long as this is awaited, with a look each time that `every` has passed.
    ///
    /// Returns what is wrong once the new version has died, or has not served for a while. A read without an answer does not
    /// count; use [`Self::still_serves`] where an answer is needed.
    pub(super) async fn until_lost(&self, cx: &Cx<'_, World>, every: Duration) -> Failure {
        let shortest = cx.world.policy.poll_interval;
        let every = every.clamp(shortest, shortest * LATELY);
        let patience = SURE_AFTER.min(cx.world.policy.backend_timeout);
        let mut since: Option<Instant> = None;
        loop {
            // What is unwell is looked at more closely.
            let wait = if since.is_some() { shortest } else { every };
            if cx.pause(wait).await.is_err() {
                // Interrupted: the wait beside this one ends as well.
                std::future::pending::<()>().await;
            }
            match Box::pin(self.look(cx)).await {
                Ok(waiting) if waiting.is_empty() => since = None,
                Ok(waiting) if since.get_or_insert_with(Instant::now).elapsed() > patience => {
                    return failed(&waiting);
                }
                Err(failure) if failure.kind == FailureKind::Permanent => return failure,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Why it does not serve now. Nothing is changed by what this finds, so it does not matter what else is being done to the
    /// load balancer.
    async fn look(&self, cx: &Cx<'_, World>) -> Result<Vec<String>, Failure> {
        let mut waiting: Vec<String> = self.by.runs_lately(cx).await?.into_iter().collect();
        if let Some(first) = self.at.first() {
            let balancer = now(cx, &first.load_balancer).await?;
            waiting.extend(self.not_serving(cx, &balancer).await?);
        }
        Ok(waiting)
    }

    /// Why it does not serve, place by place.
    async fn not_serving(&self, cx: &Cx<'_, World>, balancer: &LoadBalancer) -> Result<Vec<String>, Failure> {
        let mut waiting = Vec::new();
        let in_service = |place: &Place| place.find(balancer).is_some_and(|backend| backend.flags.serves());
        // With several sets, one read says that all is well. If not all is well, each backend is read.
        if self.at.len() > 1 && self.at.iter().all(in_service) && are_all_well(cx, &self.at).await? {
            return Ok(waiting);
        }
        for place in &self.at {
            waiting.extend(not_serving_at(cx, balancer, place).await?);
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
