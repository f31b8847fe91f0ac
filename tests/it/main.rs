//! The integration tests: the real binary against a real sandbox with a real journal. One module a topic.

mod harness;

mod ambiguity;
mod auth;
mod conformance;
mod control;
mod engine;
mod faults;
mod history;
mod hostile;
mod journal;
mod layers;
mod leases;
mod matrix;
mod old_library;
mod recovery;
mod refusals;
mod secrets;
mod signals;
mod specification;
mod start;
