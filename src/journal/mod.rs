//! The journal: every run, step and event, in one SQLite file. The only room with SQL.
//!
//! The invariant: everything that is reported was committed first, and every write of a run names the fence of the
//! lease under which it is made. A run is written only through its [`Lease`].

mod abandon;
mod apply;
mod attest;
mod canary;
mod canonical;
mod change;
mod check;
mod checkpoint;
mod deaths;
mod error;
mod exposure;
mod find;
mod guard;
mod handle;
mod heart;
mod held;
mod kept;
mod key;
mod key_file;
mod kin;
mod lease;
mod lock;
mod mac;
mod open;
mod opening;
mod outcome;
mod patience;
mod prune;
mod read;
mod reseal;
mod resolve;
mod retry;
mod rotate;
mod row;
mod seal;
mod sqlite;
mod start;
mod step;
mod stored;
mod take;
mod target;
mod told;
mod wal;

pub use abandon::Abandonment;
pub use change::NewStep;
pub use checkpoint::Completion;
pub use deaths::Deaths;
pub use error::{JournalError, ResolveError, StartError, TakeError, TargetHeld, WriteError};
pub use exposure::Exposure;
pub use find::{FindError, Purpose};
pub use guard::{LEASE_LENGTH, LeaseGuard};
pub use handle::{Claim, Journal};
pub use held::boot_id;
pub use kept::Kept;
pub use key::{GivenKey, KeyOrigin, KeySource};
pub use kin::Kin;
pub use lease::Lease;
pub use read::History;
pub use rotate::{RotateError, Rotated};
pub use seal::SealError;
pub use start::NewRun;
pub use step::StoredStep;
pub use take::Take;
