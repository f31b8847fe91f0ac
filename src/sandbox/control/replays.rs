//! The answers to retry tokens that were used before.

use crate::sandbox::habits::{Habits, Replay};
use crate::sandbox::state::Spent;
use crate::sandbox::wire::Reply;

/// The key under which the token of a change is kept.
pub(super) fn spent_token(token: &str) -> String {
    format!("change/{token}")
}

/// The answer to a token that was used before: the result of that first use.
pub(super) fn replay(
    habits: &Habits,
    Spent(before, made, version): &Spent,
    digest: &str,
    if_match: Option<&str>,
) -> Result<String, Reply> {
    let is_refused = habits.token_replay == Replay::Refused;
    match before == digest {
        true if is_refused && version.as_deref() != if_match => Err(invalidated()),
        true => Ok(made.clone()),
        false if is_refused => Err(invalidated()),
        false => Err(Reply::invalid("the retry token was used for another request")),
    }
}

pub(super) fn invalidated() -> Reply {
    Reply::error(
        409,
        "InvalidatedRetryToken",
        "The retry token you provided was used in an earlier request that resulted in a system update, but a \
         subsequent operation has invalidated the token. This can happen, for example, in cases where an entity \
         created with the same token has since been deleted. If the system state change associated with this \
         request should be performed again, then retry with a different retry token.",
    )
}
