//! The walk backwards: every mutation that completed or is in doubt is undone, the newest first.
//!
//! It walks the journal and not the code, so that a newer binary can undo what an older one did.

use std::time::Duration;

use super::activity::Undone;
use super::attempt::{Attempt, Attempts, Ended};
use super::cx::Cx;
use super::entry::{Entry, Noted};
use super::forward::{Intent, enter};
use super::mutations::{Mutations, unknown};
use super::run::{Live, Run};
use super::stop::Stop;
use super::trial::{self, Trial};
use crate::crash;
use crate::journal::{Lease, StoredStep};
use crate::run::{Direction, Effect, Failure, Seq, StepStatus, UndoStatus};

/// How a walk that was not stopped ended.
pub(super) enum Walked {
    /// Everything is undone.
    ToTheBeginning,
    /// A compensation failed for good.
    Stuck { step: String, subject: Option<String>, failure: Failure },
}

/// Which steps to undo.
#[derive(Clone, Copy, Debug)]
pub(super) enum Walk {
    /// Every step that may have changed something.
    Everything,
    /// Only the steps of the activities that make up a side, and every step from this one on. Steps that a person said
    /// should stay are included.
    Side(&'static [&'static str], Seq),
}

impl Walk {
    fn undoes(self, step: &StoredStep) -> bool {
        match self {
            Self::Everything => needs_undo(step),
            Self::Side(activities, from) => {
                let is_meant = step.seq >= from || activities.contains(&step.activity.as_str());
                is_meant && may_have_happened(step) && step.state.undo != Some(UndoStatus::Completed)
            }
        }
    }
}

impl<W: Sync + 'static> Run<'_, W> {
    /// Undoes the recorded steps, newest first.
    pub(super) async fn walk_back(&mut self, mutations: &Mutations<W>, walk: Walk) -> Result<Walked, Stop> {
        let steps = std::mem::take(&mut self.mode.live().recorded);
        for step in &steps {
            mutations.mask(&step.activity, &step.input, self.ground.world);
        }
        // Unknown mutations are refused before anything is changed.
        if let Some(step) = steps.iter().find(|step| walk.undoes(step) && !mutations.knows(&step.activity)) {
            return Err(Stop::Ours(unknown(&step.activity)));
        }
        for step in steps.into_iter().rev() {
            let stays = step.state.undo == Some(UndoStatus::Skipped) && !walk.undoes(&step);
            if stays {
                self.facts.extend(mutations.stays(&step.activity, &step.input).map_err(Stop::Ours)?);
            }
            if !walk.undoes(&step) {
                continue;
            }
            if let Err(failure) = self.undo(mutations, &step).await? {
                return Ok(Walked::Stuck { step: step.activity, subject: step.subject, failure });
            }
        }
        Ok(Walked::ToTheBeginning)
    }

