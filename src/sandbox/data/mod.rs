//! The data plane: containers that answer HTTP, health checks, and a proxy for each listener.

mod app;
mod balance;
mod ending;
mod fleet;
pub(super) mod health;
mod listeners;
mod pool;
mod proxy;
mod reach;

pub(super) use ending::{close, crash, cut_off, exit, traffic};
pub(super) use fleet::Fleet;
pub(super) use listeners::open_listeners;
