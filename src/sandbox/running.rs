//! A running sandbox.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::identity::Identity;
use super::options::Options;
use super::pace::Pace;
use super::shared::Shared;
use super::state::State;
use super::{admin, data, home, resume, seed, server, store};

/// Starts sandboxes.
#[derive(Debug)]
pub struct Sandbox;

/// A running sandbox. It runs until it is stopped.
#[derive(Debug)]
#[must_use = "a sandbox that is dropped goes on until its runtime ends"]
pub struct Handle {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Sandbox {
    /// Starts a sandbox.
    ///
    /// # Errors
    /// When it cannot listen, the folder cannot be read, or a habit is unknown.
    pub async fn start(options: Options) -> io::Result<Handle> {
        let pace = Pace::new(options.time_scale);
        let listener = tokio::net::TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let (state, is_new) = match store::load(options.folder.as_deref())? {
            Some(state) => (state, false),
            None => (State::new(address.port()), true),
        };
        let habits = state.habits.with(&options.habits);
        let habits = habits.map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let shared = Arc::new(Shared::new(options, address, state, pace));
        // The change also records the present state, for reads that lag.
        shared.change(|state| state.habits = habits);
        if is_new {
            seed::plant(&shared);
        }
        data::open_listeners(&shared).await?;
        resume::resume(&shared);
        data::health::start(&shared);
        server::serve(&shared, listener);
        Ok(Handle { shared, address })
    }
}

impl Handle {
    /// The base URL of every service.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The user whose requests the sandbox accepts.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Writes everything that clients need for every way to sign in: `.oci/config` with its keys and tokens,
    /// `.oci/oci_cli_rc` and `principals.env`. Also writes `deployment` as `web.json`, unless somebody has changed an earlier
    /// sandbox's `web.json`.
    ///
    /// # Errors
    /// When a file cannot be written, or exists and is not the sandbox's own. In that case no file is written.
    pub fn write_home(&self, home: &Path, deployment: &str) -> io::Result<()> {
        home::write(&self.shared, &self.url(), home, deployment)
    }

    /// The whole state, as `GET /sandbox/state` returns it.
    pub fn state(&self) -> Value {
        admin::state(&self.shared)
    }

    /// The audit, as `GET /sandbox/audit` returns it.
    pub fn audit(&self) -> Value {
        admin::audit(&self.shared)
    }

    /// Stops the sandbox and waits for its tasks to end.
    pub async fn stop(self) {
        self.shared.stop().await;
    }
}
