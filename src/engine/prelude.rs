//! What a workflow, and a program that drives one, needs: `use deployctl::engine::prelude::*`.

pub use super::{
    Activity, Arranged, Cx, Done, End, Engine, Foresight, Mutation, Outcome, Preview, Read, Registry, Run,
    Started, Stop, Trials, Undone, Wait, Workflow,
};
pub use crate::journal::Journal;
pub use crate::run::{Failure, OnFailure, RunId, Target};
