//! Idle connections to backends.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;

use crate::sandbox::lock::lock;
use crate::sandbox::state::Backend;

pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Idle connections to backends, by name and generation.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Pool(Mutex<HashMap<(String, u64), Vec<Sender>>>);

impl Pool {
    pub(super) fn take(&self, backend: &Backend) -> Option<Sender> {
        lock(&self.0).get_mut(&(backend.name(), backend.generation))?.pop()
    }

    pub(super) fn give_back(&self, backend: &Backend, sender: Sender) {
        lock(&self.0).entry((backend.name(), backend.generation)).or_default().push(sender);
    }

    pub(super) fn forget(&self, name: &str, generation: u64) {
        lock(&self.0).remove(&(name.to_owned(), generation));
    }
}
