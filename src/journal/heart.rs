//! The thread that renews leases: a step may block its own thread, and the lease of its run is still renewed.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with its own runtime, started on first use. It ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Heart(Mutex<Option<Beating>>);

#[derive(Debug)]
struct Beating {
    handle: Handle,
    // Dropping this ends the thread.
    _end: oneshot::Sender<()>,
}

impl Heart {
    /// A handle to run tasks beside everything else.
    pub(super) fn handle(&self) -> io::Result<Handle> {
        // A std mutex suffices, because it is never held across an await.
        let mut beating = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(beating) = &*beating {
            return Ok(beating.handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("leases".to_owned()).spawn(move || drop(runtime.block_on(ended)))?;
        *beating = Some(Beating { handle: handle.clone(), _end: end });
        Ok(handle)
    }
}
