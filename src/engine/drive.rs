//! Starts, resumes and rolls back runs, and says how they ended.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::deadly::deadly;
use super::ground::Ground;
use super::heartbeat;
use super::registry::{Registry, Steps, steps};
use super::rollback::{Walk, Walked};
use super::run::{Live, Mode, Run};
use super::stop::{End, Outcome, Stop};
use super::trial::Trial;
use super::workflow::{Started, Workflow};
use crate::crash;
use crate::journal::{History, Journal, Lease, StartError, Take, TakeError};
use crate::retry::RetryPolicy;
use crate::run::{
    Direction, Effect, Event, Facts, Failure, Holder, OnFailure, RunId, RunState, Seq, StepStatus, Update,
};

/// Drives runs. Made by [`Engine::new`]; its other methods override the defaults.
pub struct Engine<'e, W> {
    pub(super) journal: &'e Journal,
    registry: &'e Registry<W>,
    pub(super) holder: Holder,
    pub(super) ground: Ground<'e, W>,
}

impl<'e, W: Sync + 'static> Engine<'e, W> {
    /// An engine that keeps its runs in `journal`, lets activities touch `world`, and can undo the mutations in
    /// `registry`. It has no listeners, the default retry policy, and no token for interruptions.
    pub fn new(journal: &'e Journal, world: &'e W, registry: &'e Registry<W>) -> Self {
        let ground = Ground::new(world);
        Self { journal, registry, holder: Holder::of_this_process("unknown"), ground }
    }

    /// Sets the delays between failed attempts.
    #[must_use]
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.ground.retry = policy;
        self
    }

    /// Sets a token that is cancelled when the user interrupts.
    #[must_use]
    pub fn cancel(mut self, token: CancellationToken) -> Self {
        self.ground.cancel = token;
        self
    }

    /// Sets how long a change that is under way may take after an interruption. A change that takes longer is left in
    /// doubt, and a resume finds out what came of it. The default is a minute.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.ground.grace = grace;
        self
    }

    /// Sets whether the process waits at a gate that only a person opens, which is the default. If it does not wait, it leaves
    /// the run suspended there.
    #[must_use]
    pub fn holds(mut self, holds: bool) -> Self {
        self.ground.holds = holds;
        self
    }

    /// Sets what other processes are told about the holder of the runs.
    #[must_use]
    pub fn holder(mut self, holder: Holder) -> Self {
        self.holder = holder;
        self
    }

    /// Sets a trial: something to do to the runs besides driving them.
    #[must_use]
    pub fn trial(mut self, trial: Trial) -> Self {
        self.ground.trial = trial;
        self
    }

    /// Returns at the instant of a [`Trial::CrashAt`].
    pub(super) async fn crashed(&self) {
        self.ground.crashed().await;
    }

    /// Adds a listener. It gets every event after it is committed, and progress that is not recorded.
    #[must_use]
    pub fn tell(mut self, listener: impl FnMut(Update<'_>) + Send + 'e) -> Self {
        self.ground.listen(listener);
        self
    }
}

impl<W: Sync + 'static> Engine<'_, W> {
    /// Starts a run and drives it until it ends or cannot go on.
    pub async fn start<F: Workflow<World = W>>(
        &self,
        started: Started,
        input: &F::Input,
    ) -> Result<Outcome, StartError> {
        let (on_failure, facts) = (started.on_failure, started.facts.clone());
        let (new, stored) = started.run_of::<F>(input)?;
        crash::within("run", None, crash::Place::Itself);
        self.ground.at("not started").await;
        let (lease, event) = self.journal.start(new, &self.holder).await?;
        self.ground.at("started").await;
        self.ground.tell(Update::Event(&event));
        let history = Taken {
            on_failure,
            steps: Vec::new(),
            facts,
            forget_retries: false,
            next: Seq::FIRST,
            walk: Walk::Everything,
        };
        Ok(self.forward(lease, history, steps::<F>, &stored).await)
    }

    /// Goes on from the last checkpoint, in the direction in which the run was going. To go forwards, the registry must
    /// have the run's workflow in the version that the journal names.
    pub async fn resume(&self, run: RunId) -> Result<Outcome, TakeError> {
        let (lease, history, _) = self.take(run, Take::Resume, Facts::new()).await?;
        if let Some(deadly) = deadly(&history) {
            return Ok(self.stuck(lease, deadly).await);
        }
        if history.goes_back {
            let failure = history.error.clone();
            return Ok(self.backward(lease, Taken::from(history), failure).await);
        }
        Ok(self.go_on(lease, history).await)
    }

    /// Retries the step at which a halted run failed, or in which its processes have died, and drives the run on from
    /// there.
    pub async fn retry(&self, run: RunId) -> Result<Outcome, TakeError> {
        let (lease, history, _) = self.take(run, Take::Retry, Facts::new()).await?;
        Ok(self.go_on(lease, history).await)
    }

    async fn go_on(&self, lease: Lease, history: History) -> Outcome {
        match self.registry.steps_of(&history.workflow, history.workflow_version) {
            Ok(steps) => {
                let input = history.input.clone();
                self.forward(lease, Taken::from(history), steps, &input).await
            }
            Err(unknown) => self.leave(lease, Stop::UnknownWorkflow(unknown)).await,
        }
    }

    /// Replays the compensations of a run in reverse. Works on every run that is not rolled back already.
    pub async fn rollback(&self, run: RunId) -> Result<Outcome, TakeError> {
        self.rollback_with(run, Facts::new()).await
    }

