//! One run as workflow code sees it: each step is read from the journal, or carried out and checkpointed.
//!
//! The invariant: there is one path for plan, run and resume. A step that has a checkpoint returns it without
//! touching the cloud; that is all that resume is.

use std::time::Duration;

use serde::Serialize;

use super::activity::{Activity, Mutation, Preview, Read, Wait};
use super::attempt::{Attempt, Attempts, Ended};
use super::cx::{Cx, Entry, Noted};
use super::forward::{Changing, Reading, Waiting, named};
use super::ground::Ground;
use super::registry::{Registry, unregistered};
use super::sleep::Sleep;
use super::stop::{Diverged, Stop};
use crate::journal::{Lease, StoredStep};
use crate::run::{Effect, Facts, Failure, FailureKind, RunId, Seq, Target, Update};

/// A run in progress, or one that is only foreseen.
pub struct Run<'e, W> {
    pub(super) ground: &'e Ground<'e, W>,
    pub(super) mode: Mode<'e, W>,
    pub(super) facts: Facts,
    pub(super) next: Seq,
    /// Whether a step that changes something was come to.
    pub(super) has_changes: bool,
    /// What has stopped the run, whatever its workflow makes of it. A failure of a step does not: a workflow may know
    /// better.
    stopped: Option<Stop>,
    /// The step that was begun and has not come back.
    underway: Option<Seq>,
}

/// Whether things are done or only foreseen.
pub(super) enum Mode<'e, W> {
    Live(Live<'e, W>),
    Foresee { run: RunId, steps: Vec<PlannedStep> },
}

/// What only a run has that is driven.
pub(super) struct Live<'e, W> {
    pub(super) lease: &'e mut Lease,
    pub(super) registry: &'e Registry<W>,
    pub(super) recorded: Vec<StoredStep>,
    /// A user asked to resume a suspended run: its retry budgets start anew.
    pub(super) forget_retries: bool,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedStep {
    /// The activity's name.
    pub name: String,
    /// What it acts on.
    pub subject: Option<String>,
    /// What it does to the world.
    pub effect: Effect,
    /// The change, for a mutation.
    pub request: Option<Preview>,
    /// What was found, for a read.
    pub note: Option<String>,
}

impl<'e, W> Run<'e, W> {
    pub(super) const fn new(ground: &'e Ground<'e, W>, mode: Mode<'e, W>, facts: Facts, next: Seq) -> Self {
        Self { ground, mode, facts, next, has_changes: false, stopped: None, underway: None }
    }
}

impl<W: Sync + 'static> Run<'_, W> {
    /// What the steps may touch.
    pub const fn world(&self) -> &W {
        self.ground.world
    }

    // Steps are on the heap: a workflow has many, and would need the room for each of them on its stack.

    /// Looks at something. Done in a plan as well.
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

