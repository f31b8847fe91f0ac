//! A workflow, and what a run of it is started with.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::codec::through;
use super::run::Run;
use super::stop::Stop;
use crate::journal::{NewRun, StartError};
use crate::run::{Facts, OnFailure, Target};

/// A sequence of steps with a name and a version.
pub trait Workflow {
    /// The name in the journal.
    const NAME: &'static str;
    /// The names that the workflow had in earlier versions.
    const ALIASES: &'static [&'static str] = &[];
    /// The version. It goes up when runs of the previous version could not be continued. Such a run can only be rolled
    /// back here, which needs its activities but not its workflow; the program that started it can still resume it.
    /// [`Run::patched`] allows to add steps without a new version.
    const VERSION: u32 = 1;
    /// What the activities may touch.
    type World: Sync + 'static;
    /// The input. It is stored with the run.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// The output, in a plan and in a run.
    type Output: Serialize + DeserializeOwned + Send;

    /// The steps. Given the same results, it must ask for the same steps in the same order.
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
    /// What the caller needs to resume the run. It must not contain a secret.
    pub context: Value,
    /// What happens when a step fails for good.
    pub on_failure: OnFailure,
    /// The target that the run holds from its first moment.
    pub target: Target,
    /// What is known of the run from its first moment, such as who started it. It must not contain a secret.
    pub facts: Facts,
}

impl Started {
    /// A run of this name that holds `target` from its first moment, and is rolled back when a step fails for good.
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        let (context, facts) = (Value::Null, Facts::new());
        Self { name: name.into(), context, on_failure: OnFailure::Rollback, target, facts }
    }

    /// Sets what the caller needs to resume the run. It must not contain a secret.
    #[must_use]
    pub fn context(mut self, context: Value) -> Self {
        self.context = context;
        self
    }

    /// Sets what is known of the run from its first moment. It must not contain a secret.
    #[must_use]
    pub fn facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// What the journal records of a run of `F` with this input, and the input as it is stored.
    pub(super) fn run_of<F: Workflow>(self, input: &F::Input) -> Result<(NewRun, Value), StartError> {
        let (stored, _) = through(input)
            .map_err(|unfit| StartError::Unfit(unfit.failure(&format!("the input of {}", F::NAME))))?;
        let new = NewRun {
            workflow: F::NAME.to_owned(),
            workflow_version: F::VERSION,
            name: self.name,
            input: stored.clone(),
            context: self.context,
            on_failure: self.on_failure,
            target: self.target,
            facts: self.facts,
        };
        Ok((new, stored))
    }

    /// Sets what happens when a step fails for good.
    #[must_use]
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}
