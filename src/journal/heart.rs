//! The thread on which leases are renewed: whatever a step does with its own thread, its run's lease goes on.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a runtime of its own, once it is asked for. It ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Heart(Mutex<Option<Beating>>);

#[derive(Debug)]
struct Beating {
    handle: Handle,
    // Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

impl Heart {
    /// Where tasks go on beside everything else.
    pub(super) fn handle(&self) -> io::Result<Handle> {
        // A std mutex, never held across an await.
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
