//! Infers what a run has done whose journal is lost: the workflow's own code, with every step in doubt and nothing sent.
//!
//! The invariant: only what a later change proves counts. Reads and waits are kept once a change after them turns out to
//! have been made, and the first change that was not made ends the look. It comes after the others at once, so it may be
//! on its way still: it is recorded as begun, which means in doubt. Activities get no lease here, and without one they
//! cannot change anything.

use std::time::Duration;

use super::activity::Activity;
use super::attempt::{Attempt, Attempts};
use super::cx::Cx;
use super::drive::Engine;
use super::entry::{Entry, Noted};
use super::foresee::Foresight;
use super::forward::{Attempted, Kind};
use super::run::{Mode, Recall, Run};
use super::same::named;
use super::stop::Stop;
use super::workflow::{Started, Workflow};
use crate::crash;
use crate::journal::{NewStep, Recalled, Recollection, StartError};
use crate::run::{Effect, Facts, Failure, RunId, Seq};

impl<W: Sync + 'static> Foresight<'_, W> {
    /// Infers what `run` has done, whose journal is lost, from the workflow that it was started with, its input, and the
    /// world. Nothing is changed and nothing is recorded.
    ///
    /// # Errors
    /// Whatever stops the workflow before the first step that was not carried out.
    pub async fn recall<F: Workflow<World = W>>(
        &self,
        run: RunId,
        input: &F::Input,
    ) -> Result<Recollection, Stop> {
        let recall =
            Recall { run, known: Vec::new(), since: Vec::new(), targets: Vec::new(), is_at_the_end: false };
        let mut recalled = Run::new(&self.0, Mode::Recall(recall), Facts::new(), Seq::FIRST);
        // Boxed, so that the caller's future is not as large as the workflow's.
        let done = Box::pin(F::steps(&mut recalled, input)).await;
        let done = recalled.end(done.map(drop)).await;
        let Mode::Recall(recall) = recalled.mode else { unreachable!("a look stays a look") };
        let left = match done {
            Ok(()) => None,
            Err(Stop::Suspended(failure)) if recall.is_at_the_end => Some(failure),
            Err(stop) => return Err(stop),
        };
        Ok(Recollection { run, steps: recall.known, targets: recall.targets, left, goes_back: false })
    }
}

impl<W: Sync + 'static> Engine<'_, W> {
    /// Records a run as it was inferred, in one commit, and leaves it suspended: a resume or a rollback goes on from there.
    pub async fn recover<F: Workflow<World = W>>(
        &self,
        recollection: Recollection,
        started: Started,
        input: &F::Input,
    ) -> Result<(), StartError> {
        let (new, _) = started.run_of::<F>(input)?;
        crash::within("run", None, crash::Place::Itself);
        self.ground.at("not started").await;
        let events = self.journal.recover(new, recollection, &self.holder).await?;
        self.ground.at("started").await;
        self.ground.tell_all(&events);
        Ok(())
    }
}

impl<W: Sync + 'static> Run<'_, W> {
    /// Asks one step what became of it.
    pub(super) async fn recall<A: Activity<World = W>, K: Kind<A>>(
        &mut self,
        seq: Seq,
        step: NewStep,
        activity: &A,
    ) -> Result<A::Output, Stop> {
        let (ground, noted) = (self.ground, Noted::default());
        let Mode::Recall(recall) = &mut self.mode else { unreachable!("only a look asks") };
        let entry = Entry::first(seq, step.id.clone(), ground.clock.now());
        let cx = ground.cx(recall.run, &entry, &self.facts, &noted, None);
        let attempts = Attempts::of(ground, &entry).or_spent(&noted.is_spent);
        let mut asking = Asking::<A, K> { activity, cx: &cx, kind: std::marker::PhantomData };
        let found = attempts.make(ground, Effect::Read, &mut asking).await?.of_a_look()?;
        let is_change = K::EFFECT == Effect::Mutation;
        let Some(output) = found else {
            let what = named(&step.activity, step.subject.as_deref());
            let message = if is_change { "was not carried out" } else { "is not over" };
            if is_change && recall.since.is_empty() && !recall.known.is_empty() {
                recall.known.push(Recalled { step, done: None });
            }
            recall.is_at_the_end = true;
            let failure = Failure::transient("recovering the run", format!("{what} {message}"));
            return Err(Stop::Suspended(failure));
        };
        let attempted = Attempted { output, adopted: is_change, warnings: noted.into_warnings() };
        let (done, output) = attempted.kept::<A>(ground.world, seq, &step.activity)?;
        self.facts.extend(done.facts.clone());
        recall.since.push(Recalled { step, done: Some(done) });
        if is_change {
            recall.known.append(&mut recall.since);
        }
        Ok(output)
    }
}

/// The question what became of one step.
struct Asking<'a, A: Activity, K> {
    activity: &'a A,
    cx: &'a Cx<'a, A::World>,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<A: Activity, K: Kind<A>> Attempt for Asking<'_, A, K> {
    type Output = Option<A::Output>;

    fn limit(&self) -> Option<Duration> {
        self.activity.limit()
    }

    async fn attempt(&mut self) -> Result<Option<A::Output>, Failure> {
        // Boxed, as in a run.
        Box::pin(K::recall(self.activity, self.cx)).await
    }

    async fn retrying(&mut self, _: &Failure, _: u32, _: Duration) -> Result<(), Stop> {
        Ok(())
    }
}