    /// The same, and adds `facts` to what is known of the run, such as who asked for it. They must not contain a secret.
    pub async fn rollback_with(&self, run: RunId, facts: Facts) -> Result<Outcome, TakeError> {
        let (lease, history, _) = self.take(run, Take::Rollback, facts).await?;
        // Only deaths on the way back count: a rollback undoes the step in which processes died on the way forwards.
        if let Some(deadly) = deadly(&history).filter(|deadly| deadly.direction == Direction::Backward) {
            return Ok(self.stuck(lease, deadly).await);
        }
        Ok(self.backward(lease, Taken::from(history), None).await)
    }

    pub(super) async fn take(
        &self,
        run: RunId,
        way: Take,
        facts: Facts,
    ) -> Result<(Lease, History, Vec<Event>), TakeError> {
        crash::within("run", None, crash::Place::Itself);
        self.ground.at("not taken").await;
        let (lease, history, events) = self.journal.take(run, way, &self.holder, facts).await?;
        self.ground.at("taken").await;
        self.ground.tell_all(&events);
        Ok((lease, history, events))
    }

    pub(super) async fn forward(
        &self,
        lease: Lease,
        taken: Taken,
        steps: Steps<W>,
        input: &Value,
    ) -> Outcome {
        let (run_id, on_failure) = (lease.run(), taken.on_failure);
        let ground = self.ground.of_one_run();
        let done = {
            let mut run = taken.run(self, &ground, &lease);
            let going = async {
                let done = steps(&mut run, input).await;
                run.end(done).await
            };
            heartbeat::beside(&lease, &ground, Direction::Forward, going).await
        };
        let (lease, done) = match ground.inbox.take_abort() {
            Some(sent) => match self.abort(lease, &sent, done).await {
                Ok(refused) => refused,
                Err(outcome) => return outcome,
            },
            None => (lease, done),
        };
        let failure = match done {
            Ok(output) => {
                let outcome = self.finish(lease, RunState::Succeeded, End::Succeeded).await;
                return Outcome { output: Some(output), ..outcome };
            }
            Err(Stop::Failed(failure)) => failure,
            Err(Stop::TargetHeld(held)) => return self.held_by_another(lease, held).await,
            Err(stop) => return self.leave(lease, stop).await,
        };
        if let Err(stop) = self.fail(&lease, &failure).await {
            return self.leave(lease, stop).await;
        }
        let taken = match self.journal.history(run_id).await {
            Ok(history) => Taken::from(history),
            Err(error) => return self.leave(lease, Stop::Broken(error)).await,
        };
        if !taken.may_have_changed_anything() {
            let end =
                if taken.has_tried_to() { End::RolledBack(Some(failure)) } else { End::Refused(failure) };
            return self.close_untouched(lease, end).await;
        }
        match on_failure {
            OnFailure::Halt if !failure.is_held() => self.let_go(lease, End::Halted(failure)).await,
            OnFailure::Halt | OnFailure::Rollback => self.turn_back(lease, taken, failure).await,
        }
    }

    pub(super) async fn turn_back(&self, lease: Lease, taken: Taken, failure: Failure) -> Outcome {
        match lease.turn_back().await {
            Ok(told) => {
                self.ground.tell_all(&told);
                self.backward(lease, taken, Some(failure)).await
            }
            Err(error) => self.leave(lease, error.into()).await,
        }
    }

    pub(super) async fn backward(&self, lease: Lease, taken: Taken, failure: Option<Failure>) -> Outcome {
        let ground = self.ground.of_one_run();
        let walked = {
            let walk = taken.walk;
            let mut run = taken.run(self, &ground, &lease);
            let walking = run.walk_back(&self.registry.mutations, walk);
            heartbeat::beside(&lease, &ground, Direction::Backward, walking).await
        };
        match walked {
            Ok(Walked::ToTheBeginning) => {
                self.finish(lease, RunState::RolledBack, End::RolledBack(failure)).await
            }
            Ok(Walked::Stuck { step, subject, failure }) => {
                self.let_go(lease, End::Stuck { step, subject, failure }).await
            }
            Err(stop) => self.leave(lease, stop).await,
        }
    }
}

/// What is known of a run when a process begins to drive it.
pub(super) struct Taken {
    pub(super) on_failure: OnFailure,
    steps: Vec<crate::journal::StoredStep>,
    facts: Facts,
    forget_retries: bool,
    /// The first step of the workflow.
    pub(super) next: Seq,
    /// The steps to undo when the run goes backwards.
    pub(super) walk: Walk,
}

impl Taken {
    fn run<'r, W>(
        self,
        engine: &'r Engine<'r, W>,
        ground: &'r Ground<'r, W>,
        lease: &'r Lease,
    ) -> Run<'r, W> {
        let (mutations, forget_retries) = (&engine.registry.mutations, self.forget_retries);
        let live = Live { lease, mutations, recorded: self.steps, forget_retries };
        Run::new(ground, Mode::Live(live), self.facts, self.next)
    }

    /// Whether any step that changes something was begun.
    pub(super) fn has_tried_to(&self) -> bool {
        self.steps.iter().any(|step| step.effect == Effect::Mutation)
    }

    /// Whether any request that changes something succeeded, or may have been carried out.
    pub(super) fn may_have_changed_anything(&self) -> bool {
        self.steps.iter().any(|step| {
            let is_refused = step.state.status == StepStatus::Failed && step.forward.attempt == 1;
            step.effect == Effect::Mutation && !is_refused
        })
    }
}

impl From<History> for Taken {
    fn from(history: History) -> Self {
        Self {
            on_failure: history.on_failure,
            steps: history.steps,
            facts: history.facts,
            forget_retries: history.state_before != RunState::Running
                && history.state_before != RunState::RollingBack,
            next: Seq::FIRST,
            walk: Walk::Everything,
        }
    }
}
