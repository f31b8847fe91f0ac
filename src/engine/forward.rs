//! One step on the way forwards: read from the journal, or carried out and checkpointed.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::activity::{Activity, Mutation, Read, Wait};
use super::attempt::{self, Attempt, Attempts, Ended};
use super::codec::{read, through};
use super::cx::Cx;
use super::entry::{Entry, Noted};
use super::ground::Ground;
use super::run::{Mode, Run};
use super::same::{Asked, asked};
use super::stop::Stop;
use super::trial::{self, Trial};
use crate::crash::{self, Place};
use crate::journal::{Completion, Lease, NewStep, StoredStep};
use crate::run::{Direction, Effect, Event, Failure, FailureKind, Seq, StepStatus, Timestamp, Update};

/// A kind of activity: its effect, how to adopt an attempt that is in doubt, and how to infer what became of it when the
/// journal is lost.
pub(super) trait Kind<A: Activity> {
    const EFFECT: Effect;

    fn adopt(
        activity: &A,
        cx: &Cx<'_, A::World>,
    ) -> impl Future<Output = Result<Option<A::Output>, Failure>> + Send;

    fn recall(
        activity: &A,
        cx: &Cx<'_, A::World>,
    ) -> impl Future<Output = Result<Option<A::Output>, Failure>> + Send;
}

pub(super) struct Reading;
pub(super) struct Waiting;
pub(super) struct Changing;

impl<A: Read> Kind<A> for Reading {
    const EFFECT: Effect = Effect::Read;

    async fn adopt(_: &A, _: &Cx<'_, A::World>) -> Result<Option<A::Output>, Failure> {
        Ok(None)
    }

    async fn recall(activity: &A, cx: &Cx<'_, A::World>) -> Result<Option<A::Output>, Failure> {
        activity.recall(cx).await.map(Some)
    }
}

impl<A: Wait> Kind<A> for Waiting {
    const EFFECT: Effect = Effect::Wait;

    async fn adopt(_: &A, _: &Cx<'_, A::World>) -> Result<Option<A::Output>, Failure> {
        Ok(None)
    }

    async fn recall(activity: &A, cx: &Cx<'_, A::World>) -> Result<Option<A::Output>, Failure> {
        activity.recall(cx).await
    }
}

impl<A: Mutation> Kind<A> for Changing {
    const EFFECT: Effect = Effect::Mutation;

    async fn adopt(activity: &A, cx: &Cx<'_, A::World>) -> Result<Option<A::Output>, Failure> {
        activity.adopt(cx).await
    }

    async fn recall(activity: &A, cx: &Cx<'_, A::World>) -> Result<Option<A::Output>, Failure> {
        activity.recall(cx).await
    }
}

impl<W: Sync + 'static> Run<'_, W> {
    /// Carries out one step under the journal, or returns its checkpoint.
    pub(super) async fn step<A: Activity<World = W>, K: Kind<A>>(
        &mut self,
        name: &'static str,
        activity: &A,
    ) -> Result<A::Output, Stop> {
        let seq = self.next;
        self.next = seq.next();
        self.has_changes |= K::EFFECT == Effect::Mutation;
        let mut asked = asked(seq, name, activity, K::EFFECT)?;
        asked.step.id = self.called(asked.step.id);
        activity.mask(self.ground.world);
        if let Mode::Recall(_) = self.mode {
            return Box::pin(self.recall::<A, K>(seq, asked.step, activity)).await;
        }
        let place = if K::EFFECT == Effect::Mutation { Place::Itself } else { Place::Following };
        // This comes before a checkpoint is returned, because the crash points that follow are named after this step.
        crash::within(name, asked.step.subject.as_deref(), place);
        if let Some(output) = self.recorded(seq, &asked, activity)? {
            return Ok(output);
        }
        let live = self.mode.live();
        let entry = match live.recorded.get(seq.get() as usize - 1) {
            None => enter(self.ground, live.lease, Intent::New(seq, &asked.step)).await?,
            Some(stored) => {
                let intent = Intent::Again { step: stored, forget_retries: live.forget_retries };
                enter(self.ground, live.lease, intent).await?
            }
        };
        let attempted = Box::pin(self.attempt::<A, K>(activity, &entry)).await?;
        self.settle::<A>(seq, name, attempted).await
    }

