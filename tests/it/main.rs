//! The integration tests: the real binary against a real sandbox with a real journal. One module a topic.

mod harness;

mod conformance;
mod control;
mod faults;
mod history;
mod layers;
mod recovery;
mod refusals;
mod secrets;
mod start;
