//! The walk backwards: every mutation that completed or is in doubt, newest first, is undone.
//!
//! It walks the journal and not the code, so that a newer binary can undo what an older one did.

use std::sync::Mutex;
use std::time::Duration;

use super::activity::Cx;
use super::attempt::{self, Attempts, Ended};
use super::registry::{Registry, unknown};
use super::step::{Mode, Run};
use super::stop::Stop;
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
        if self.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        let Mode::Live { lease, forget_retries, .. } = &mut self.mode else {
            unreachable!("a plan is not rolled back")
        };
        let begun = lease.begin_undo(step, step.undo_attempt + 1, *forget_retries).await?;
        (self.teller)(Update::Event(&begun));
        if let Some(at) = step.undo_next_attempt_at {
            attempt::wait(self.clock, self.cancel, self.clock.until(at)).await?;
        }
        let warnings = Mutex::default();
        let guard = lease.guard();
        let cx = Cx {
            world: self.world,
            clock: self.clock,
            run: lease.run(),
            seq: step.seq,
            step_begun_at: step.begun_at,
            begun_at: step.undo_begun_at.unwrap_or(begun.at),
            entered_at: begun.at,
            facts: &self.facts,
            teller: self.teller,
            cancel: self.cancel,
            guard: Some(&guard),
            warnings: &warnings,
        };
        let since = step.undo_retry_since.filter(|_| !*forget_retries);
        let attempts = Attempts::new(self.retry, self.clock, step.undo_attempt + 1, since);
        let undo = async || registry.undo(&step.activity, &step.input, step.output.as_ref(), &cx).await;
        let teller = self.teller;
        let retrying = async |failure: &Failure, number: u32, delay: Duration| {
            let event = lease.retrying_undo(step.seq, failure, number, delay).await?;
            teller(Update::Event(&event));
            Ok(())
        };
        let facts = match attempts.make(self.cancel, Effect::Mutation, undo, retrying).await? {
            Ended::Done(facts) => facts,
            Ended::Refused(failure) => {
                let event = lease.fail_undo(step.seq, &failure).await?;
                teller(Update::Event(&event));
                return Ok(Err(failure));
            }
            Ended::Spent(failure) => return Err(Stop::Suspended(failure)),
        };
        let event = lease.complete_undo(step.seq, &facts).await?;
        (self.teller)(Update::Event(&event));
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
