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
    /// 0 when the connection was reset instead of answered.
    status: u16,
    retry_token: Option<String>,
    request_id: String,
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

    pub(super) fn record(
        &mut self,
        at: DateTime<Utc>,
        method: &str,
        target: &str,
        status: u16,
        retry_token: Option<&str>,
        request_id: &str,
    ) {
        self.entries.push(Entry {
            at: stamp(at),
            method: method.to_owned(),
            target: target.to_owned(),
            status,
            retry_token: retry_token.map(ToOwned::to_owned),
            request_id: request_id.to_owned(),
        });
    }
}
