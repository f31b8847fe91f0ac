//! A faithful local OCI on one port, with a data plane that is real enough to break.
//!
//! It imports nothing from the crate. It is an independent witness, written from docs/oci.md and judged by the official SDK.
//! Container instances answer HTTP on addresses of their own; each listener of a load balancer is a real proxy.

mod admin;
mod audit;
mod control;
mod data;
mod doors;
mod faults;
mod files;
mod habits;
mod home;
mod identity;
mod lifecycle;
mod lock;
mod made;
mod options;
mod pace;
mod past;
mod principals;
mod resume;
mod running;
mod scenery;
mod seed;
mod server;
mod shared;
mod state;
mod store;
mod tokens;
mod verify;
mod wire;

pub use identity::Identity;
pub use options::{Options, Seed};
pub use running::{Handle, Sandbox};
