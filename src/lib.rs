//! `deployctl` replaces an Oracle Cloud container instance without dropping a request. Below it is an engine for any
//! workflow: journaled runs of typed, idempotent activities, which are resumed from their checkpoints after a crash and
//! rolled back by their compensations.
//!
//! # As a library
//!
//! `deployctl = { version = "0.1", default-features = false, features = ["engine"] }` is only the engine and its journal.
//! This is a workflow of another program, with its undo, and with the test that kills it at every instant:
//!
//! ```ignore
#![doc = include_str!("../examples/setup.rs")]
//! ```
//!
//! The engine promises: an intent is committed before anything of its step is done; a result is committed in one
//! transaction with the event that reports it; one process at a time advances a run; a step with a checkpoint is not done
//! again; nothing is reported before it is committed. It asks: an activity that is repeated has the effect of one that is
//! done once; a workflow asks for the same steps in the same order if it gets the same results.
//!
//! Do not use it for steps that take less than a few milliseconds (each costs two commits that reach the disk), for runs of
//! more than some ten thousand steps, for steps that run in parallel, or for workers on several machines with one
//! journal: the journal is a file of one machine. Unix only.
//!
//! # The house
//!
//! The modules are in reading order, the bottom of the house first: each may use the modules above it in this list and
//! none below. `tests/it/layers.rs` checks that, and `ARCHITECTURE.md` says why.

pub mod run;

pub mod crash;

pub mod file;

pub mod clock;
pub mod env;
pub mod retry;

#[cfg(feature = "probe")]
pub mod probe;

#[cfg(feature = "engine")]
pub mod journal;

#[cfg(feature = "engine")]
pub mod engine;

#[cfg(feature = "oci")]
pub mod oci;

#[cfg(feature = "config")]
pub mod config;

#[cfg(feature = "workflows")]
pub mod workflows;

#[cfg(feature = "sandbox")]
pub mod sandbox;

#[cfg(feature = "cli")]
pub mod cli;
