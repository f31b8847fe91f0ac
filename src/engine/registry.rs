//! From a name in the journal to the code: a mutation's undo, since a rollback walks the journal and not the workflow,
//! and the workflow of a run that is resumed.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::activity::{Done, Mutation, Undone};
use super::cx::Cx;
use super::drive::{Engine, Taken};
use super::stop::{Outcome, UnknownWorkflow};
use super::workflow::Workflow;
use crate::journal::Lease;
use crate::run::{Facts, Failure};

type Undoing<'a> = Pin<Box<dyn Future<Output = Result<Undone, Failure>> + Send + 'a>>;
type Undo<W> = for<'a> fn(&'a Value, Option<&'a Value>, &'a Cx<'a, W>) -> Undoing<'a>;

/// What is known of a mutation by its name alone.
struct Entry<W> {
    undo: Undo<W>,
    stays: fn(&Value) -> Result<Facts, Failure>,
    conceal: fn(&Value, &W),
}

/// Goes on with a run that was taken, as one of its workflow.
pub(super) type Resume<W> =
    for<'a> fn(&'a Engine<'a, W>, Lease, Taken, Value) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The mutations that a binary can undo, and the workflows whose runs it can go on with.
pub struct Registry<W> {
    entries: BTreeMap<&'static str, Entry<W>>,
    workflows: BTreeMap<&'static str, (u32, Resume<W>)>,
}

impl<W: Sync + 'static> Registry<W> {
    /// An empty registry.
    pub const fn new() -> Self {
        Self { entries: BTreeMap::new(), workflows: BTreeMap::new() }
    }

    /// Adds a workflow: its runs are found by the name and the version that the journal holds.
    ///
    /// # Panics
    /// When two workflows have one name: the journal could not tell them apart.
    #[must_use]
    pub fn workflow<F: Workflow<World = W> + 'static>(mut self) -> Self {
        let resume: Resume<W> =
            |engine, lease, taken, input| Box::pin(engine.resume_as::<F>(lease, taken, input));
        let earlier = self.workflows.insert(F::NAME, (F::VERSION, resume));
        assert!(earlier.is_none(), "two workflows are named {}", F::NAME);
        self
    }

    /// How a run of this workflow is gone on with.
    pub(super) fn resuming(&self, workflow: &str, version: u32) -> Result<Resume<W>, UnknownWorkflow> {
        match self.workflows.get(workflow) {
            Some((own, resume)) if *own == version => Ok(*resume),
            Some(_) | None => {
                let known = self.workflows.iter().map(|(name, (version, _))| (*name, *version)).collect();
                Err(UnknownWorkflow { workflow: workflow.to_owned(), version, known })
            }
        }
    }

    /// Adds a mutation.
    ///
    /// # Panics
    /// When two mutations have one name: the journal could not tell them apart.
    #[must_use]
    pub fn mutation<A: Mutation<World = W> + 'static>(mut self) -> Self {
        let entry = Entry {
            undo: |input, output, cx| Box::pin(undo::<A>(input, output, cx)),
            stays: stays::<A>,
            conceal: conceal::<A>,
        };
        let earlier = self.entries.insert(A::NAME, entry);
        assert!(earlier.is_none(), "two mutations are named {}", A::NAME);
        self
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Undoes the step that the journal holds.
    pub(super) async fn undo<'a>(
        &self,
        name: &str,
        input: &'a Value,
        output: Option<&'a Value>,
        cx: &'a Cx<'a, W>,
    ) -> Result<Undone, Failure> {
        match self.entries.get(name) {
            Some(entry) => (entry.undo)(input, output, cx).await,
            None => Err(unknown(name)),
        }
    }

    /// Tells the world what of a step must not be shown.
    pub(super) fn conceal(&self, name: &str, input: &Value, world: &W) {
        if let Some(entry) = self.entries.get(name) {
            (entry.conceal)(input, world);
        }
    }

    /// What earlier compensations must know of a step whose effect stays.
    pub(super) fn stays(&self, name: &str, input: &Value) -> Result<Facts, Failure> {
        self.entries.get(name).map_or_else(|| Err(unknown(name)), |entry| (entry.stays)(input))
    }
}

impl<W: Sync + 'static> Default for Registry<W> {
    fn default() -> Self {
        Self::new()
    }
}

/// A mutation that could not be undone must not be carried out.
pub(super) fn unregistered(name: &str) -> Failure {
    Failure::ours(format!("carrying out {name}"), "it is not registered, and could not be undone")
}

pub(super) fn unknown(name: &str) -> Failure {
    Failure::ours(
        format!("undoing {name}"),
        "this version of the program does not know that step: use the version that started the run, or a newer one",
    )
}

async fn undo<A: Mutation>(
    input: &Value,
    output: Option<&Value>,
    cx: &Cx<'_, A::World>,
) -> Result<Undone, Failure> {
    let activity: A = read::<A, A>(input)?;
    let output: Option<A::Output> = output.map(read::<A, A::Output>).transpose()?;
    let done = output.as_ref().map_or(Done::InDoubt, Done::Known);
    activity.compensate(done, cx).await
}

fn stays<A: Mutation>(input: &Value) -> Result<Facts, Failure> {
    Ok(read::<A, A>(input)?.stays())
}

/// What cannot be read is refused when it is to be undone.
fn conceal<A: Mutation>(input: &Value, world: &A::World) {
    if let Ok(activity) = read::<A, A>(input) {
        activity.conceal(world);
    }
}

fn read<A: Mutation, V: DeserializeOwned>(stored: &Value) -> Result<V, Failure> {
    serde_json::from_value(stored.clone()).map_err(|error| {
        Failure::ours(format!("reading what the journal holds of {}", A::NAME), error.to_string())
    })
}
