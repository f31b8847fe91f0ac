//! One run as workflow code sees it: each step is read from the journal, or carried out and checkpointed.
//!
//! The invariant: there is one path for plan, run and resume. A step that has a checkpoint returns it without
//! touching the cloud; that is all that resume is.

use std::time::Duration;

use serde::Serialize;

use super::activity::{Activity, Mutation, Preview, Read, Wait};
use super::attempt::{Attempt, Attempts, Ended};
use super::cx::{Cx, Entry, Noted};
use super::forward::{Changing, Reading, Waiting};
use super::ground::Ground;
use super::stop::Stop;
use crate::journal::{Lease, StoredStep};
use crate::run::{Effect, Facts, Failure, FailureKind, RunId, Seq, Target, Update};

/// A run in progress, or one that is only foreseen.
pub struct Run<'e, W> {
    pub(super) ground: &'e Ground<'e, W>,
    pub(super) mode: Mode<'e>,
    pub(super) facts: Facts,
    pub(super) next: Seq,
    /// Whether a step that changes something was come to.
    pub(super) has_changes: bool,
}

/// Whether things are done or only foreseen.
pub(super) enum Mode<'e> {
    Live(Live<'e>),
    Foresee { run: RunId, steps: Vec<PlannedStep> },
}

/// What only a run has that is driven.
pub(super) struct Live<'e> {
    pub(super) lease: &'e mut Lease,
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

impl<W: Sync> Run<'_, W> {
    /// What the steps may touch.
    pub const fn world(&self) -> &W {
        self.ground.world
    }

    /// Looks at something. Done in a plan as well.
    pub async fn read<A: Read<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if let Mode::Foresee { run, .. } = self.mode {
            let output = self.look(run, &activity).await?;
            self.facts.extend(A::facts(&output));
            self.foreseen(&activity, Effect::Read, None, A::note(&output));
            return Ok(output);
        }
        self.step::<A, Reading>(&activity).await
    }

    /// Waits until something is so.
    pub async fn wait<A: Wait<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(&activity, Effect::Wait, None, None);
            return Ok(activity.foresee());
        }
        self.step::<A, Waiting>(&activity).await
    }

    /// Changes the cloud.
    pub async fn change<A: Mutation<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(&activity, Effect::Mutation, Some(activity.preview()), None);
            return Ok(activity.foresee());
        }
        self.step::<A, Changing>(&activity).await
    }

    /// Holds one more target until the run is over.
    pub async fn hold(&mut self, target: &Target) -> Result<(), Stop> {
        match &mut self.mode {
            Mode::Live(live) => Ok(live.lease.hold(target).await?),
            Mode::Foresee { .. } => Ok(()),
        }
    }

    fn foreseen<A: Activity>(
        &mut self,
        activity: &A,
        effect: Effect,
        request: Option<Preview>,
        note: Option<String>,
    ) {
        if let Mode::Foresee { steps, .. } = &mut self.mode {
            steps.push(PlannedStep {
                name: A::NAME.to_owned(),
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
        match attempts.make(&ground.cancel, Effect::Read, &mut looking).await? {
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

    async fn attempt(&mut self) -> Result<A::Output, Failure> {
        // On the heap, as in a run.
        Box::pin(self.activity.execute(self.cx)).await
    }

    async fn retrying(&mut self, _: &Failure, _: u32, _: Duration) -> Result<(), Stop> {
        Ok(())
    }
}
