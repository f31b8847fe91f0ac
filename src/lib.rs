//! `deployctl` replaces an Oracle Cloud container instance without dropping a request.
//!
//! The modules stand in reading order, the bottom of the house first: each may use those above it in this list
//! and none below. `tests/it/layers.rs` holds that, and `ARCHITECTURE.md` says why.

pub mod run;

pub mod crash;

pub mod file;

pub mod clock;
pub mod retry;

pub mod journal;

pub mod engine;

pub mod oci;

pub mod config;

pub mod workflows;

#[cfg(feature = "sandbox")]
pub mod sandbox;

pub mod cli;
