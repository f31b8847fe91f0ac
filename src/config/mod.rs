//! From a file to valid types: EDN with Aero's tags, YAML and JSON, and the flags over them.
//!
//! All problems are found at once, each with its file, its place and what was expected. No raw value leaves this room.

mod aero;
mod backends;
mod casing;
mod changes;
mod credentials;
mod deployment;
mod deps;
mod edn;
mod exact;
mod filter;
mod identity;
mod instance;
mod interpolation;
mod limits;
mod load;
mod matching;
mod merge;
mod node;
mod number;
mod plain;
mod policy;
mod predecessor;
mod problem;
mod read;
mod schema;
mod secrecy;
mod shape;

pub use backends::BACKENDS_LIMIT;
pub use changes::{Change, changes};
pub use credentials::{Credentials, CredentialsSource};
pub use deployment::{BackendTarget, Deployment};
pub use filter::Filter;
pub use identity::{Belongs, DeploymentTag, DeploymentTarget, Origin};
pub use load::{Loaded, Overrides, Scope, Sources, load, load_scope};
pub use matching::{CLOUDS_NAMESPACE, DEPLOYMENT_TAG, Difference, Matching, OUR_TAG_PREFIX};
pub use policy::{Disposal, MinReady, Policy, Register, Until};
pub use predecessor::Predecessor;
pub use problem::{Position, Problem, Problems};
pub use schema::json_schema;
pub use secrecy::{Secrecy, images, masked_instance, masked_places, secret_texts};
