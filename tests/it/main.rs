//! The integration tests: the real binary against a real sandbox with a real journal. One module per topic.

/// Only a few cases of the proof.
const IS_WHOLE: bool = false;

#[path = "../harness/mod.rs"]
mod harness;

#[path = "../proof/ambiguity.rs"]
mod ambiguity;
#[path = "../proof/engine.rs"]
mod engine;
#[path = "../proof/fuzz.rs"]
mod fuzz;
#[path = "../proof/habits.rs"]
mod habits;
#[path = "../proof/leases.rs"]
mod leases;
#[path = "../proof/lost_disk.rs"]
mod lost_disk;
#[path = "../proof/matrix.rs"]
mod matrix;
#[path = "../proof/old_journal.rs"]
mod old_journal;
#[path = "../proof/power.rs"]
mod power;
#[path = "../proof/races.rs"]
mod races;
#[path = "../proof/signals.rs"]
mod signals;
#[path = "../proof/storms.rs"]
mod storms;
#[path = "../proof/trials.rs"]
mod trials;

mod abandon;
mod api;
mod arbiter;
mod auth;
mod by_hand;
mod claims;
mod clouds;
mod conformance;
mod control;
mod crash_points;
mod crowd;
mod detach;
mod doors;
mod elsewhere;
mod endpoints;
mod exposed;
mod faults;
mod file;
mod filters;
mod forgotten;
mod gates;
mod going_back;
mod guarded;
mod history;
mod hostile;
mod identity;
mod journal;
mod kept;
mod keys;
mod layers;
mod library;
mod meaning;
mod names;
mod numbers;
mod obeyed;
mod old_library;
mod outcomes;
mod predecessors;
mod recover;
mod recovery;
mod refusals;
mod repeated;
mod revisions;
mod rollback;
mod screens;
mod secrets;
mod shifting;
mod specification;
mod start;
mod status;
mod substitutes;
mod takeover;
mod tampering;
mod terminal;
mod told;
mod unchanged;
mod unseen;
mod unused;
mod whole;
mod withdrawn;
