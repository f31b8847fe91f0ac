//! Deletes, stops or keeps the old instance once it is no longer a backend.
//!
//! Its undo creates the instance again from its record, or starts it, and waits until it runs. The new addresses are left as
//! facts for the compensations of earlier steps. In doubt a delete is never finished. The undo reads until the outcome is
//! certain (docs/design/doubt.md, form c). If the instance is still there, it gets a new version. A request that is on its way
//! carries the old one, so the cloud refuses it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::left;
use super::sent::preview_of;
use super::withdrawal;
use crate::config::Disposal;
use crate::engine::{Activity, Cx, Done, Looks, Mutation, Preview, Undone};
use crate::oci::container_instances::{self as api, InstanceState};
use crate::oci::{Call, InstanceId, LoadBalancerId, WorkRequestId};
use crate::run::{Confidential, Facts, Failure, FailureKind};
use crate::workflows::arbiter::Claim;
use crate::workflows::balancer::SURE_AFTER;
use crate::workflows::elsewhere::Elsewhere;
use crate::workflows::instance::{self, Standing, TokenOf, mark};
use crate::workflows::successor::Takeover;
use crate::workflows::{World, failure, guards};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct RetireInstance {
    pub(in crate::workflows) id: InstanceId,
    pub(in crate::workflows) compartment_id: String,
    pub(in crate::workflows) addresses: Vec<String>,
    pub(in crate::workflows) mode: Disposal,
    pub(in crate::workflows) specification: Confidential<Value>,
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    /// The new version, which must still serve. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) takeover: Option<Takeover>,
    /// Other load balancers that may send to it. Absent in runs of older versions, which do not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) elsewhere: Option<Elsewhere>,
    /// What the new instance claims. Absent in runs of older versions, and if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::workflows) claim: Option<Claim>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Retirement {
    /// Whether anything was sent. If the instance was gone or stopped before, we must not bring it back.
    pub(in crate::workflows) was_sent: bool,
    pub(in crate::workflows) work_request: Option<WorkRequestId>,
}

impl RetireInstance {
    async fn standing(&self, cx: &Cx<'_, World>) -> Result<Option<Standing>, Failure> {
        instance::standing(cx, &self.compartment_id, &self.id).await
    }

    async fn state(&self, cx: &Cx<'_, World>) -> Result<Option<InstanceState>, Failure> {
        instance::state(cx, &self.compartment_id, &self.id).await
    }

    fn is_gone(&self, state: Option<InstanceState>) -> bool {
        matches!(state, None | Some(InstanceState::Deleting | InstanceState::Deleted))
    }

    fn call(&self) -> Call {
        match self.mode {
            Disposal::Delete | Disposal::Keep => api::delete(&self.id),
            Disposal::Stop => api::stop(&self.id),
        }
    }
}

impl Activity for RetireInstance {
    const NAME: &'static str = "retire-instance";
    type World = World;
    type Output = Retirement;

    fn subject(&self) -> Option<String> {
        Some(self.id.to_string())
    }

    fn mask(&self, world: &World) {
        world.mask(self.specification.expose());
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Retirement, Failure> {
        guards::is_no_backend(cx, &self.load_balancer, &self.addresses).await?;
        if let Some(elsewhere) = &self.elsewhere {
            Box::pin(elsewhere.refuse_still(cx, &self.load_balancer, &self.addresses)).await?;
        }
        if let Some(takeover) = &self.takeover {
            takeover.still_serves(cx).await?;
        }
        let standing = self.standing(cx).await?;
        let state = standing.as_ref().map(|standing| standing.state);
        let is_done = match (self.mode, state) {
            (_, state) if self.is_gone(state) => true,
            (Disposal::Stop, Some(InstanceState::Inactive | InstanceState::Failed)) | (Disposal::Keep, _) => {
                true
            }
            (Disposal::Stop | Disposal::Delete, _) => false,
        };
        if is_done {
            return Ok(Retirement::default());
        }
        mark::is_ours(cx).await?;
        cx.assure_lease().await?;
        let call = self.call().only_if(standing.and_then(|standing| standing.etag));
        match cx.world.oci.send(&call).await {
            Ok(answer) => Ok(Retirement { was_sent: true, work_request: answer.work_request }),
            // The instance was alive a moment ago, so an earlier attempt was carried out and its answer was lost. Otherwise
            // we may not change the instance, and the cloud answers the same 404.
            Err(error) if error.is_not_found() && self.is_gone(self.state(cx).await?) => {
                Ok(Retirement { was_sent: true, work_request: None })
            }
            Err(error) => Err(failure::of("retiring the old instance", &error)),
        }
    }
}

impl Mutation for RetireInstance {
    fn foresee(&self) -> Retirement {
        Retirement::default()
    }

