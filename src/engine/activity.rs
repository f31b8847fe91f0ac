//! What a step does: reads, waits and mutations, each with what makes it safe to repeat.
//!
//! The value of an activity is its own input: the journal stores the struct itself. Three traits instead of a
//! flag, so that a workflow shows the effect at the call, and a mutation without an undo does not compile.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cx::Cx;
use crate::run::{Facts, Failure};

/// One idempotent operation. What is stored is the struct itself.
pub trait Activity: Serialize + DeserializeOwned + Send + Sync {
    /// The step's name in the journal, on the screen and in scripts. It outlives this binary: never reuse one.
    const NAME: &'static str;
    /// The names that it had in earlier versions: their runs are gone on with, and rolled back.
    const ALIASES: &'static [&'static str] = &[];
    /// What it may touch, and nothing else.
    type World: Sync;
    /// Its result. Stored as the checkpoint and returned as it is on resume.
    type Output: Serialize + DeserializeOwned + Send + Sync;

    /// What it acts on, when one step of this name must be told from another.
    fn subject(&self) -> Option<String> {
        None
    }

    /// What of it must be the same when a run is gone on with: all of it, unless this says otherwise. A step that differs
    /// in that from the one that is recorded is another step, and the run stops there.
    fn identity(&self) -> Option<Value> {
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

    /// Tells the world what to mask of this input, before anything is done; in a rollback, before anything is undone.
    fn mask(&self, _world: &Self::World) {}

    /// Tells the world what to mask of a result, also of one that was checkpointed.
    fn mask_output(_output: &Self::Output, _world: &Self::World) {}

    /// How long one attempt may take, and one at a part of its compensation. One that takes longer is dropped and tried
    /// again, as after a transient failure; a mutation is in doubt then, so that [`Mutation::adopt`] is asked first.
    fn limit(&self) -> Option<Duration> {
        None
    }

    /// Does it once. The engine retries transient failures and passes on the others.
    ///
    /// # Cancellation
    /// Reads and waits may be dropped at any await. A mutation is dropped when it takes longer than its limit or, after
    /// an interruption, than the engine's grace, and when the lease is lost: its step is then in doubt.
    fn execute(&self, cx: &Cx<'_, Self::World>)
    -> impl Future<Output = Result<Self::Output, Failure>> + Send;
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

    /// The change that [`Activity::execute`] would make. Confidential values in it are masked.
    fn preview(&self) -> Preview;

    /// What an earlier, in-doubt attempt of this very step left behind; asked before anything is repeated, on resume
    /// and after an attempt that failed. The default answers that nothing is known, for mutations whose `execute` reads and compares first.
    fn adopt(
        &self,
        _cx: &Cx<'_, Self::World>,
    ) -> impl Future<Output = Result<Option<Self::Output>, Failure>> + Send {
        async { Ok(None) }
    }

    /// Takes the change back, or one part of it: like `execute`, it makes at most one change each time.
    /// Repeated until it succeeds, so it must be idempotent. No default: whoever changes something says how it is changed
    /// back, and its doc says which of the three correct forms for [`Done::InDoubt`] it uses (docs/design/doubt.md).
    fn compensate(
        &self,
        done: Done<&Self::Output>,
        cx: &Cx<'_, Self::World>,
    ) -> impl Future<Output = Result<Undone, Failure>> + Send;

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

/// A change, as a plan shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// In a line, for people.
    pub what: String,
    /// The same for scripts, in whatever form they read.
    pub details: Value,
}

impl Preview {
    /// A change that scripts see as people do: `{"what": …}`.
    pub fn of(what: impl Into<String>) -> Self {
        let what = what.into();
        Self { details: json!({"what": what}), what }
    }
}

/// As scripts read it.
impl Serialize for Preview {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.details.serialize(serializer)
    }
}
