//! The data that all parts of the sandbox share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::audit::Audit;
use super::data::Fleet;
use super::doors::Doors;
use super::faults::Faults;
use super::identity::Identity;
use super::lock::lock;
use super::options::{Options, Seed};
use super::pace::Pace;
use super::state::State;
use super::store;
use super::tokens::Tokens;

/// The data that all parts of the sandbox share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) identity: Identity,
    pub(super) pace: Pace,
    pub(super) page_size: usize,
    pub(super) faults: Mutex<Faults>,
    pub(super) audit: Mutex<Audit>,
    pub(super) fleet: Fleet,
    pub(super) seed: Seed,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) doors: Doors,
    is_verifying: bool,
    folder: Option<PathBuf>,
    skew: Mutex<TimeDelta>,
    state: Mutex<State>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    pub(super) fn new(options: Options, address: SocketAddr, state: State, pace: Pace) -> Self {
        Self {
            identity: Identity::of_the_sandbox(),
            pace,
            page_size: options.page_size,
            faults: Mutex::default(),
            audit: Mutex::default(),
            fleet: Fleet::default(),
            seed: options.seed,
            tokens: Mutex::default(),
            doors: Doors::new(address, options.hosts),
            is_verifying: options.verify,
            folder: options.folder,
            skew: Mutex::default(),
            state: Mutex::new(state),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Reads the state.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes the state and saves it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        state.remember();
        if let Err(error) = store::save(self.folder.as_deref(), &state) {
            tracing::error!(%error, "the sandbox cannot keep its state");
        }
        result
    }

    /// The time on the sandbox's clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "the sandbox has a clock of its own, which tests can set wrong"
    )]
    pub(super) fn now(&self) -> DateTime<Utc> {
        Utc::now() + *lock(&self.skew)
    }

    /// Whether signatures are checked.
    pub(super) const fn is_verifying(&self) -> bool {
        self.is_verifying
    }

    pub(super) fn set_skew(&self, skew: TimeDelta) {
        *lock(&self.skew) = skew;
    }

    /// Waits as long as something takes here that takes `real` in the cloud.
    pub(super) async fn pass(&self, real: Duration) {
        self.sleep(self.pace.scaled(real)).await;
    }

    #[expect(clippy::disallowed_methods, reason = "the sandbox has a clock of its own")]
    pub(super) async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Runs a task until it ends or the sandbox stops.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = task => {}
            }
        });
    }

    pub(super) async fn stop(&self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
