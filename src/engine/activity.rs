//! What a step does: reads, waits and mutations, each with what makes it safe to repeat.
//!
//! The value of an activity is its own input: the journal stores the struct itself. Three traits instead of a
//! flag, so that a workflow shows the effect at the call, and a mutation without an undo does not compile.

use std::cell::Cell;
use std::fmt::Display;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempts, Ended};
use super::stop::Stop;
use crate::clock::Clock;
use crate::crash;
use crate::journal::{LeaseGuard, WriteError};
use crate::retry::RetryPolicy;
use crate::run::{Effect, Facts, Failure, RetryToken, RunId, Seq, Timestamp, Update};

/// One idempotent operation. What is stored is the struct itself.
pub trait Activity: Serialize + DeserializeOwned {
    /// The step's name in the journal, on the screen and in scripts. It outlives this binary: never reuse one.
    const NAME: &'static str;
    /// What it may touch, and nothing else.
    type World;
    /// Its result. Stored as the checkpoint and returned as it is on resume.
    type Output: Serialize + DeserializeOwned;

    /// What it acts on, when one step of this name must be told from another.
    fn subject(&self) -> Option<String> {
        None
    }

    /// What came of it in a few words, for people; never a secret.
    fn note(_output: &Self::Output) -> Option<String> {
        None
    }

    /// Facts for compensations and reports; never a secret.
    fn facts(_output: &Self::Output) -> Facts {
        Facts::new()
    }

    /// Tells the world what of it must not be shown, before anything is done; in a rollback, before anything is undone.
    fn conceal(&self, _world: &Self::World) {}

    /// The same of its result, also of one that was checkpointed.
    fn conceal_output(_output: &Self::Output, _world: &Self::World) {}

    /// Does it once. The engine retries transient failures and passes on the others.
    ///
    /// # Cancellation
    /// Reads and waits may be dropped at any await. A mutation is never dropped by an interruption, but may be
    /// when the lease is lost: its step is then in doubt.
    fn execute(&self, cx: &Cx<'_, Self::World>) -> impl Future<Output = Result<Self::Output, Failure>>;
}

/// An activity that only looks. It is really done in a plan.
pub trait Read: Activity {}

/// An activity that waits until something is so.
pub trait Wait: Activity {
    /// What stands in for the result in a plan.
    fn foresee(&self) -> Self::Output;
}

/// An activity that makes at most one change.
pub trait Mutation: Activity {
    /// What stands in for the result in a plan.
    fn foresee(&self) -> Self::Output;

    /// The request that [`Activity::execute`] would send. Confidential values in it are masked.
    fn preview(&self) -> Preview;

    /// What an earlier, in-doubt attempt of this very step left behind; asked before anything is repeated, on resume
    /// and after an attempt that failed. The default answers that nothing is known, for mutations whose `execute` reads and compares first.
    fn adopt(
        &self,
        _cx: &Cx<'_, Self::World>,
    ) -> impl Future<Output = Result<Option<Self::Output>, Failure>> {
        async { Ok(None) }
    }

    /// Takes the change back, or one part of it: like `execute`, it makes at most one change of the cloud each time.
    /// Repeated until it succeeds, so it must be idempotent. No default: whoever changes the cloud says how it is changed
    /// back, and its doc says which of the three correct forms for [`Done::InDoubt`] it uses (docs/design/doubt.md).
    fn compensate(
        &self,
        done: Done<&Self::Output>,
        cx: &Cx<'_, Self::World>,
    ) -> impl Future<Output = Result<Undone, Failure>>;

    /// What the compensations of earlier steps must know when a person has said that the effect of this step stays: what
    /// it needs is not theirs to take away. By default it needs nothing.
    fn stays(&self) -> Facts {
        Facts::new()
    }
}

/// How far a compensation has come. What it leaves is kept as facts, for its own next part and for the compensations of
/// earlier steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// To its end.
    Whole(Facts),
    /// One change of several was made: this is checkpointed, and the compensation is called again.
    Part {
        /// What it leaves.
        facts: Facts,
        /// What was done, in a word or two.
        note: String,
    },
}

impl Undone {
    /// To its end, and nothing is left that others must know.
    pub const fn whole() -> Self {
        Self::Whole(Facts::new())
    }
}

/// What is known of a step that is to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done<O> {
    /// It completed with this result.
    Known(O),
    /// It was begun and has no checkpoint: it may have taken effect or not.
    InDoubt,
}

/// A request, as a plan shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// The HTTP method.
    pub method: String,
    /// The path below the service's host.
    pub path: String,
    /// The JSON body, if there is one.
    pub body: Option<serde_json::Value>,
}

