//! Container instances: creating them, finding ours by their tags, waiting until they run, and deleting them to
//! the end.

mod create;
pub(super) mod keeping;
pub(super) mod kept;
pub(super) mod mark;
mod own;
mod running;
mod standing;
mod watched;

pub(super) use create::{TokenOf, create, is_refusal};
pub(super) use mark::{SPECIFICATION_TAG, specification_of};
pub(super) use own::{
    OF_THE_UNDO, carries, created_at, find_tagged, is_made_here, is_remade, listed, made_by, own_tags,
    run_of, tagged,
};
pub(super) use running::{
    Reached, Running, addresses, only_ipv6, reached, still_runs, until_located, until_running,
};
pub(super) use standing::{Standing, delete, outrun, standing, state};
pub(super) use watched::A_MOMENT;
pub use watched::Watched;
