//! What an activity gets besides its input: the world, and its own place in the run.

use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use super::attempt::{Attempt, Attempts, Ended};
use super::entry::{Entry, Noted};
use super::ground::Ground;
use super::stop::Stop;
use crate::clock::Clock;
use crate::journal::{LeaseGuard, WriteError};
use crate::run::{Effect, Facts, Failure, RetryToken, RunId, Seq, StepId, Timestamp, Update, stamp};

/// The world, time, and the activity's own place in the run.
pub struct Cx<'a, W> {
    /// The only thing that the activity may touch.
    pub world: &'a W,
    /// The source of time.
    pub clock: Clock,
    pub(super) ground: &'a Ground<'a, W>,
    pub(super) run: RunId,
    pub(super) entry: &'a Entry,
    pub(super) facts: &'a Facts,
    pub(super) noted: &'a Noted,
    pub(super) guard: Option<&'a LeaseGuard>,
}

impl<W> Ground<'_, W> {
    /// The context of an activity in this step of this run. In a plan it has no guard.
    pub(super) const fn cx<'c>(
        &'c self,
        run: RunId,
        entry: &'c Entry,
        facts: &'c Facts,
        noted: &'c Noted,
        guard: Option<&'c LeaseGuard>,
    ) -> Cx<'c, W> {
        Cx { world: self.world, clock: self.clock, ground: self, run, entry, facts, noted, guard }
    }
}

