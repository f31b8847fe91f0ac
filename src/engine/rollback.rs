//! The walk backwards: every mutation that completed or is in doubt, newest first, is undone.
//!
//! It walks the journal and not the code, so that a newer binary can undo what an older one did.

use std::cell::Cell;
use std::sync::Mutex;
use std::time::Duration;

use super::activity::Cx;
use super::attempt::{self, Attempts, Ended};
use super::registry::{Registry, unknown};
use super::step::{Mode, Run, tell_all};
use super::stop::Stop;
use super::trial::Trial;
use crate::crash;
use crate::journal::StoredStep;
use crate::run::{Effect, Failure, Seq, StepStatus, UndoStatus, Update};

/// How the walk ended, when it was not stopped.
pub(super) enum Walked {
    /// Everything is undone.
    ToTheBeginning,
    /// A compensation failed for good.
    Stuck { seq: Seq, step: String, failure: Failure },
}

impl<W: 'static> Run<'_, W> {
    /// Undoes the recorded steps, newest first.
    pub(super) async fn walk_back(&mut self, registry: &Registry<W>) -> Result<Walked, Stop> {
        let Mode::Live { recorded, .. } = &mut self.mode else { unreachable!("a plan is not rolled back") };
        let steps: Vec<StoredStep> = std::mem::take(recorded).into_iter().filter(needs_undo).rev().collect();
        // Said before anything is changed.
        if let Some(step) = steps.iter().find(|step| !registry.knows(&step.activity)) {
            return Err(Stop::Ours(unknown(&step.activity)));
        }
        for step in steps {
            if let Err(failure) = self.undo(registry, &step).await? {
                return Ok(Walked::Stuck { seq: step.seq, step: step.activity, failure });
            }
        }
        Ok(Walked::ToTheBeginning)
    }

    /// Undoes one step; the inner error is a failure for good, which is recorded.
    async fn undo(&mut self, registry: &Registry<W>, step: &StoredStep) -> Result<Result<(), Failure>, Stop> {
        if self.with.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        let Mode::Live { lease, forget_retries, .. } = &mut self.mode else {
            unreachable!("a plan is not rolled back")
        };
        crash::within(format_args!("{} undo {}", step.seq, step.activity));
        crash::at("not begun");
        let begun = lease.begin_undo(step, step.undo_attempt + 1, *forget_retries).await?;
        crash::at("begun");
        (self.teller)(Update::Event(&begun));
        if let Some(at) = step.undo_next_attempt_at {
            attempt::wait_until(self.with.clock, self.with.cancel, at).await?;
        }
        let (warnings, spent) = (Mutex::default(), Cell::new(false));
        let guard = lease.guard();
        let cx = Cx {
            world: self.with.world,
            clock: self.with.clock,
            run: lease.run(),
            seq: step.seq,
            step_begun_at: step.begun_at,
            begun_at: step.undo_begun_at.unwrap_or(begun.at),
            is_first_entry: step.undo_begun_at.is_none(),
            facts: &self.facts,
            teller: self.teller,
            cancel: self.with.cancel,
            retry: self.with.retry,
            spent: &spent,
            guard: Some(&guard),
            warnings: &warnings,
        };
        let since = step.undo_retry_since.filter(|_| !*forget_retries);
        let attempts = Attempts::new(self.with.retry, self.with.clock, step.undo_attempt + 1, since);
        let trial = self.with.trial;
        let undo = async || {
            let facts = registry.undo(&step.activity, &step.input, step.output.as_ref(), &cx).await?;
            if trial == Trial::Twice {
                registry.undo(&step.activity, &step.input, step.output.as_ref(), &cx).await?;
            }
            Ok(facts)
        };
        let teller = self.teller;
        let retrying = async |failure: &Failure, number: u32, delay: Duration| {
            let event = lease.retrying_undo(step.seq, failure, number, delay).await?;
            teller(Update::Event(&event));
            Ok(())
        };
        let facts =
            match attempts.or_spent(&spent).make(self.with.cancel, Effect::Mutation, undo, retrying).await? {
                Ended::Done(facts) => facts,
                Ended::Refused(failure) => {
                    let event = lease.fail_undo(step.seq, &failure).await?;
                    teller(Update::Event(&event));
                    return Ok(Err(failure));
                }
                Ended::Spent(failure) | Ended::Blocked(failure) => return Err(Stop::Suspended(failure)),
            };
        crash::at("done, not completed");
        let warnings = warnings.into_inner().unwrap_or_default();
        let events = lease.complete_undo(step.seq, &facts, warnings).await?;
        crash::at("completed");
        tell_all(self.teller, &events);
        self.facts.extend(facts);
        Ok(Ok(()))
    }
}

/// Whether a step changed the cloud, or may have, and that was not taken back yet.
fn needs_undo(step: &StoredStep) -> bool {
    let may_have_happened = match step.state.status {
        StepStatus::Begun | StepStatus::Completed => true,
        // The last answer was a refusal; an attempt before it may have been carried out without our knowing.
        StepStatus::Failed => step.attempt > 1,
    };
    let is_settled = matches!(step.state.undo, Some(UndoStatus::Completed | UndoStatus::Skipped));
    step.effect == Effect::Mutation && may_have_happened && !is_settled
}
