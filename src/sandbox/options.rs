//! The options of a sandbox.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Value, json};

/// The options of a sandbox.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address of the API. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// The names by which clients reach it, besides its address and `localhost`.
    pub hosts: Vec<String>,
    /// The folder that keeps its state over a restart.
    pub folder: Option<PathBuf>,
    /// How many times faster than the real service it runs.
    pub time_scale: f64,
    /// The number of items on a page of a list, unless the client asks for fewer.
    pub page_size: usize,
    /// Whether signatures are checked.
    pub verify: bool,
    /// The resources at the start.
    pub seed: Seed,
    /// The habits of this cloud, in the form that `POST /sandbox/habits` takes.
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

/// The resources at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Nothing.
    Empty,
    /// A load balancer `lb` with a serving instance `webserver` of version 1 in the set `http`, an unused set
    /// `admin`, and bystanders.
    Webserver,
    /// As `Webserver`, but among strangers: two of their backends in the set `http`, one of them a backup; a second load
    /// balancer; an instance without tags; and an instance with the name of the web server.
    Crowded,
}
