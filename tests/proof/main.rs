//! The proof: every crash point, every signal, every storm. `cargo test --test proof` runs it. It takes a quarter of an hour,
//! so a plain `cargo test` leaves it out.

#![recursion_limit = "256"]

/// Every case, of which `it` runs a few.
const IS_WHOLE: bool = true;

#[expect(dead_code, unused_imports, reason = "each binary uses its part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod ambiguity;
mod engine;
mod errors;
mod fuzz;
mod habits;
mod leases;
mod lost_disk;
mod matrix;
mod old_journal;
mod power;
mod races;
mod signals;
mod storms;
mod trials;