    fn preview(&self) -> Preview {
        preview_of(&self.call())
    }

    /// A delete or a stop that is under way or done is taken for ours, because the step began.
    async fn adopt(&self, cx: &Cx<'_, World>) -> Result<Option<Retirement>, Failure> {
        let state = self.state(cx).await?;
        let is_ours = match self.mode {
            Disposal::Delete => self.is_gone(state),
            Disposal::Stop => matches!(state, Some(InstanceState::Updating | InstanceState::Inactive)),
            Disposal::Keep => false,
        };
        Ok(is_ours.then_some(Retirement { was_sent: true, work_request: None }))
    }

    /// An instance that is changing its state may be starting as well, in a rollback.
    async fn recall(&self, cx: &Cx<'_, World>) -> Result<Option<Retirement>, Failure> {
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let is_changing = self.state(cx).await? == Some(InstanceState::Updating);
            if !is_changing || started.elapsed() > cx.world.policy.instance_timeout {
                return self.adopt(cx).await;
            }
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }

    async fn compensate(&self, done: Done<&Retirement>, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        if let Done::Known(Retirement { was_sent: false, .. }) = done {
            return Ok(Undone::whole());
        }
        let brings_back = match self.mode {
            Disposal::Stop => withdrawal::brings_back(&self.id, &self.compartment_id),
            Disposal::Delete | Disposal::Keep => Facts::new(),
        };
        if let Some(part) = withdrawal::before(cx, self.claim.as_ref(), brings_back).await? {
            return Ok(part);
        }
        match self.mode {
            Disposal::Keep => Ok(Undone::whole()),
            Disposal::Stop => self.start_again(cx, done).await,
            Disposal::Delete => {
                if self.is_gone_for_sure(cx, done).await? {
                    self.create_again(cx).await
                } else {
                    instance::outrun(cx, &self.id).await?;
                    Ok(Undone::whole())
                }
            }
        }
    }

    fn stays(&self) -> Facts {
        self.addresses.iter().map(|address| (left::stays_away(address), "true".to_owned())).collect()
    }
}

/// What the parts of this compensation know about the instance that takes the old one's place.
#[derive(Default)]
struct Remade {
    id: Option<InstanceId>,
    work: Option<WorkRequestId>,
    /// How many instances were created before it and are gone. Each has its own token.
    generation: u32,
}

impl Remade {
    const NAMES: [&str; 3] = ["remade", "remade-work", "remade-generation"];

    fn of(cx: &Cx<'_, World>) -> Self {
        let [id, work, generation] =
            Self::NAMES.map(|name| cx.fact(&format!("{name}:{}", cx.id())).filter(|value| !value.is_empty()));
        let generation = generation.and_then(|text| text.parse().ok()).unwrap_or(0);
        if id.is_some_and(|id| withdrawal::has_taken_away(cx, id)) {
            return Self { generation: generation + 1, ..Self::default() };
        }
        Self { id: id.map(InstanceId::from), work: work.map(WorkRequestId::from), generation }
    }

    fn facts(&self, cx: &Cx<'_, World>) -> Facts {
        let id = self.id.as_ref().map(ToString::to_string);
        let work = self.work.as_ref().map(ToString::to_string);
        let values = [id, work, Some(self.generation.to_string())];
        let named = Self::NAMES.map(|name| format!("{name}:{}", cx.id()));
        named.into_iter().zip(values.map(Option::unwrap_or_default)).collect()
    }

    /// The state of the compensation once this instance is gone.
    fn next(&self, cx: &Cx<'_, World>) -> Facts {
        Self { generation: self.generation + 1, ..Self::default() }.facts(cx)
    }
}

impl RetireInstance {
    /// Reads until the instance is gone, or has been untouched for so long that no delete can have arrived.
    async fn is_gone_for_sure(&self, cx: &Cx<'_, World>, done: Done<&Retirement>) -> Result<bool, Failure> {
        let started = Instant::now();
        let patience = match done {
            Done::Known(_) => cx.world.policy.instance_timeout,
            Done::InDoubt => SURE_AFTER,
        };
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            match self.state(cx).await? {
                None | Some(InstanceState::Deleted) => return Ok(true),
                Some(InstanceState::Deleting) => {}
                Some(_) if started.elapsed() >= patience => return Ok(false),
                Some(_) => {}
            }
            cx.progress(format!("looking what became of {}", self.id));
            cx.pause(wait).await?;
        }
        unreachable!("looks never end")
    }

