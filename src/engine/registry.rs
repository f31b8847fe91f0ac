//! From the name of a mutation in the journal to the code that undoes it. Only rollback needs it: it walks the
//! journal, not the workflow.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde_json::Value;

use super::activity::{Cx, Done, Mutation};
use crate::run::{Facts, Failure};

type Undoing<'a> = Pin<Box<dyn Future<Output = Result<Facts, Failure>> + 'a>>;
type Undo<W> = for<'a> fn(&'a Value, Option<&'a Value>, &'a Cx<'a, W>) -> Undoing<'a>;

/// The mutations that a binary can undo.
pub struct Registry<W> {
    undos: BTreeMap<&'static str, Undo<W>>,
}

impl<W: 'static> Registry<W> {
    /// A registry without mutations.
    pub const fn new() -> Self {
        Self { undos: BTreeMap::new() }
    }

    /// Adds a mutation.
    ///
    /// # Panics
    /// When two mutations have one name: the journal could not tell them apart.
    #[must_use]
    pub fn mutation<A: Mutation<World = W> + 'static>(mut self) -> Self {
        let earlier = self.undos.insert(A::NAME, |input, output, cx| Box::pin(undo::<A>(input, output, cx)));
        assert!(earlier.is_none(), "two mutations are named {}", A::NAME);
        self
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.undos.contains_key(name)
    }

    /// Undoes the step that the journal holds.
    pub(super) async fn undo<'a>(
        &self,
        name: &str,
        input: &'a Value,
        output: Option<&'a Value>,
        cx: &'a Cx<'a, W>,
    ) -> Result<Facts, Failure> {
        match self.undos.get(name) {
            Some(undo) => undo(input, output, cx).await,
            None => Err(unknown(name)),
        }
    }
}

impl<W: 'static> Default for Registry<W> {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) fn unknown(name: &str) -> Failure {
    Failure::ours(
        format!("undoing {name}"),
        "this version of deployctl does not know that step: use the version that started the run, or a newer one",
    )
}

async fn undo<A: Mutation>(
    input: &Value,
    output: Option<&Value>,
    cx: &Cx<'_, A::World>,
) -> Result<Facts, Failure> {
    let unreadable = |error: serde_json::Error| {
        Failure::ours(format!("reading what the journal holds of {}", A::NAME), error.to_string())
    };
    let activity: A = serde_json::from_value(input.clone()).map_err(unreadable)?;
    let output: Option<A::Output> = match output {
        Some(output) => Some(serde_json::from_value(output.clone()).map_err(unreadable)?),
        None => None,
    };
    let done = output.as_ref().map_or(Done::InDoubt, Done::Known);
    activity.compensate(done, cx).await
}
