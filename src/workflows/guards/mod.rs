//! The things that a run must never do: take the last healthy backend of a set out of service, or delete an instance that is
//! still a backend. They are checked at the moment of the change, not from memory.

mod backends;
mod identity;
mod leaving;
mod owner;
mod service;

pub(super) use backends::is_no_backend;
pub(super) use identity::is_still_retiring;
pub(super) use leaving::{Predecessors, may_leave};
pub(super) use owner::{is_new_instance, old_instance_is_there};
pub(super) use service::{another_serves, is_last, is_reached, others_serve};
