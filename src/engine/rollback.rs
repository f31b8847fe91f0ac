//! The walk backwards: every mutation that completed or is in doubt, newest first, is undone.
//!
//! It walks the journal and not the code, so that a newer binary can undo what an older one did.

use std::cell::Cell;
use std::sync::Mutex;
use std::time::Duration;

use super::activity::{Cx, Undone};
use super::attempt::{self, Attempts, Ended};
use super::registry::{Registry, unknown};
use super::step::{Mode, Run, tell_all};
use super::stop::Stop;
use super::trial::{self, Trial};
use crate::crash;
use crate::journal::StoredStep;
use crate::run::{Direction, Effect, Failure, Seq, StepStatus, Timestamp, UndoStatus, Update};

/// How the walk ended, when it was not stopped.
pub(super) enum Walked {
    /// Everything is undone.
    ToTheBeginning,
    /// A compensation failed for good.
    Stuck { step: String, subject: Option<String>, failure: Failure },
}

/// What is undone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Walk {
    /// Every step that may have changed the cloud.
    Everything,
    /// Only the activities that a side is made of, also where a person said that they stay, and every step from this
    /// one on.
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

impl<W: 'static> Run<'_, W> {
    /// Undoes the recorded steps, newest first.
    pub(super) async fn walk_back(&mut self, registry: &Registry<W>, walk: Walk) -> Result<Walked, Stop> {
        let Mode::Live { recorded, .. } = &mut self.mode else { unreachable!("a plan is not rolled back") };
        let steps = std::mem::take(recorded);
        for step in &steps {
            registry.conceal(&step.activity, &step.input, self.with.world);
        }
        // Said before anything is changed.
        if let Some(step) = steps.iter().find(|step| walk.undoes(step) && !registry.knows(&step.activity)) {
            return Err(Stop::Ours(unknown(&step.activity)));
        }
        for step in steps.into_iter().rev() {
            let stays = step.state.undo == Some(UndoStatus::Skipped) && !walk.undoes(&step);
            if stays {
                self.facts.extend(registry.stays(&step.activity, &step.input).map_err(Stop::Ours)?);
            }
            if !walk.undoes(&step) {
                continue;
            }
            if let Err(failure) = self.undo(registry, &step).await? {
                return Ok(Walked::Stuck { step: step.activity, subject: step.subject, failure });
            }
        }
        Ok(Walked::ToTheBeginning)
    }