    /// The step as the journal holds it, if it does.
    fn recorded<A: Activity<World = W>>(
        &mut self,
        seq: Seq,
        asked: &Asked,
        activity: &A,
    ) -> Result<Option<A::Output>, Stop> {
        let Mode::Live(live) = &self.mode else { return Ok(None) };
        let Some(stored) = live.recorded.get(seq.get() as usize - 1) else { return Ok(None) };
        asked.expect(stored, activity)?;
        match (stored.state.status, &stored.output, &stored.forward.failure) {
            (StepStatus::Completed, Some(output), _) => {
                let output = read(output).map_err(|unfit| {
                    let doing = format!("reading the checkpoint of step {seq} ({})", stored.activity);
                    Stop::Ours(Failure::ours(doing, unfit.to_string()))
                })?;
                A::mask_output(&output, self.ground.world);
                self.facts.extend(A::facts(&output));
                Ok(Some(output))
            }
            (StepStatus::Failed, _, Some(failure)) => Err(Stop::Failed(failure.clone())),
            (StepStatus::Begun | StepStatus::Completed | StepStatus::Failed, _, _) => Ok(None),
        }
    }

    /// Makes the step's attempts, and commits a failure for good.
    async fn attempt<A: Activity<World = W>, K: Kind<A>>(
        &mut self,
        activity: &A,
        entry: &Entry,
    ) -> Result<Attempted<A::Output>, Stop> {
        let lease = self.mode.live().lease;
        let (ground, noted, guard) = (self.ground, Noted::default(), lease.guard());
        let cx = ground.cx(lease.run(), entry, &self.facts, &noted, Some(&guard));
        let attempts = Attempts::of(ground, entry).or_spent(&noted.is_spent);
        let mut doing = Doing::<A, K> {
            activity,
            cx: &cx,
            lease,
            is_repeated: !entry.is_first,
            is_lost: false,
            adopted: false,
            kind: std::marker::PhantomData,
        };
        let ended = attempts.make(ground, K::EFFECT, &mut doing).await?;
        let adopted = doing.adopted;
        match ended {
            Ended::Done(output) => Ok(Attempted { output, adopted, warnings: noted.into_warnings() }),
            Ended::Blocked(failure) if self.has_changes => Err(Stop::Suspended(failure)),
            Ended::Spent(failure) if failure.kind != FailureKind::Missing => Err(Stop::Suspended(failure)),
            Ended::Refused(failure) | Ended::Blocked(failure) | Ended::Spent(failure) => {
                ground.at("refused, not failed").await;
                let told = lease.fail(entry.seq, Direction::Forward, &failure).await?;
                ground.at("failed").await;
                ground.tell_all(&told);
                Err(Stop::Failed(failure))
            }
        }
    }

    /// Checkpoints the result, which is committed with what follows. Until then, the step is in doubt.
    async fn settle<A: Activity<World = W>>(
        &mut self,
        seq: Seq,
        name: &str,
        attempted: Attempted<A::Output>,
    ) -> Result<A::Output, Stop> {
        let lease = self.mode.live().lease;
        let (done, output) = attempted.kept::<A>(self.ground.world, seq, name)?;
        let facts = done.facts.clone();
        self.ground.at("done, not completed").await;
        lease.complete(seq, done).await?;
        self.ground.at("completed").await;
        self.facts.extend(facts);
        Ok(output)
    }
}

/// The result of a step that succeeded, and what its attempts noted.
pub(super) struct Attempted<O> {
    pub(super) output: O,
    pub(super) adopted: bool,
    pub(super) warnings: Vec<String>,
}

impl<O> Attempted<O> {
    /// The result as it is checkpointed, and as the run goes on with it: with the stored value, so that a resume sees the
    /// same.
    pub(super) fn kept<A: Activity<Output = O>>(
        self,
        world: &A::World,
        seq: Seq,
        name: &str,
    ) -> Result<(Completion, O), Stop>
    where
        O: Serialize + DeserializeOwned,
    {
        let Self { output, adopted, warnings } = self;
        A::mask_output(&output, world);
        let (stored, output) = through(&output)
            .map_err(|unfit| Stop::Ours(unfit.failure(&format!("the result of step {seq} ({name})"))))?;
        let (note, facts) = (A::note(&output), A::facts(&output));
        Ok((Completion { output: stored, note, facts, warnings, adopted }, output))
    }
}