impl<W: Sync> Cx<'_, W> {
    /// The run.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The step.
    pub const fn seq(&self) -> Seq {
        self.entry.seq
    }

    /// The step's name in its run, independent of its number. Whatever the step creates in the world is tagged with it.
    pub const fn id(&self) -> &StepId {
        &self.entry.id
    }

    /// The token of this step's own request. It is the same after a crash, and while the step is being undone.
    /// `generation` starts at 0 and goes up by one each time that the caller finds that the token is no longer valid.
    pub fn token(&self, generation: u32) -> RetryToken {
        RetryToken::of(self.run, &self.entry.id, "execute", generation)
    }

    /// The token of a request that the step's compensation makes.
    pub fn undo_token(&self, generation: u32) -> RetryToken {
        RetryToken::of(self.run, &self.entry.id, "undo", generation)
    }

    /// The time when the step itself was first begun, also while it is being undone.
    pub const fn step_begun_at(&self) -> Timestamp {
        self.entry.step_begun_at
    }

    /// The time when the step, or its compensation, was first begun in any process: the start of a durable timer.
    pub const fn begun_at(&self) -> Timestamp {
        self.entry.begun_at
    }

    /// Whether this process is the first to enter the step or its compensation. If so, a durable timer begins now.
    pub const fn is_first_entry(&self) -> bool {
        self.entry.is_first
    }

    /// A fact that an earlier step or a later compensation left.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// Shows the step's progress. It is not recorded.
    pub fn progress(&self, text: impl Display) {
        self.ground.tell(Update::Progress { seq: self.entry.seq, text: &text.to_string() });
    }

    /// Records a warning with the step's result.
    pub fn warn(&self, message: impl Into<String>) {
        self.noted.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message.into());
    }

    /// Makes sure that this process still owns the run. The engine does so right before a mutation is carried out or
    /// taken back, and [`Cx::look`] does so before each read. An activity that does other work before its change, or
    /// makes a second call, must do so itself at the last moment.
    pub async fn assure_lease(&self) -> Result<(), Failure> {
        let Some(guard) = self.guard else {
            return Err(Failure::ours("making a change", "a plan must not change anything"));
        };
        guard.assure().await.map_err(|error| match error {
            WriteError::LeaseLost { .. } => {
                Failure::ours("renewing the lease", "another process took over this run")
            }
            WriteError::Illegal(_) | WriteError::TargetHeld(_) | WriteError::Journal(_) => {
                Failure::ours("renewing the lease", error.to_string())
            }
        })
    }

    /// Runs blocking code on a thread of its own. The other runs of this process go on meanwhile, and an interruption
    /// is obeyed. Blocking code cannot be cancelled. If its attempt is given up, the step's next attempt waits for the
    /// code to end, and until then no process on this machine can take the run.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = Arc::clone(&self.entry.blocking).lock_owned().await;
        let lock = self.guard.map(LeaseGuard::kernel_lock);
        if self.guard.is_some() {
            self.assure_lease().await?;
        }
        let blocking = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((turn, lock));
            done
        });
        match blocking.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Failure::transient("waiting for code that blocks", error.to_string())),
            },
        }
    }

    /// Makes one read of an activity that makes several. A read that fails for a while is retried on its own, so that
    /// the activity need not start over. If the read spends its budget, the budget of the step is spent too.
    pub async fn look<O, R>(&self, look: impl FnMut() -> R + Send) -> Result<O, Failure>
    where
        O: Send,
        R: Future<Output = Result<O, Failure>> + Send,
    {
        let attempts = Attempts::new(&self.ground.retry, self.clock, 1, None);
        let mut looking = Looking { cx: self, look };
        match attempts.make(self.ground, Effect::Read, &mut looking).await {
            Ok(Ended::Done(output)) => Ok(output),
            Ok(Ended::Refused(failure) | Ended::Blocked(failure))
            | Err(Stop::Ours(failure) | Stop::TakenOver(failure)) => Err(failure),
            Ok(Ended::Spent(failure)) => {
                self.noted.is_spent.store(true, Ordering::Relaxed);
                Err(failure)
            }
            // Nothing else stops a read.
            Err(_) => Err(Failure::transient("looking", "interrupted")),
        }
    }

    /// Waits until `duration` has passed since the step, or its compensation, was first begun: a durable timer. Time
    /// that an earlier process waited counts. A clock that is set back never makes the wait longer than `duration`.
    ///
    /// # Errors
    /// When the user interrupted. Pass the error on; the engine knows what it means.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Failure> {
        let whole = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        let deadline = self.begun_at().checked_add_signed(whole).unwrap_or(Timestamp::MAX_UTC);
        self.progress(format!("until {}", stamp(deadline)));
        self.pause(self.left_of(duration, deadline)).await
    }

    /// The rest of a wait of `whole` that ends at `deadline`. The wall clock counts only for the time that another
    /// process waited: it may jump, and must not cut a wait short.
    pub fn left_of(&self, whole: Duration, deadline: Timestamp) -> Duration {
        if self.is_first_entry() { whole } else { self.clock.until(deadline).min(whole) }
    }

    /// Waits, unless the user interrupts. After a crash the wait starts over; use [`Cx::sleep`] for a wait that must
    /// not.
    ///
    /// # Errors
    /// When the user interrupted. Pass the error on; the engine knows what it means.
    pub async fn pause(&self, duration: Duration) -> Result<(), Failure> {
        self.ground.at("waiting").await;
        tokio::select! {
            () = self.clock.sleep(duration) => Ok(()),
            () = self.ground.cancel.cancelled() => Err(Failure::transient("waiting", "interrupted")),
        }
    }
}

/// One read of an activity that makes several.
struct Looking<'l, 'a, W, F> {
    cx: &'l Cx<'a, W>,
    look: F,
}

impl<W, F, O, R> Attempt for Looking<'_, '_, W, F>
where
    W: Sync,
    F: FnMut() -> R + Send,
    O: Send,
    R: Future<Output = Result<O, Failure>> + Send,
{
    type Output = O;

    async fn attempt(&mut self) -> Result<O, Failure> {
        if self.cx.guard.is_some() {
            self.cx.assure_lease().await?;
        }
        (self.look)().await
    }

    async fn retrying(&mut self, failure: &Failure, _: u32, delay: Duration) -> Result<(), Stop> {
        self.cx.ground.tell(Update::Trouble { seq: self.cx.entry.seq, failure, delay });
        Ok(())
    }
}
