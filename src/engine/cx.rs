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
    /// What it may touch.
    pub world: &'a W,
    /// Time.
    pub clock: Clock,
    pub(super) ground: &'a Ground<'a, W>,
    pub(super) run: RunId,
    pub(super) entry: &'a Entry,
    pub(super) facts: &'a Facts,
    pub(super) noted: &'a Noted,
    pub(super) guard: Option<&'a LeaseGuard>,
}

impl<W> Ground<'_, W> {
    /// What an activity gets in this step of this run; without a guard in a plan.
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

    /// What the step is called in its run, whatever its number: what is made in the world is marked with it.
    pub const fn id(&self) -> &StepId {
        &self.entry.id
    }

    /// The token of this step's own request, the same after a crash, also while the step is being undone.
    /// `generation` is 0 until whoever gets it says that the token does not count any more, then 1, and so on.
    pub fn token(&self, generation: u32) -> RetryToken {
        RetryToken::of(self.run, &self.entry.id, "execute", generation)
    }

    /// The token of a request that the step's compensation makes.
    pub fn undo_token(&self, generation: u32) -> RetryToken {
        RetryToken::of(self.run, &self.entry.id, "undo", generation)
    }

    /// When the step itself was first begun, also while it is being undone.
    pub const fn step_begun_at(&self) -> Timestamp {
        self.entry.step_begun_at
    }

    /// When the step, or its compensation, was first begun, in whichever process: the start of a durable timer.
    pub const fn begun_at(&self) -> Timestamp {
        self.entry.begun_at
    }

    /// Whether this process is the first to take the step, or its compensation, up: then a durable timer begins now.
    pub const fn is_first_entry(&self) -> bool {
        self.entry.is_first
    }

    /// A fact that an earlier step or a later compensation left.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// Shows how the step is getting on. Not recorded.
    pub fn progress(&self, text: impl Display) {
        self.ground.tell(Update::Progress { seq: self.entry.seq, text: &text.to_string() });
    }

    /// Records something unusual, with the step's result.
    pub fn warn(&self, message: impl Into<String>) {
        self.noted.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message.into());
    }

    /// Makes sure that the run is still this process's. The engine does it right before a mutation is carried out or
    /// taken back, and [`Cx::look`] before each read. An activity that does something else before its change, or makes
    /// a second call, calls it at the last moment before that.
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

    /// Carries out code that blocks its thread, on a thread of its own: other runs of this process go on meanwhile, and
    /// an interruption is obeyed. Such code cannot be broken off. When its attempt is given up, the next attempt of the
    /// step waits for its end, and while it goes on no process of this machine takes the run up.
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

    /// Makes one of the reads of an activity that makes several: what fails for a while is tried again by itself, so
    /// that the activity need not begin anew. When the budget is spent on it, so is that of the step.
    pub async fn look<O, R>(&self, look: impl FnMut() -> R + Send) -> Result<O, Failure>
    where
        O: Send,
        R: Future<Output = Result<O, Failure>> + Send,
    {
        let attempts = Attempts::new(&self.ground.retry, self.clock, 1, None);
        let mut looking = Looking { cx: self, look };
        match attempts.make(self.ground, Effect::Read, &mut looking).await {
            Ok(Ended::Done(output)) => Ok(output),
            Ok(Ended::Refused(failure) | Ended::Blocked(failure)) | Err(Stop::Ours(failure)) => Err(failure),
            Ok(Ended::Spent(failure)) => {
                self.noted.is_spent.store(true, Ordering::Relaxed);
                Err(failure)
            }
            // Nothing else stops a read.
            Err(_) => Err(Failure::transient("looking", "interrupted")),
        }
    }

    /// Waits until `duration` has passed since the step, or its compensation, was first begun: a durable timer. What an
    /// earlier process has waited counts. A clock that was set back makes no wait longer than the whole.
    ///
    /// # Errors
    /// When the user interrupted: pass it on, the engine knows what it means.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Failure> {
        let whole = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        let deadline = self.begun_at().checked_add_signed(whole).unwrap_or(Timestamp::MAX_UTC);
        self.progress(format!("until {}", stamp(deadline)));
        self.pause(self.left_of(duration, deadline)).await
    }

    /// What is left of a wait of `whole` that ends at `deadline`. The wall clock counts only for what was waited by another
    /// process: it may jump, and must not cut a wait short.
    pub fn left_of(&self, whole: Duration, deadline: Timestamp) -> Duration {
        if self.is_first_entry() { whole } else { self.clock.until(deadline).min(whole) }
    }

    /// Waits, unless the user interrupts. After a crash it starts over: what is to be waited once is [`Cx::sleep`].
    ///
    /// # Errors
    /// When the user interrupted: pass it on, the engine knows what it means.
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

/// A wait between two looks: starts at a second, or less when the longest wait is shorter, and doubles up to the
/// longest.
#[derive(Clone, Debug)]
pub struct Looks {
    next: Duration,
    longest: Duration,
}

impl Looks {
    /// Looks that are never further apart than `longest`.
    pub fn at_most(longest: Duration) -> Self {
        Self { next: longest.min(Duration::from_secs(1)), longest }
    }
}

impl Iterator for Looks {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = self.next;
        self.next = (now * 2).min(self.longest);
        Some(now)
    }
}
