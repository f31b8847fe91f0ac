//! The command line: it formats, and never decides.

mod abandon;
mod again;
mod args;
mod cause;
mod check;
mod confirm;
#[cfg(all(feature = "probe", feature = "sandbox"))]
mod demo;
mod detach;
mod drive;
mod exit;
mod foresee;
mod gate;
mod history;
mod io;
mod journal;
mod key;
mod log;
mod meant;
mod opening;
mod problem;
mod prune;
mod recover;
mod recovered;
mod reporter;
mod resolve;
mod revisions;
mod run;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serving;
mod session;
mod signals;
mod status;
mod steer;
mod ui;
mod unchanged;
mod usage;
mod variables;
mod wait;

pub use exit::Exit;
pub use io::Io;
pub use run::run;
