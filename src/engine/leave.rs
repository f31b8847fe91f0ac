//! How a process leaves a run: finished, closed because it changed nothing, or as far as it came.

use super::deadly::Deadly;
use super::drive::{Engine, Taken};
use super::stop::{End, Outcome, Stop};
use crate::crash;
use crate::journal::{Lease, TargetHeld};
use crate::run::{Direction, Failure, RunState};

impl<W: Sync + 'static> Engine<'_, W> {
    /// Ends a run that found a target held by another run. Targets are taken before anything is changed. But a run of
    /// an older version, which did not take this target, may have changed something; it goes on once the other run has
    /// ended.
    pub(super) async fn held_by_another(&self, lease: Lease, held: TargetHeld) -> Outcome {
        match self.journal.history(lease.run()).await {
            Ok(history) => {
                if Taken::from(history).has_tried_to() {
                    return self.leave(lease, Stop::TargetHeld(held)).await;
                }
            }
            Err(error) => return self.leave(lease, Stop::Broken(error)).await,
        }
        let failure = Failure::permanent("holding the target", held.target.to_string());
        match self.fail(&lease, &failure).await {
            Ok(()) => self.close_untouched(lease, End::TargetHeld(held)).await,
            Err(stop) => self.leave(lease, stop).await,
        }
    }

    pub(super) async fn fail(&self, lease: &Lease, failure: &Failure) -> Result<(), Stop> {
        crash::within("run", None, crash::Place::Itself);
        self.ground.at("not failed").await;
        let told = lease.fail_run(failure).await?;
        self.ground.at("failed").await;
        self.ground.tell_all(&told);
        Ok(())
    }

    /// Ends a failed run that changed nothing: there is nothing to roll back, and nothing to hold.
    pub(super) async fn close_untouched(&self, lease: Lease, end: End) -> Outcome {
        match lease.turn_back().await {
            Ok(told) => {
                self.ground.tell_all(&told);
                self.finish(lease, RunState::RolledBack, end).await
            }
            Err(error) => self.leave(lease, error.into()).await,
        }
    }

    pub(super) async fn finish(&self, lease: Lease, state: RunState, end: End) -> Outcome {
        let run = lease.run();
        crash::within("run", None, crash::Place::Itself);
        self.ground.at("not finished").await;
        match lease.finish(state).await {
            Ok(told) => {
                self.ground.at("finished").await;
                self.ground.tell_all(&told);
                Outcome::of(run, end)
            }
            Err(error) => Outcome::of(run, Stop::from(error).into()),
        }
    }

    /// Leaves a run that cannot go on in this process, and records why as far as possible.
    pub(super) async fn leave(&self, lease: Lease, stop: Stop) -> Outcome {
        let run = lease.run();
        let left = match &stop {
            Stop::Suspended(failure) => lease.suspend(failure).await,
            Stop::Interrupted => lease.interrupt().await,
            Stop::LeaseLost(_) => Ok(Vec::new()),
            Stop::Failed(_)
            | Stop::TakenOver(_)
            | Stop::TargetHeld(_)
            | Stop::Diverged(_)
            | Stop::UnknownWorkflow(_)
            | Stop::Ours(_)
            | Stop::Broken(_) => lease.release().await,
        };
        match left {
            Ok(told) => {
                self.ground.tell_all(&told);
                Outcome::of(run, stop.into())
            }
            // The journal was broken before this: the user must hear of that failure.
            Err(_) if matches!(stop, Stop::Broken(_)) => Outcome::of(run, stop.into()),
            Err(error) => Outcome::of(run, Stop::from(error).into()),
        }
    }

    /// Leaves a run to a person.
    pub(super) async fn stuck(&self, lease: Lease, deadly: Deadly) -> Outcome {
        let Deadly { step, direction, failure } = deadly;
        let given_up = match direction {
            Direction::Forward => lease.give_up(step.seq, &failure).await,
            Direction::Backward => lease.fail(step.seq, direction, &failure).await,
        };
        match given_up {
            Ok(told) => self.ground.tell_all(&told),
            Err(error) => return self.leave(lease, error.into()).await,
        }
        let (step, subject) = (step.activity, step.subject);
        let end = match direction {
            Direction::Forward => End::Deadly { step, subject, failure },
            Direction::Backward => End::Stuck { step, subject, failure },
        };
        self.let_go(lease, end).await
    }

    /// Releases a run in its present state.
    pub(super) async fn let_go(&self, lease: Lease, end: End) -> Outcome {
        let run = lease.run();
        match lease.release().await {
            Ok(told) => {
                self.ground.tell_all(&told);
                Outcome::of(run, end)
            }
            Err(error) => Outcome::of(run, Stop::from(error).into()),
        }
    }
}
