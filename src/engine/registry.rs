//! What a program registers: the mutations that it can undo, and the workflows whose runs it can resume.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde_json::Value;

use super::activity::Mutation;
use super::codec::{decode, through};
use super::mutations::Mutations;
use super::run::Run;
use super::stop::{Stop, UnknownWorkflow};
use super::workflow::Workflow;
use crate::run::Failure;

/// A workflow's steps, with input and output in the form that the journal holds.
pub(super) type Steps<W> = for<'a> fn(
    &'a mut Run<'_, W>,
    &'a Value,
) -> Pin<Box<dyn Future<Output = Result<Value, Stop>> + Send + 'a>>;

/// The mutations that a binary can undo, and the workflows whose runs it can resume.
pub struct Registry<W> {
    pub(super) mutations: Mutations<W>,
    workflows: BTreeMap<&'static str, (u32, Steps<W>)>,
}

impl<W: Sync + 'static> Registry<W> {
    /// An empty registry.
    pub const fn new() -> Self {
        Self { mutations: Mutations::none(), workflows: BTreeMap::new() }
    }

    /// Adds a workflow. Its runs are found by the name and the version in the journal.
    ///
    /// # Panics
    /// When two workflows have the same name: the journal could not distinguish them.
    #[must_use]
    pub fn workflow<F: Workflow<World = W> + 'static>(mut self) -> Self {
        for name in std::iter::once(&F::NAME).chain(F::ALIASES) {
            let earlier = self.workflows.insert(name, (F::VERSION, steps::<F>));
            assert!(earlier.is_none(), "two workflows are named {name}");
        }
        self
    }

    /// The steps of this workflow in this version.
    pub(super) fn steps_of(&self, workflow: &str, version: u32) -> Result<Steps<W>, UnknownWorkflow> {
        match self.workflows.get(workflow) {
            Some((own, steps)) if *own == version => Ok(*steps),
            Some(_) | None => {
                let known = self.workflows.iter().map(|(name, (version, _))| (*name, *version)).collect();
                Err(UnknownWorkflow { workflow: workflow.to_owned(), version, known })
            }
        }
    }

    /// Adds a mutation.
    ///
    /// # Panics
    /// When two mutations have the same name: the journal could not distinguish them.
    #[must_use]
    pub fn mutation<A: Mutation<World = W> + 'static>(mut self) -> Self {
        self.mutations.add::<A>();
        self
    }
}

impl<W: Sync + 'static> Default for Registry<W> {
    fn default() -> Self {
        Self::new()
    }
}

/// The steps of a workflow, for any input and output.
pub(super) fn steps<'a, F: Workflow>(
    run: &'a mut Run<'_, F::World>,
    input: &'a Value,
) -> Pin<Box<dyn Future<Output = Result<Value, Stop>> + Send + 'a>> {
    Box::pin(async move {
        let input: F::Input = decode(input).map_err(|unfit| {
            Stop::Ours(Failure::ours("reading the run's input from the journal", unfit.to_string()))
        })?;
        let output = F::steps(run, &input).await?;
        let (output, _) =
            through(&output).map_err(|unfit| Stop::Ours(unfit.failure("what the workflow comes to")))?;
        Ok(output)
    })
}