    /// Waits until something is so.
    pub async fn wait<A: Wait<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(A::NAME, &activity, Effect::Wait, None, None);
            return Ok(activity.foresee());
        }
        self.set_out()?;
        let done = Box::pin(self.step::<A, Waiting>(A::NAME, &activity)).await;
        self.come_back(done)
    }

    /// Waits for some time, in a step of this name. What an earlier process has waited counts, so that a resume waits for
    /// what is left of it. Nothing is waited in a plan.
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

    /// Changes the world, in a way that can be undone.
    pub async fn change<A: Mutation<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(A::NAME, &activity, Effect::Mutation, Some(activity.preview()), None);
            return Ok(activity.foresee());
        }
        self.set_out()?;
        let done = match &self.mode {
            Mode::Live(live) if !live.registry.knows(A::NAME) => Err(Stop::Ours(unregistered(A::NAME))),
            Mode::Live(_) | Mode::Foresee { .. } => {
                Box::pin(self.step::<A, Changing>(A::NAME, &activity)).await
            }
        };
        self.come_back(done)
    }

    /// Holds one more target until the run is over.
    pub async fn hold(&mut self, target: &Target) -> Result<(), Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            return Ok(());
        }
        self.set_out()?;
        let held = match &mut self.mode {
            Mode::Live(live) => live.lease.hold(target).await.map_err(Stop::from),
            Mode::Foresee { .. } => Ok(()),
        };
        self.come_back(held)
    }

    /// Nothing follows a stop, nor a step that its workflow has dropped on the way.
    fn set_out(&mut self) -> Result<(), Stop> {
        if let Some(stop) = &self.stopped {
            return Err(stop.again());
        }
        if let Some(seq) = self.underway {
            let dropped = Stop::Ours(Failure::ours(
                format!("waiting for step {seq}"),
                "its workflow has dropped it on the way, and nobody knows what came of it",
            ));
            let again = dropped.again();
            self.stopped = Some(dropped);
            return Err(again);
        }
        self.underway = Some(self.next);
        Ok(())
    }

    fn come_back<T>(&mut self, done: Result<T, Stop>) -> Result<T, Stop> {
        self.underway = None;
        match done {
            Ok(done) => Ok(done),
            Err(Stop::Failed(failure)) => Err(Stop::Failed(failure)),
            Err(stop) => {
                let again = stop.again();
                self.stopped = Some(stop);
                Err(again)
            }
        }
    }

    /// What the run comes to when its workflow is through.
    ///
    /// # Errors
    /// What has stopped the run, also when the workflow says that it succeeded; and steps that are recorded and were not
    /// asked for.
    pub(super) fn end<O>(&mut self, done: Result<O, Stop>) -> Result<O, Stop> {
        if let Some(stop) = self.stopped.take() {
            return Err(stop);
        }
        let output = done?;
        // The last step may have been dropped as well.
        self.set_out()?;
        let Mode::Live(live) = &self.mode else { return Ok(output) };
        match live.recorded.get(self.next.get() as usize - 1) {
            Some(left) => Err(Stop::Diverged(Diverged {
                seq: left.seq,
                recorded: named(&left.activity, left.subject.as_deref(), &left.input_digest),
                asked: "the end".to_owned(),
            })),
            None => Ok(output),
        }
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

    /// Reads in a plan: no journal, but the same retries.
    async fn look<A: Read<World = W>>(&self, run: RunId, activity: &A) -> Result<A::Output, Stop> {
        let (ground, noted) = (self.ground, Noted::default());
        let entry = Entry::first(self.next, ground.clock.now());
        let cx = ground.cx(run, &entry, &self.facts, &noted, None);
        activity.conceal(ground.world);
        let attempts = Attempts::of(ground, &entry).or_spent(&noted.is_spent);
        let mut looking = Looking { activity, cx: &cx };
        match attempts.make(ground, Effect::Read, &mut looking).await? {
            Ended::Refused(failure) | Ended::Blocked(failure) => Err(Stop::Failed(failure)),
            Ended::Spent(failure) if failure.kind == FailureKind::Missing => Err(Stop::Failed(failure)),
            Ended::Spent(failure) => Err(Stop::Suspended(failure)),
            Ended::Done(output) => {
                A::conceal_output(&output, ground.world);
                for warning in noted.into_warnings() {
                    ground.tell(Update::Progress { seq: self.next, text: &format!("warning: {warning}") });
                }
                Ok(output)
            }
        }
    }
}

/// A read in a plan.
struct Looking<'l, A: Read> {
    activity: &'l A,
    cx: &'l Cx<'l, A::World>,
}

impl<A: Read> Attempt for Looking<'_, A> {
    type Output = A::Output;

    fn limit(&self) -> Option<Duration> {
        self.activity.limit()
    }

    async fn attempt(&mut self) -> Result<A::Output, Failure> {
        // On the heap, as in a run.
        Box::pin(self.activity.execute(self.cx)).await
    }

    async fn retrying(&mut self, _: &Failure, _: u32, _: Duration) -> Result<(), Stop> {
        Ok(())
    }
}
