//! A faithful local OCI on one port, with a data plane that is real enough to break.
//!
//! Imports nothing from the crate: it is an independent witness, written from docs/oci.md and judged by the official SDK.
//! Container instances answer HTTP on addresses of their own; each listener of a load balancer is a real proxy.

mod admin;
mod audit;
mod control;
mod data;
mod doors;
mod faults;
mod files;
mod habits;
mod home;
mod identity;
mod lifecycle;
mod pace;
mod past;
mod principals;
mod scenery;
mod seed;
mod server;
mod state;
mod store;
mod tokens;
mod verify;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

pub use identity::Identity;
pub use seed::Seed;

use pace::Pace;
use server::Shared;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the API is served; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Under which names clients ask for it, besides its address and `localhost`.
    pub hosts: Vec<String>,
    /// Where its state is kept, so that it outlives a restart.
    pub folder: Option<PathBuf>,
    /// How many times faster than the real service things happen.
    pub time_scale: f64,
    /// How many items a page of a list has, unless the client asks for fewer.
    pub page_size: usize,
    /// Whether signatures are checked.
    pub verify: bool,
    /// What is there from the beginning.
    pub seed: Seed,
    /// What this cloud is like, as `POST /sandbox/habits` takes it.
    pub habits: Value,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            hosts: Vec::new(),
            folder: None,
            time_scale: 1.0,
            page_size: 10,
            verify: true,
            seed: Seed::Webserver,
            habits: json!({}),
        }
    }
}

/// Makes sandboxes.
#[derive(Debug)]
pub struct Sandbox;

/// A sandbox that runs until it is stopped.
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
    /// When it cannot listen, the folder cannot be read, or a habit is not known.
    pub async fn start(options: Options) -> io::Result<Handle> {
        let pace = Pace::new(options.time_scale);
        let listener = tokio::net::TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let (state, is_new) = match store::load(options.folder.as_deref())? {
            Some(state) => (state, false),
            None => (state::State::new(address.port()), true),
        };
        let habits = state.habits.with(&options.habits);
        let habits = habits.map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let shared = Arc::new(Shared::new(options, address, state, pace));
        // Notes, too, how everything is now, for reads that lag.
        shared.change(|state| state.habits = habits);
        if is_new {
            seed::plant(&shared);
        }
        data::open_listeners(&shared).await?;
        lifecycle::resume(&shared);
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

    /// The user whose requests are accepted.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Writes what clients need to sign in in every way: `.oci/config` with its keys and tokens, `.oci/oci_cli_rc` and
    /// `principals.env`; and `deployment` as `web.json`, unless somebody has changed the one of an earlier sandbox.
    ///
    /// # Errors
    /// When a file cannot be written, or is there and not the sandbox's own: then none is.
    pub fn write_home(&self, home: &Path, deployment: &str) -> io::Result<()> {
        home::write(&self.shared, &self.url(), home, deployment)
    }

    /// Everything there is, as `GET /sandbox/state` shows it.
    pub fn state(&self) -> Value {
        admin::state(&self.shared)
    }

    /// What went wrong, as `GET /sandbox/audit` shows it.
    pub fn audit(&self) -> Value {
        admin::audit(&self.shared)
    }

    /// Stops the sandbox and waits for its tasks to end.
    pub async fn stop(self) {
        self.shared.stop().await;
    }
}
