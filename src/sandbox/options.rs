//! How a sandbox is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Value, json};

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

/// What is there from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Nothing.
    Empty,
    /// A load balancer `lb` with a serving instance `webserver` of version 1 in the set `http`, an unused set
    /// `admin`, and bystanders.
    Webserver,
    /// The same among strangers: two backends of theirs in the set `http`, one of them a backup, a second load
    /// balancer, an instance without tags, and one with the name of the web server.
    Crowded,
}
