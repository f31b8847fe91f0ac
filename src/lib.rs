//! `deployctl` replaces an Oracle Cloud container instance without dropping a request. Beneath it is an engine for anybody's
//! workflows: journaled runs of typed, idempotent activities, resumed from their checkpoints after a crash and rolled back
//! by their compensations.
//!
//! # As a library
//!
//! `deployctl = { version = "0.1", default-features = false, features = ["engine"] }` is the engine and its journal alone. This
//! is a workflow of somebody else's, with its undo, and with the test that kills it at every instant:
//!
//! ```ignore
#![doc = include_str!("../examples/setup.rs")]
//! ```
//!
//! What is promised: an intent is committed before anything of its step is done, and a result in one transaction with the
//! event that tells of it; a run is advanced by one process at a time; what has a checkpoint is not done again; what is
//! told was committed first. What is asked: an activity that is repeated is as one done once, and a workflow asks for the
//! same steps in the same order when it gets the same results.
//!
//! Do not use it where a step takes less than a few milliseconds (each costs two commits that reach the disk), for runs of
//! more than some ten thousand steps, for steps that run side by side, or for workers on several machines that share one
//! journal: that is a file of one machine. Unix only.
//!
//! # The house
//!
//! The modules stand in reading order, the bottom of the house first: each may use those above it in this list
//! and none below. `tests/it/layers.rs` holds that, and `ARCHITECTURE.md` says why.

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