    /// Undoes one step, part by part; the inner error is a failure for good, which is recorded.
    async fn undo(&mut self, registry: &Registry<W>, step: &StoredStep) -> Result<Result<(), Failure>, Stop> {
        if self.with.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        let Mode::Live { lease, forget_retries, .. } = &mut self.mode else {
            unreachable!("a plan is not rolled back")
        };
        crash::within(&step.activity, step.subject.as_deref(), crash::Place::Undo);
        crash::at("not begun");
        let begun = lease.take_up(step, Direction::Backward, *forget_retries).await?;
        crash::at("begun");
        (self.teller)(Update::Event(&begun));
        let before = step.undo.as_ref();
        if let Some(at) = before.and_then(|undo| undo.next_attempt_at) {
            attempt::wait_until(self.with.clock, self.with.cancel, at).await?;
        }
        let mut now = Standing {
            attempt: step.attempts(Direction::Backward) + 1,
            begun_at: before.map_or(begun.at, |undo| undo.begun_at),
            is_first_entry: before.is_none(),
            retry_since: before.and_then(|undo| undo.retry_since).filter(|_| !*forget_retries),
        };
        for _ in 0..PARTS_MOST {
            match self.undo_part(registry, step, &mut now).await? {
                Ok(Undone::Whole(_)) => return Ok(Ok(())),
                Ok(Undone::Part { .. }) => {}
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Err(Stop::Ours(Failure::ours(format!("undoing {}", step.activity), "it does not come to an end")))
    }

    async fn undo_part(
        &mut self,
        registry: &Registry<W>,
        step: &StoredStep,
        now: &mut Standing,
    ) -> Result<Result<Undone, Failure>, Stop> {
        if self.with.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        let Mode::Live { lease, .. } = &mut self.mode else { unreachable!("a plan is not rolled back") };
        let (warnings, spent) = (Mutex::default(), Cell::new(false));
        let guard = lease.guard();
        let cx = Cx {
            world: self.with.world,
            clock: self.with.clock,
            run: lease.run(),
            seq: step.seq,
            step_begun_at: step.forward.begun_at,
            begun_at: now.begun_at,
            is_first_entry: now.is_first_entry,
            facts: &self.facts,
            teller: self.teller,
            cancel: self.with.cancel,
            retry: self.with.retry,
            spent: &spent,
            guard: Some(&guard),
            warnings: &warnings,
        };
        let attempts = Attempts::new(self.with.retry, self.with.clock, now.attempt, now.retry_since.take());
        let trial = self.with.trial;
        let mut is_lost = trial != Trial::AnswerLost;
        let undo = async || {
            let undone = registry.undo(&step.activity, &step.input, step.output.as_ref(), &cx).await?;
            if !std::mem::replace(&mut is_lost, true) {
                return Err(trial::answer_lost(&step.activity));
            }
            if trial == Trial::Twice {
                registry.undo(&step.activity, &step.input, step.output.as_ref(), &cx).await?;
            }
            Ok(undone)
        };
        let (teller, last) = (self.teller, Cell::new(now.attempt));
        let retrying = async |failure: &Failure, number: u32, delay: Duration| {
            let event = lease.retrying(step.seq, Direction::Backward, failure, number, delay).await?;
            last.set(number);
            teller(Update::Event(&event));
            Ok(())
        };
        let undone =
            match attempts.or_spent(&spent).make(self.with.cancel, Effect::Mutation, undo, retrying).await? {
                Ended::Done(undone) => undone,
                Ended::Refused(failure) => {
                    let event = lease.fail(step.seq, Direction::Backward, &failure).await?;
                    teller(Update::Event(&event));
                    return Ok(Err(failure));
                }
                Ended::Spent(failure) | Ended::Blocked(failure) => return Err(Stop::Suspended(failure)),
            };
        crash::at("done, not completed");
        let warnings = warnings.into_inner().unwrap_or_default();
        let events = match &undone {
            Undone::Whole(facts) => lease.complete_undo(step.seq, facts, warnings).await?,
            Undone::Part { facts, note } => lease.advance_undo(step.seq, facts, warnings, note).await?,
        };
        crash::at("completed");
        tell_all(self.teller, &events);
        let (Undone::Whole(facts) | Undone::Part { facts, .. }) = &undone;
        self.facts.extend(facts.clone());
        now.attempt = last.get();
        Ok(Ok(undone))
    }
}

/// The most parts of a compensation: none has more than a few.
const PARTS_MOST: u32 = 20;

/// Where a compensation stands, from one part to the next.
struct Standing {
    attempt: u32,
    begun_at: Timestamp,
    is_first_entry: bool,
    retry_since: Option<Timestamp>,
}

/// Whether a step changed the cloud, or may have, and that was not taken back yet.
fn needs_undo(step: &StoredStep) -> bool {
    let is_settled = matches!(step.state.undo, Some(UndoStatus::Completed | UndoStatus::Skipped));
    may_have_happened(step) && !is_settled
}

fn may_have_happened(step: &StoredStep) -> bool {
    let may_have_happened = match step.state.status {
        StepStatus::Begun | StepStatus::Completed => true,
        // The last answer was a refusal; an attempt before it may have been carried out without our knowing.
        StepStatus::Failed => step.forward.attempt > 1,
    };
    step.effect == Effect::Mutation && may_have_happened
}
