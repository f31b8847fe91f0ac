//! What a step does: reads, waits and mutations. Each type says what makes it safe to repeat.
//!
//! An activity's value is its own input: the journal stores the struct itself. The kinds are three traits and not a
//! flag, so that a workflow shows the effect at the call, and a mutation without an undo does not compile.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cx::Cx;
use crate::run::{Facts, Failure};

/// One idempotent operation. The journal stores the struct itself.
pub trait Activity: Serialize + DeserializeOwned + Send + Sync {
    /// The step's name in the journal, on the screen and in scripts. It outlives this binary, so never reuse a name.
    const NAME: &'static str;
    /// The names that the activity had in earlier versions. Runs that hold such a name can be resumed and rolled back.
    const ALIASES: &'static [&'static str] = &[];
    /// The only thing that the activity may touch.
    type World: Sync;
    /// The result. It is stored as the checkpoint and returned unchanged on resume.
    type Output: Serialize + DeserializeOwned + Send + Sync;

    /// What the activity acts on, if several steps of this name must be distinguished.
    fn subject(&self) -> Option<String> {
        None
    }

    /// The part of the input that must be the same on a resume: all of it, unless the activity overrides this. A step
    /// that differs there from the recorded step is another step, and the run stops.
    fn identity(&self) -> Option<Value> {
        None
    }

    /// A short note on the result, for people. It must not contain a secret.
    fn note(_output: &Self::Output) -> Option<String> {
        None
    }

    /// Facts for compensations and reports. They must not contain a secret.
    fn facts(_output: &Self::Output) -> Facts {
        Facts::new()
    }

    /// Tells the world what to mask of this input, before anything is done. In a rollback, it is called before anything
    /// is undone.
    fn mask(&self, _world: &Self::World) {}

    /// Tells the world what to mask of a result, including a checkpointed one.
    fn mask_output(_output: &Self::Output, _world: &Self::World) {}

    /// The time limit of one attempt, and of one attempt at a part of the compensation. An attempt that takes longer is
    /// dropped and repeated, as after a transient failure. A mutation is then in doubt, so [`Mutation::adopt`] is asked
    /// first.
    fn limit(&self) -> Option<Duration> {
        None
    }

    /// Does it once. The engine retries transient failures and passes other failures on.
    ///
    /// # Cancellation
    /// Reads and waits may be dropped at any await. A mutation is dropped when it takes longer than its limit, when it
    /// takes longer than the engine's grace after an interruption, and when the lease is lost. Its step is then in
    /// doubt.
    fn execute(&self, cx: &Cx<'_, Self::World>)
    -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// An activity that only reads. A plan really carries it out.
pub trait Read: Activity {
    /// What a run whose journal is lost has read here, as far as the world still shows it. The default reads now. A read
    /// of something that the run itself changes afterwards must look behind those changes.
    fn recall(&self, cx: &Cx<'_, Self::World>) -> impl Future<Output = Result<Self::Output, Failure>> + Send {
        self.execute(cx)
    }
}

/// An activity that waits for a condition.
pub trait Wait: Activity {
    /// The result that a plan assumes.
    fn foresee(&self) -> Self::Output;

    /// The result of this wait in a run whose journal is lost; `None` if the wait cannot be over. It counts only if a
    /// later change turns out to have been made; otherwise the wait begins anew. By default it is what a plan assumes.
    fn recall(
        &self,
        _cx: &Cx<'_, Self::World>,
    ) -> impl Future<Output = Result<Option<Self::Output>, Failure>> + Send {
        async { Ok(Some(self.foresee())) }
    }
}

/// An activity that makes at most one change.
pub trait Mutation: Activity {
    /// The result that a plan assumes.
    fn foresee(&self) -> Self::Output;

    /// The change that [`Activity::execute`] would make. Its confidential values are masked.
    fn preview(&self) -> Preview;

    /// Looks for the effect of an earlier attempt of this step that is in doubt. The engine asks before it repeats
    /// anything, on a resume and after a failed attempt. The default finds nothing, for mutations whose `execute` reads
    /// and compares first.
    fn adopt(
        &self,
        _cx: &Cx<'_, Self::World>,
    ) -> impl Future<Output = Result<Option<Self::Output>, Failure>> + Send {
        async { Ok(None) }
    }

    /// Looks for the effect of this step in a run whose journal is lost. Later steps may have changed it since. The
    /// default asks [`Mutation::adopt`], which is enough for an effect that later steps leave alone.
    fn recall(
        &self,
        cx: &Cx<'_, Self::World>,
    ) -> impl Future<Output = Result<Option<Self::Output>, Failure>> + Send {
        self.adopt(cx)
    }

    /// Takes the change back, or one part of it. Like `execute`, it makes at most one change per call. The engine calls
    /// it until it succeeds, so it must be idempotent. There is no default: each mutation says how it is changed back,
    /// and its doc says which of the three correct forms for [`Done::InDoubt`] it uses ([`doubt`](super::doubt)).
    fn compensate(
        &self,
        done: Done<&Self::Output>,
        cx: &Cx<'_, Self::World>,
    ) -> impl Future<Output = Result<Undone, Failure>> + Send;

    /// What the compensations of earlier steps must know when a person has said that this step's effect stays: they
    /// must not take away what the effect needs. By default it needs nothing.
    fn stays(&self) -> Facts {
        Facts::new()
    }
}

/// How far a compensation has come. The facts that it leaves are kept for its own next part and for the compensations
/// of earlier steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// The compensation is complete.
    Whole(Facts),
    /// One of several changes was made. It is checkpointed, and the compensation is called again.
    Part {
        /// The facts that it leaves.
        facts: Facts,
        /// A word or two on what was done.
        note: String,
    },
    /// What this compensation and those of all later steps have done is taken back again, because something else goes
    /// first. The run is suspended for this failure. When it goes on, all of them are made anew.
    Withdrawn {
        /// The facts that it leaves.
        facts: Facts,
        /// What goes first.
        failure: Failure,
    },
}

impl Undone {
    /// The compensation is complete, and leaves no facts.
    pub const fn whole() -> Self {
        Self::Whole(Facts::new())
    }
}

/// What is known of a step that is to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done<O> {
    /// The step completed with this result.
    Known(O),
    /// The step was begun and has no checkpoint. It may or may not have taken effect.
    InDoubt,
}

/// A change, as a plan shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// One line for people.
    pub what: String,
    /// The same change for scripts, in any form that they read.
    pub details: Value,
}

impl Preview {
    /// A change that scripts see as people do: `{"what": …}`.
    pub fn of(what: impl Into<String>) -> Self {
        let what = what.into();
        Self { details: json!({"what": what}), what }
    }
}

/// The form that scripts read.
impl Serialize for Preview {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.details.serialize(serializer)
    }
}
