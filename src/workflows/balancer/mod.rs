//! Changes of a load balancer. They are made one at a time; each reads before it writes, and is followed to the end of its
//! work.
//!
//! The invariant: nothing is sent while the load balancer works on something else, and the cloud refuses a change if the load
//! balancer changed after we read it. A compensation never relies on a read alone.

mod again;
mod change;
mod health;
mod others;
mod pace;
mod place;
mod reach;
mod read;
mod versions;
mod work;

pub(super) use again::until_checked;
pub(super) use change::{Replaced, finish, has_flags, remove, remove_set, replace, send, set_flags};
pub(super) use health::{are_all_well, health, until_healthy, unwell};
pub(super) use others::{others_fact, was_there_before};
pub use pace::Pace;
pub(super) use pace::Read;
pub(super) use place::Place;
pub(super) use reach::{has_listener, is_set_used};
pub(super) use read::{
    COMPARTMENT_FACT, SURE_AFTER, is_open, last_change, now, open_before, when_idle, when_idle_unless_gone,
    when_surely_idle,
};
pub use versions::Versions;
pub(super) use work::{Expected, failed, follow_to, work_failure};
