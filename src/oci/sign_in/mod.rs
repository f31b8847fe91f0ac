//! Chooses how a process signs in, with the official CLI's precedence, and makes the client of the cloud from that.
//!
//! [`Settings`] gather the values of flags, variables and files. They hold no secret, and may be stored with a run.
//! [`SignIn`] makes an [`Oci`](super::Oci) from them.

mod access;
mod auth;
mod error;
mod notice;
mod regions;
mod settings;
mod user_key;
mod way;

pub use auth::Auth;
pub use error::AccessError;
pub use notice::Notice;
pub use settings::{Flags, Setting, Settings};
pub use user_key::UserKey;
pub use way::SignIn;
