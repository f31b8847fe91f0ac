//! A workflow, and what a run of it is started with.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::run::Run;
use super::stop::Stop;
use crate::run::{OnFailure, Target};

/// A sequence of steps with a name and a version.
pub trait Workflow {
    /// The name, as the journal holds it.
    const NAME: &'static str;
    /// The names that it had in earlier versions.
    const ALIASES: &'static [&'static str] = &[];
    /// Grows when a run of the version before could not be continued. Such a run can only be rolled back here, which needs
    /// its activities and not its workflow; the program that started it can go on with it. [`Run::patched`] lets steps be
    /// put in without that.
    const VERSION: u32 = 1;
    /// What its activities may touch.
    type World: Sync + 'static;
    /// What it is given; stored with the run.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What it comes to, in a plan as in a run.
    type Output: Serialize + DeserializeOwned + Send;

    /// The steps. Must ask for the same steps in the same order whenever it gets the same results.
    fn steps(
        run: &mut Run<'_, Self::World>,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Self::Output, Stop>> + Send;
}

/// What a run is started with, besides the workflow's input.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Started {
    /// The deployment's name.
    pub name: String,
    /// What the caller needs to resume the run; never secret.
    pub context: Value,
    /// What follows when a step fails for good.
    pub on_failure: OnFailure,
    /// What the run holds from its first moment.
    pub target: Target,
}

impl Started {
    /// A run of this name that holds `target` from its first moment, and is rolled back when a step fails for good.
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Self { name: name.into(), context: Value::Null, on_failure: OnFailure::Rollback, target }
    }

    /// What the caller needs to resume the run; never secret.
    #[must_use]
    pub fn context(mut self, context: Value) -> Self {
        self.context = context;
        self
    }

    /// What follows when a step fails for good.
    #[must_use]
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}
