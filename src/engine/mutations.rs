//! Finds the code that undoes a mutation by the name in the journal: a rollback walks the journal and not the workflow.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::activity::{Done, Mutation, Undone};
use super::codec;
use super::cx::Cx;
use crate::journal::Kept;
use crate::run::{Facts, Failure, FailureKind};

type Undoing<'a> = Pin<Box<dyn Future<Output = Result<Undone, Failure>> + Send + 'a>>;
type Undo<W> = for<'a> fn(&'a Kept, Option<&'a Kept>, &'a Cx<'a, W>) -> Undoing<'a>;

/// What the program knows of a mutation by its name alone.
struct Entry<W> {
    undo: Undo<W>,
    stays: fn(&Kept) -> Result<Facts, Failure>,
    mask: fn(&Kept, &W),
    limit: fn(&Kept) -> Option<Duration>,
}

/// The mutations that a program can undo, by name.
pub(super) struct Mutations<W>(BTreeMap<&'static str, Entry<W>>);

impl<W: Sync + 'static> Mutations<W> {
    pub(super) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a mutation.
    ///
    /// # Panics
    /// When two mutations have the same name.
    pub(super) fn add<A: Mutation<World = W> + 'static>(&mut self) {
        for name in std::iter::once(&A::NAME).chain(A::ALIASES) {
            let entry = Entry {
                undo: |input, output, cx| Box::pin(undo::<A>(input, output, cx)),
                stays: stays::<A>,
                mask: mask::<A>,
                limit: limit::<A>,
            };
            let earlier = self.0.insert(name, entry);
            assert!(earlier.is_none(), "two mutations are named {name}");
        }
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Undoes a step of the journal.
    pub(super) async fn undo<'a>(
        &self,
        name: &str,
        input: &'a Kept,
        output: Option<&'a Kept>,
        cx: &'a Cx<'a, W>,
    ) -> Result<Undone, Failure> {
        match self.0.get(name) {
            Some(entry) => (entry.undo)(input, output, cx).await,
            None => Err(unknown(name)),
        }
    }

    /// The time limit of one part of the undo.
    pub(super) fn limit(&self, name: &str, input: &Kept) -> Option<Duration> {
        self.0.get(name).and_then(|entry| (entry.limit)(input))
    }

    /// Tells the world what to mask of a step.
    pub(super) fn mask(&self, name: &str, input: &Kept, world: &W) {
        if let Some(entry) = self.0.get(name) {
            (entry.mask)(input, world);
        }
    }

    /// What earlier compensations must know of a step whose effect stays.
    pub(super) fn stays(&self, name: &str, input: &Kept) -> Result<Facts, Failure> {
        self.0.get(name).map_or_else(|| Err(unknown(name)), |entry| (entry.stays)(input))
    }
}

/// The refusal of a mutation that is not registered: what cannot be undone must not be carried out.
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
    input: &Kept,
    output: Option<&Kept>,
    cx: &Cx<'_, A::World>,
) -> Result<Undone, Failure> {
    // The failure is permanent, so that a person can resolve it: no later attempt could read the value either.
    let for_good = |failure: Failure| Failure { kind: FailureKind::Permanent, ..failure };
    let activity: A = read::<A, A>(input).map_err(for_good)?;
    let output: Option<A::Output> = output.map(read::<A, A::Output>).transpose().map_err(for_good)?;
    let done = output.as_ref().map_or(Done::InDoubt, Done::Known);
    activity.compensate(done, cx).await
}

fn stays<A: Mutation>(input: &Kept) -> Result<Facts, Failure> {
    Ok(read::<A, A>(input)?.stays())
}

/// An unreadable input has no limit here: the undo itself refuses it.
fn limit<A: Mutation>(input: &Kept) -> Option<Duration> {
    read::<A, A>(input).ok()?.limit()
}

/// An unreadable input is ignored here for the same reason.
fn mask<A: Mutation>(input: &Kept, world: &A::World) {
    if let Ok(activity) = read::<A, A>(input) {
        activity.mask(world);
    }
}

fn read<A: Mutation, V: DeserializeOwned>(kept: &Kept) -> Result<V, Failure> {
    codec::read(kept).map_err(|unfit| {
        Failure::ours(format!("reading what the journal holds of {}", A::NAME), unfit.to_string())
    })
}