/// The attempts of one step.
struct Doing<'d, A: Activity, K> {
    activity: &'d A,
    cx: &'d Cx<'d, A::World>,
    lease: &'d Lease,
    /// A failed attempt may have been carried out, as may one whose process died.
    is_repeated: bool,
    is_lost: bool,
    adopted: bool,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<A: Activity, K: Kind<A>> Attempt for Doing<'_, A, K> {
    type Output = A::Output;

    fn limit(&self) -> Option<Duration> {
        self.activity.limit()
    }

    async fn attempt(&mut self) -> Result<A::Output, Failure> {
        let trial = self.cx.ground.trial;
        if trial == Trial::FailAt(self.cx.seq()) {
            return Err(Failure::permanent(A::NAME, "it was to fail, for a trial"));
        }
        if std::mem::replace(&mut self.is_repeated, true)
            && let Some(output) = K::adopt(self.activity, self.cx).await?
        {
            self.adopted = true;
            return Ok(output);
        }
        if K::EFFECT == Effect::Mutation {
            // Checked at the last moment, so that an activity without reads before its change need not check it.
            self.cx.assure_lease().await?;
        }
        // Boxed, because an activity's future may be large.
        let output = Box::pin(self.activity.execute(self.cx)).await?;
        if trial == Trial::AnswerLost && !std::mem::replace(&mut self.is_lost, true) {
            return Err(trial::answer_lost(A::NAME));
        }
        if trial == Trial::Twice {
            K::adopt(self.activity, self.cx).await?;
            K::adopt(self.activity, self.cx).await?;
            Box::pin(self.activity.execute(self.cx)).await?;
        }
        Ok(output)
    }

    async fn retrying(&mut self, failure: &Failure, number: u32, delay: Duration) -> Result<(), Stop> {
        let told = self.lease.retrying(self.cx.seq(), Direction::Forward, failure, number, delay).await?;
        self.cx.ground.tell_all(&told);
        Ok(())
    }
}

/// What to do next: which half of which step.
#[derive(Clone, Copy)]
pub(super) enum Intent<'i> {
    /// A step that is not in the journal.
    New(Seq, &'i NewStep),
    /// A recorded step.
    Again { step: &'i StoredStep, forget_retries: bool },
    /// The compensation of a recorded step.
    Undo { step: &'i StoredStep, forget_retries: bool },
}

/// Commits an intent, and waits for the attempt that an earlier process planned.
pub(super) async fn enter<W: Sync>(
    ground: &Ground<'_, W>,
    lease: &Lease,
    intent: Intent<'_>,
) -> Result<Entry, Stop> {
    if ground.cancel.is_cancelled() {
        return Err(Stop::Interrupted);
    }
    let activity = match intent {
        Intent::New(_, step) => &step.activity,
        Intent::Again { step, .. } | Intent::Undo { step, .. } => &step.activity,
    };
    ground.reach(activity, lease).await?;
    ground.at("not begun").await;
    let (step, before, told, forget_retries) = match intent {
        Intent::New(seq, step) => {
            let told = lease.begin(step).await?;
            return Ok(Entry::first(seq, step.id.clone(), begun(ground, &told).await?));
        }
        Intent::Again { step, forget_retries } => {
            let told = lease.take_up(step, Direction::Forward, forget_retries).await?;
            (step, Some(&step.forward), told, forget_retries)
        }
        Intent::Undo { step, forget_retries } => {
            let told = lease.take_up(step, Direction::Backward, forget_retries).await?;
            (step, step.undo.as_ref(), told, forget_retries)
        }
    };
    let begun_at = begun(ground, &told).await?;
    if let Some(at) = before.and_then(|half| half.next_attempt_at) {
        attempt::wait_until(ground, at).await?;
    }
    Ok(Entry {
        seq: step.seq,
        id: step.id.clone(),
        step_begun_at: step.forward.begun_at,
        begun_at: before.map_or(begun_at, |half| half.begun_at),
        is_first: before.is_none(),
        attempt: before.map_or(0, |half| half.attempt) + 1,
        retry_since: before.and_then(|half| half.retry_since).filter(|_| !forget_retries),
        blocking: Arc::default(),
    })
}

/// Tells that a step is begun, and returns since when. What the step before it has done is told only now, and a person
/// who interrupts when they hear of that does not want this step.
async fn begun<W>(ground: &Ground<'_, W>, told: &[Event]) -> Result<Timestamp, Stop> {
    ground.at("begun").await;
    let (begun, before) = told.split_last().expect("a step that begins is an event");
    ground.tell_all(before);
    let is_interrupted = ground.cancel.is_cancelled();
    ground.tell(Update::Event(begun));
    if is_interrupted { Err(Stop::Interrupted) } else { Ok(begun.at) }
}
