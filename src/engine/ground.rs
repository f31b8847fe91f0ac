//! What every step needs, in a run and in a plan.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::inbox::Inbox;
use super::trial::Trial;
use crate::clock::Clock;
use crate::crash;
use crate::retry::RetryPolicy;
use crate::run::{Event, Update};

/// The default time that a change may take after an interruption.
const GRACE: Duration = Duration::from_mins(1);

/// Gets the updates of the runs that one engine drives.
type Listener<'e> = dyn Fn(Update<'_>) + Send + Sync + 'e;

/// The world, time, and the listeners.
pub(super) struct Ground<'e, W> {
    pub(super) world: &'e W,
    pub(super) clock: Clock,
    pub(super) retry: RetryPolicy,
    pub(super) cancel: CancellationToken,
    /// How long a change that is under way may take after an interruption.
    pub(super) grace: Duration,
    /// Whether a process waits at a gate that only a person opens.
    pub(super) holds: bool,
    pub(super) trial: Trial,
    /// What persons ask of the run.
    pub(super) inbox: Inbox,
    listeners: Vec<Arc<Listener<'e>>>,
    n_instants: Arc<AtomicU32>,
    crashed: Arc<Notify>,
}

impl<'e, W> Ground<'e, W> {
    pub(super) fn new(world: &'e W) -> Self {
        Self {
            world,
            clock: Clock::system(),
            retry: RetryPolicy::default(),
            cancel: CancellationToken::new(),
            grace: GRACE,
            holds: true,
            trial: Trial::None,
            inbox: Inbox::default(),
            listeners: Vec::new(),
            n_instants: Arc::default(),
            crashed: Arc::default(),
        }
    }

    /// The same for one run in one direction, which can be stopped by itself.
    pub(super) fn of_one_run(&self) -> Self {
        Self {
            retry: self.retry.clone(),
            cancel: self.cancel.child_token(),
            inbox: Inbox::default(),
            listeners: self.listeners.clone(),
            n_instants: Arc::clone(&self.n_instants),
            crashed: Arc::clone(&self.crashed),
            ..*self
        }
    }

    /// An instant at which a process may die: a crash point, and an instant of [`Trial::CrashAt`].
    pub(super) async fn at(&self, instant: &'static str) {
        crash::at(instant);
        if let Trial::CrashAt(at) = self.trial
            && self.n_instants.fetch_add(1, Ordering::Relaxed) == at
        {
            self.crashed.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Returns at the instant of a trial. The caller then drops the work beside it, as the kernel drops a process.
    pub(super) async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// Adds a listener, which gets every update from now on.
    pub(super) fn listen(&mut self, listener: impl FnMut(Update<'_>) + Send + 'e) {
        // A std mutex suffices, because it is never held across an await.
        let listener = Mutex::new(listener);
        self.listeners.push(Arc::new(move |update| {
            listener.lock().unwrap_or_else(PoisonError::into_inner)(update);
        }));
    }

    pub(super) fn tell(&self, update: Update<'_>) {
        for listener in &self.listeners {
            listener(update);
        }
    }

    pub(super) fn tell_all(&self, events: &[Event]) {
        for event in events {
            self.tell(Update::Event(event));
        }
    }
}
