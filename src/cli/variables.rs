//! The environment variables that the program itself reads.

use crate::env::{Env, NotText};
use crate::journal::GivenKey;

/// Tells a process that it is the detached one, which goes on with a run by itself.
pub(super) const DETACHED: &str = "DEPLOYCTL_DETACHED";

/// Whether this process is the detached one.
pub(super) fn is_detached(env: &Env) -> bool {
    env.get(DETACHED) == Some("1")
}

/// The journal's key, from a variable.
pub(super) fn given_key(env: &Env, name: &'static str) -> Option<GivenKey> {
    env.get(name).map(|text| GivenKey { name, text: text.to_owned().into() })
}

/// Makes sure that the variables which the program reads are text. Otherwise they would count as not set.
pub(super) fn expect_text(env: &Env) -> Result<(), NotText> {
    let is_ours = |name: &str| {
        ["OCI_", "DEPLOYCTL_"].iter().any(|prefix| name.starts_with(prefix))
            || ["HOME", "XDG_STATE_HOME", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].contains(&name)
    };
    // A path may consist of any bytes, and this variable is read as bytes.
    let is_path = |name: &str| name == "DEPLOYCTL_JOURNAL";
    let odd = env.unreadable().find(|name| is_ours(name) && !is_path(name));
    odd.map_or(Ok(()), |name| Err(NotText(name.to_owned())))
}