    /// Creates the instance again from its record, part by part. If an instance that an earlier part created does not run, it
    /// is deleted, so that the next attempt, after the cause was corrected, does not find it again.
    async fn create_again(&self, cx: &Cx<'_, World>) -> Result<Undone, Failure> {
        let remade = Remade::of(cx);
        let own = instance::own_tags(cx, instance::OF_THE_UNDO);
        let known = match &remade.id {
            Some(id) => Some(id.clone()),
            None => instance::find_tagged(cx, &self.compartment_id, &own).await?.into_iter().next(),
        };
        let Some(id) = known else {
            let specification = instance::tagged(self.specification.expose().clone(), &own);
            let request = TokenOf::ItsUndo(remade.generation);
            let created = instance::create(cx, &specification, request).await?;
            let Some((id, work)) = created else {
                let message = "somebody deletes it each time";
                return Err(Failure::permanent("creating the old instance again", message));
            };
            let note = format!("{id} is created");
            return Ok(Undone::Part { facts: Remade { id: Some(id), work, ..remade }.facts(cx), note });
        };
        match self.settled_state(cx, &id).await? {
            None | Some(InstanceState::Deleting | InstanceState::Deleted) => {
                return Ok(Undone::Part { facts: remade.next(cx), note: format!("{id} is gone") });
            }
            // An earlier attempt left this instance. Our own is handled below.
            Some(InstanceState::Failed | InstanceState::Inactive) if remade.id.is_none() => {
                instance::delete(cx, &self.compartment_id, &id, &own).await?;
                return Ok(Undone::Part {
                    facts: remade.next(cx),
                    note: format!("{id} does not run: deleted"),
                });
            }
            Some(_) => {}
        }
        match instance::until_running(cx, &id, remade.work.as_ref()).await {
            Ok(running) => Ok(Undone::Whole(self.restored(&running))),
            Err(failure) if failure.kind == FailureKind::Permanent => {
                instance::delete(cx, &self.compartment_id, &id, &own).await?;
                Err(failure)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The state of an instance of our own. If it is not visible right after its creation, it counts as gone only after a
    /// while.
    async fn settled_state(
        &self,
        cx: &Cx<'_, World>,
        id: &InstanceId,
    ) -> Result<Option<InstanceState>, Failure> {
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            match instance::state(cx, &self.compartment_id, id).await? {
                None if started.elapsed() < SURE_AFTER => cx.pause(wait).await?,
                state => return Ok(state),
            }
        }
        unreachable!("looks never end")
    }

    async fn start_again(&self, cx: &Cx<'_, World>, done: Done<&Retirement>) -> Result<Undone, Failure> {
        const DOING: &str = "starting the old instance again";
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            let standing = self.standing(cx).await?;
            match standing.as_ref().map(|standing| standing.state) {
                None | Some(InstanceState::Deleted) => return self.create_again(cx).await,
                Some(InstanceState::Failed) => {
                    cx.warn(format!("{} has FAILED and is left: another one takes its place", self.id));
                    return self.create_again(cx).await;
                }
                Some(InstanceState::Inactive) => {
                    mark::is_ours(cx).await?;
                    cx.assure_lease().await?;
                    let call = api::start(&self.id).only_if(standing.and_then(|standing| standing.etag));
                    let sent = cx.world.oci.send(&call).await;
                    sent.map_err(|error| failure::of(DOING, &error))?;
                    break;
                }
                // A stop in doubt may still be on its way.
                Some(InstanceState::Active) if done == Done::InDoubt && started.elapsed() < SURE_AFTER => {}
                Some(InstanceState::Active) if done == Done::InDoubt => {
                    instance::outrun(cx, &self.id).await?;
                    break;
                }
                Some(InstanceState::Active) => break,
                Some(
                    InstanceState::Creating
                    | InstanceState::Updating
                    | InstanceState::Deleting
                    | InstanceState::Unknown,
                ) => {}
            }
            cx.progress(format!("waiting for {} to start", self.id));
            cx.pause(wait).await?;
        }
        self.until_running_again(cx).await.map(Undone::Whole)
    }

    /// Waits until it runs. The last request may become visible only after a while.
    async fn until_running_again(&self, cx: &Cx<'_, World>) -> Result<Facts, Failure> {
        let started = Instant::now();
        for wait in Looks::at_most(cx.world.policy.poll_interval) {
            match self.state(cx).await? {
                Some(InstanceState::Inactive) if started.elapsed() < SURE_AFTER => cx.pause(wait).await?,
                _ => break,
            }
        }
        let running = instance::until_running(cx, &self.id, None).await?;
        Ok(self.restored(&running))
    }

    /// The new address of the instance for each old one.
    fn restored(&self, running: &instance::Running) -> Facts {
        let mut facts = left::restored_as(&running.id, &self.addresses, &running.addresses);
        // An earlier attempt may have created it, whose answer was lost.
        facts.extend(withdrawal::brings_back(&running.id, &self.compartment_id));
        facts
    }
}