/// Where updates go; shared by the steps of one run, which come one at a time.
pub(super) type Teller<'a> = dyn Fn(Update<'_>) + 'a;

/// Makes a listener shareable: activities hold `&Cx` across their awaits, and tell through it.
pub(super) fn shared(tell: &mut dyn FnMut(Update<'_>)) -> impl Fn(Update<'_>) + '_ {
    // A std mutex, because it is never held across an await.
    let tell = Mutex::new(tell);
    move |update: Update<'_>| {
        let mut tell = tell.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tell(update);
    }
}

/// What an activity gets besides its input: the world, and its own place in the run.
pub struct Cx<'a, W> {
    /// What it may touch.
    pub world: &'a W,
    /// Time.
    pub clock: Clock,
    pub(super) run: RunId,
    pub(super) seq: Seq,
    pub(super) step_begun_at: Timestamp,
    pub(super) begun_at: Timestamp,
    pub(super) is_first_entry: bool,
    pub(super) facts: &'a Facts,
    pub(super) teller: &'a Teller<'a>,
    pub(super) cancel: &'a CancellationToken,
    pub(super) retry: &'a RetryPolicy,
    pub(super) spent: &'a Cell<bool>,
    pub(super) guard: Option<&'a LeaseGuard>,
    pub(super) warnings: &'a Mutex<Vec<String>>,
}

impl<W> Cx<'_, W> {
    /// The run.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The step.
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// The token of this step's own request, the same after a crash, also while the step is being undone.
    /// `generation` is 0 until the cloud says that it has invalidated the token, then 1, and so on.
    pub fn token(&self, generation: u32) -> RetryToken {
        RetryToken::of(self.run, self.seq, "execute", generation)
    }

    /// The token of a request that the step's compensation makes.
    pub fn undo_token(&self, generation: u32) -> RetryToken {
        RetryToken::of(self.run, self.seq, "undo", generation)
    }

    /// When the step itself was first begun, also while it is being undone.
    pub const fn step_begun_at(&self) -> Timestamp {
        self.step_begun_at
    }

    /// When the step, or its compensation, was first begun, in whichever process: the start of a durable timer.
    pub const fn begun_at(&self) -> Timestamp {
        self.begun_at
    }

    /// Whether this process is the first to take the step, or its compensation, up: then a durable timer begins now.
    pub const fn is_first_entry(&self) -> bool {
        self.is_first_entry
    }

    /// A fact that an earlier step or a later compensation left.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// Shows how the step is getting on. Not recorded.
    pub fn progress(&self, text: impl Display) {
        (self.teller)(Update::Progress { seq: self.seq, text: &text.to_string() });
    }

    /// Records something unusual, with the step's result.
    pub fn warn(&self, message: impl Into<String>) {
        self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(message.into());
    }

    /// Makes sure that the run is still this process's. To be called at the last moment before each change;
    /// [`Cx::look`] does it before each read.
    pub async fn assure_lease(&self) -> Result<(), Failure> {
        let Some(guard) = self.guard else {
            return Err(Failure::ours("changing the cloud", "a plan must not change anything"));
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

    /// Makes one of the reads of an activity that makes several: what fails for a while is tried again by itself, so
    /// that the activity need not begin anew. When the budget is spent on it, so is that of the step.
    pub async fn look<O>(&self, mut look: impl AsyncFnMut() -> Result<O, Failure>) -> Result<O, Failure> {
        let attempts = Attempts::new(self.retry, self.clock, 1, None);
        let told = async |failure: &Failure, _: u32, delay: Duration| {
            (self.teller)(Update::Trouble { seq: self.seq, failure, delay });
            Ok(())
        };
        let guarded = async || {
            if self.guard.is_some() {
                self.assure_lease().await?;
            }
            look().await
        };
        match attempts.make(self.cancel, Effect::Read, guarded, told).await {
            Ok(Ended::Done(output)) => Ok(output),
            Ok(Ended::Refused(failure) | Ended::Blocked(failure)) | Err(Stop::Ours(failure)) => Err(failure),
            Ok(Ended::Spent(failure)) => {
                self.spent.set(true);
                Err(failure)
            }
            // Nothing else stops a read.
            Err(_) => Err(Failure::transient("looking", "interrupted")),
        }
    }

    /// Waits, unless the user interrupts.
    ///
    /// # Errors
    /// When the user interrupted: pass it on, the engine knows what it means.
    pub async fn pause(&self, duration: Duration) -> Result<(), Failure> {
        crash::at("waiting");
        tokio::select! {
            () = self.clock.sleep(duration) => Ok(()),
            () = self.cancel.cancelled() => Err(Failure::transient("waiting", "interrupted")),
        }
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
