//! Who did what, in order.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::wire::stamp;

/// One call of the API.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    at: String,
    method: String,
    target: String,
    /// `user`, or the use of the token that signed the call.
    who: &'static str,
    /// 0 when the connection was reset instead of answered.
    status: u16,
    retry_token: Option<String>,
    request_id: String,
}

/// The part of a call that is recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'c> {
    pub(super) method: &'c str,
    pub(super) target: &'c str,
    pub(super) who: &'static str,
    pub(super) retry_token: Option<&'c str>,
}

/// Every call of the API since the sandbox was started.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) entries: Vec<Entry>,
    n_requests: u64,
}

impl Audit {
    pub(super) fn next_request(&mut self) -> u64 {
        self.n_requests += 1;
        self.n_requests
    }

    pub(super) fn record(&mut self, at: DateTime<Utc>, call: Call<'_>, status: u16, request_id: &str) {
        self.entries.push(Entry {
            at: stamp(at),
            method: call.method.to_owned(),
            target: call.target.to_owned(),
            who: call.who,
            status,
            retry_token: call.retry_token.map(ToOwned::to_owned),
            request_id: request_id.to_owned(),
        });
    }
}
