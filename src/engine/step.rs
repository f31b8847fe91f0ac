//! A run as workflow code sees it: each step is read from the journal, or carried out and checkpointed.
//!
//! The invariant: plan, run and resume share one path. A step that has a checkpoint returns it without touching the
//! world. Resume is nothing more than that.

use std::time::Duration;

use super::activity::{Activity, Mutation, Preview, Read, Wait};
use super::attempt::{Attempt, Attempts};
use super::cx::Cx;
use super::entry::{Entry, Noted};
use super::forward::{Changing, Reading, Waiting};
use super::gate::{Gate, Opened, Opens};
use super::mutations::unregistered;
use super::run::{Mode, PlannedStep, Run};
use super::sleep::Sleep;
use super::stop::Stop;
use crate::run::{Effect, Failure, RunId, StepId, Target, Update};

impl<W: Sync + 'static> Run<'_, W> {
    /// What the steps may touch.
    pub const fn world(&self) -> &W {
        self.ground.world
    }

    // Steps are boxed: a workflow has many, and would need room for each of them on its stack.

    /// Reads something, also in a plan.
    pub async fn read<A: Read<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if let Mode::Foresee { run, .. } = self.mode {
            let output = self.look(run, &activity).await?;
            self.facts.extend(A::facts(&output));
            self.foreseen(A::NAME, &activity, Effect::Read, None, A::note(&output));
            return Ok(output);
        }
        self.set_out()?;
        let done = Box::pin(self.step::<A, Reading>(A::NAME, &activity)).await;
        self.come_back(done)
    }

    /// Waits for a condition.
    pub async fn wait<A: Wait<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(A::NAME, &activity, Effect::Wait, None, None);
            return Ok(activity.foresee());
        }
        self.set_out()?;
        let done = Box::pin(self.step::<A, Waiting>(A::NAME, &activity)).await;
        self.come_back(done)
    }

    /// Waits for some time, in a step of this name. Time that an earlier process waited counts, so a resume waits for
    /// the rest. A plan does not wait.
    pub async fn sleep(&mut self, name: &'static str, time: Duration) -> Result<(), Stop> {
        let sleep = Sleep::<W>::lasting(time);
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(name, &sleep, Effect::Wait, None, None);
            return Ok(());
        }
        self.set_out()?;
        let done = Box::pin(self.step::<_, Waiting>(name, &sleep)).await;
        self.come_back(done)
    }

    /// Waits at a gate of this name, across processes. A plan does not wait.
    pub async fn gate(&mut self, name: &str, opens: Opens) -> Result<Opened, Stop> {
        self.wait(Gate::<W>::new(name, opens)).await
    }

    /// Changes the world in a way that can be undone.
    pub async fn change<A: Mutation<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(A::NAME, &activity, Effect::Mutation, Some(activity.preview()), None);
            return Ok(activity.foresee());
        }
        self.set_out()?;
        let done = match &self.mode {
            Mode::Live(live) if !live.mutations.knows(A::NAME) => Err(Stop::Ours(unregistered(A::NAME))),
            Mode::Live(_) | Mode::Foresee { .. } | Mode::Recall(_) => {
                Box::pin(self.step::<A, Changing>(A::NAME, &activity)).await
            }
        };
        self.come_back(done)
    }

    /// Holds one more target until the run ends.
    pub async fn hold(&mut self, target: &Target) -> Result<(), Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            return Ok(());
        }
        self.set_out()?;
        let held = match &mut self.mode {
            Mode::Live(live) => live.lease.hold(target).await.map_err(Stop::from),
            Mode::Recall(recall) => {
                recall.targets.push(target.clone());
                Ok(Vec::new())
            }
            Mode::Foresee { .. } => Ok(Vec::new()),
        };
        self.come_back(held).map(|told| self.ground.tell_all(&told))
    }

    fn foreseen<A: Activity>(
        &mut self,
        name: &str,
        activity: &A,
        effect: Effect,
        request: Option<Preview>,
        note: Option<String>,
    ) {
        if let Mode::Foresee { steps, .. } = &mut self.mode {
            steps.push(PlannedStep {
                name: name.to_owned(),
                subject: activity.subject(),
                effect,
                request,
                note,
            });
        }
    }

    /// Reads in a plan: without a journal, but with the same retries.
    async fn look<A: Read<World = W>>(&self, run: RunId, activity: &A) -> Result<A::Output, Stop> {
        let (ground, noted) = (self.ground, Noted::default());
        let id = StepId::of(A::NAME, activity.subject().as_deref());
        let entry = Entry::first(self.next, id, ground.clock.now());
        let cx = ground.cx(run, &entry, &self.facts, &noted, None);
        activity.mask(ground.world);
        let attempts = Attempts::of(ground, &entry).or_spent(&noted.is_spent);
        let mut foreseeing = Foreseeing { activity, cx: &cx };
        let output = attempts.make(ground, Effect::Read, &mut foreseeing).await?.of_a_look()?;
        A::mask_output(&output, ground.world);
        for warning in noted.into_warnings() {
            ground.tell(Update::Progress { seq: self.next, text: &format!("warning: {warning}") });
        }
        Ok(output)
    }
}

/// A read in a plan.
struct Foreseeing<'l, A: Read> {
    activity: &'l A,
    cx: &'l Cx<'l, A::World>,
}

impl<A: Read> Attempt for Foreseeing<'_, A> {
    type Output = A::Output;

    fn limit(&self) -> Option<Duration> {
        self.activity.limit()
    }

    async fn attempt(&mut self) -> Result<A::Output, Failure> {
        // Boxed, as in a run.
        Box::pin(self.activity.execute(self.cx)).await
    }

    async fn retrying(&mut self, _: &Failure, _: u32, _: Duration) -> Result<(), Stop> {
        Ok(())
    }
}
