//! The schema: which keys there are, and what each may hold.
//!
//! One table serves everything that follows from it: the check that finds every problem at once and names it by its path, the
//! conversion from the user's casing to the wire's, the nearest known key for an unknown one, and the JSON Schema for
//! editors. A struct for each of the API's 80 models would repeat the table, and could do none of these.

mod deployment;
mod instance;
mod json;
mod model;

pub(super) use deployment::{
    BACKEND, BALANCER_FILTER, CREDENTIALS, DEPLOYMENT, INSTANCE_FILTER, RETRY, STATES, STRATEGY,
};
pub(super) use instance::{BACKEND_SET, INSTANCE};
pub use json::json_schema;
pub(super) use model::{
    DEFINED_TAGS_LIMIT, Field, Kind, Model, TAG_NAME_LIMIT, TAG_VALUE_LIMIT, TAGS_LIMIT, Variant,
};
