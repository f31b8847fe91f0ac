//! The arguments of `sandbox` and `demo`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where and how fast the sandbox runs.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct SandboxArgs {
    /// Where the API is served; port 0 takes any that is free
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub(in crate::cli) listen: SocketAddr,
    /// Answer requests to this name too, besides the address and localhost
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) host: Vec<String>,
    /// Keep the state here, so that it outlives a restart
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) folder: Option<PathBuf>,
    /// How many times faster than the real service
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    pub(in crate::cli) time_scale: f64,
    /// Write .oci/config with a key, and a deployment file, into this folder
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) home: Option<PathBuf>,
    /// Items on a page of a list
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(in crate::cli) page_size: usize,
    /// Accept every signature
    #[arg(long)]
    pub(in crate::cli) no_verify: bool,
    /// Begin without the web server
    #[arg(long)]
    pub(in crate::cli) empty: bool,
    /// Who else is there: `crowded` is a load balancer that several teams share
    #[arg(long, value_enum, default_value_t = Scenery::Plain, conflicts_with = "empty")]
    pub(in crate::cli) scenery: Scenery,
    /// What this cloud is like, where the real one is not known for sure; GET /sandbox/habits lists them all
    #[arg(long, value_name = "NAME=VALUE", value_parser = habit)]
    pub(in crate::cli) habit: Vec<(String, serde_json::Value)>,
}

/// What is around the sandbox's web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Scenery {
    Plain,
    Crowded,
}

fn habit(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    // A number or a truth value; anything else is a word.
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

/// How the demo's traffic looks.
#[cfg(feature = "probe")]
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct DemoArgs {
    /// Requests a second
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(in crate::cli) rate: u32,
}