    /// Undoes one step, part by part. The inner error is a failure for good, which is recorded.
    async fn undo(
        &mut self,
        mutations: &Mutations<W>,
        step: &StoredStep,
    ) -> Result<Result<(), Failure>, Stop> {
        let Live { lease, forget_retries, .. } = self.mode.live();
        crash::within(&step.activity, step.subject.as_deref(), crash::Place::Undo);
        let intent = Intent::Undo { step, forget_retries: *forget_retries };
        let mut entry = enter(self.ground, lease, intent).await?;
        for _ in 0..PARTS_MOST {
            match self.undo_part(mutations, step, &mut entry).await? {
                Ok(Undone::Whole(_)) => return Ok(Ok(())),
                Ok(Undone::Part { .. }) => {}
                Ok(Undone::Withdrawn { failure, .. }) => return Err(Stop::Suspended(failure)),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Err(Stop::Ours(Failure::ours(format!("undoing {}", step.activity), "it does not come to an end")))
    }

    /// Makes the next part of a compensation, and commits it. The part after it is another request, with its own
    /// retries.
    async fn undo_part(
        &mut self,
        mutations: &Mutations<W>,
        step: &StoredStep,
        entry: &mut Entry,
    ) -> Result<Result<Undone, Failure>, Stop> {
        if self.ground.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        let lease = self.mode.live().lease;
        let (ground, noted, guard) = (self.ground, Noted::default(), lease.guard());
        let cx = ground.cx(lease.run(), entry, &self.facts, &noted, Some(&guard));
        let attempts = Attempts::of(ground, entry).or_spent(&noted.is_spent);
        let mut undoing = Undoing { mutations, step, cx: &cx, lease, is_lost: false, last: entry.attempt };
        let ended = attempts.make(ground, Effect::Mutation, &mut undoing).await?;
        let last = undoing.last;
        let undone = match ended {
            Ended::Done(undone) => undone,
            // The undo is not given up: a resource that cannot be seen may still exist.
            Ended::Spent(failure) | Ended::Blocked(failure) => return Err(Stop::Suspended(failure)),
            // The other run may be rolled back one day.
            Ended::Refused(failure) if failure.is_held() => return Err(Stop::Suspended(failure)),
            Ended::Refused(failure) => {
                let told = lease.fail(step.seq, Direction::Backward, &failure).await?;
                ground.tell_all(&told);
                return Ok(Err(failure));
            }
        };
        (entry.attempt, entry.retry_since) = (last, None);
        self.settle_part(step.seq, undone, noted.into_warnings()).await.map(Ok)
    }

    /// Checkpoints a part of a compensation, and the facts that it leaves for the next part and for earlier steps.
    async fn settle_part(&mut self, seq: Seq, undone: Undone, warnings: Vec<String>) -> Result<Undone, Stop> {
        let lease = self.mode.live().lease;
        self.ground.at("done, not completed").await;
        let told = match &undone {
            Undone::Whole(facts) => lease.complete_undo(seq, facts, warnings).await.map(|()| Vec::new())?,
            Undone::Part { facts, note } => lease.advance_undo(seq, facts, warnings, note).await?,
            Undone::Withdrawn { facts, .. } => lease.withdraw_undo(seq, facts, warnings).await?,
        };
        self.ground.at("completed").await;
        self.ground.tell_all(&told);
        let (Undone::Whole(facts) | Undone::Part { facts, .. } | Undone::Withdrawn { facts, .. }) = &undone;
        self.facts.extend(facts.clone());
        Ok(undone)
    }
}

/// The most parts that a compensation can have. Real ones have a few, or a few for each thing that they take back.
const PARTS_MOST: u32 = 200;

/// The attempts of one part of a compensation.
struct Undoing<'u, W> {
    mutations: &'u Mutations<W>,
    step: &'u StoredStep,
    cx: &'u Cx<'u, W>,
    lease: &'u Lease,
    is_lost: bool,
    /// The number of the last attempt.
    last: u32,
}

impl<W: Sync + 'static> Attempt for Undoing<'_, W> {
    type Output = Undone;

    fn limit(&self) -> Option<Duration> {
        self.mutations.limit(&self.step.activity, &self.step.input)
    }

    async fn attempt(&mut self) -> Result<Undone, Failure> {
        let (mutations, step, cx) = (self.mutations, self.step, self.cx);
        let output = step.output.as_ref();
        cx.assure_lease().await?;
        let undone = mutations.undo(&step.activity, &step.input, output, cx).await?;
        if cx.ground.trial == Trial::AnswerLost && !std::mem::replace(&mut self.is_lost, true) {
            return Err(trial::answer_lost(&step.activity));
        }
        if cx.ground.trial == Trial::Twice {
            mutations.undo(&step.activity, &step.input, output, cx).await?;
        }
        Ok(undone)
    }

    async fn retrying(&mut self, failure: &Failure, number: u32, delay: Duration) -> Result<(), Stop> {
        let told = self.lease.retrying(self.step.seq, Direction::Backward, failure, number, delay).await?;
        self.last = number;
        self.cx.ground.tell_all(&told);
        Ok(())
    }
}

/// Whether a step changed something, or may have, and is not undone.
fn needs_undo(step: &StoredStep) -> bool {
    let is_settled = matches!(step.state.undo, Some(UndoStatus::Completed | UndoStatus::Skipped));
    may_have_happened(step) && !is_settled
}

fn may_have_happened(step: &StoredStep) -> bool {
    let may_have_happened = match step.state.status {
        StepStatus::Begun | StepStatus::Completed => true,
        // The last attempt was refused, but an earlier one may have been carried out without our knowledge.
        StepStatus::Failed => step.forward.attempt > 1,
    };
    step.effect == Effect::Mutation && may_have_happened
}
