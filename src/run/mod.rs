//! The vocabulary: what a run is, in which states it and its steps can be, and what happened to them.
//!
//! Pure data, at the bottom of the house: no async, no IO, no clock. The journal stores these words, the engine
//! moves between them, and the command line prints them.

mod confidential;

pub use confidential::{CONFIDENTIAL_KEY, Confidential, MASK, mask};
