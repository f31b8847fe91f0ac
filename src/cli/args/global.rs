//! The options that every command has.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::oci::sign_in::{Auth, Flags};

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(in crate::cli) struct Global {
    /// The journal's file [default: deployctl/journal.db in the XDG state folder]
    #[arg(long, global = true, env = "DEPLOYCTL_JOURNAL", value_name = "PATH")]
    pub(in crate::cli) journal: Option<PathBuf>,
    /// One base URL for every service, such as a sandbox's (also from `OCI_CLI_ENDPOINT`)
    #[arg(long, global = true, env = "DEPLOYCTL_ENDPOINT", value_name = "URL")]
    pub(in crate::cli) endpoint: Option<String>,
    /// Let the endpoint be one of another machine without encryption (also from `DEPLOYCTL_ALLOW_HTTP`)
    #[arg(long, global = true)]
    pub(in crate::cli) allow_http: bool,
    /// The profile of ~/.oci/config
    #[arg(long, global = true, env = "OCI_CLI_PROFILE", value_name = "NAME")]
    pub(in crate::cli) profile: Option<String>,
    /// The region, over the one of the credentials
    #[arg(long, global = true, env = "OCI_CLI_REGION", value_name = "REGION")]
    pub(in crate::cli) region: Option<String>,
    /// How to sign in (also from `OCI_CLI_AUTH`); without it, as the profile is made for
    #[arg(long, global = true, value_name = "KIND")]
    pub(in crate::cli) auth: Option<AuthArg>,
    /// Aero's profile, which `#profile` looks at
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub(in crate::cli) env: String,
    /// What is printed on stdout
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) output: Output,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(in crate::cli) color: Color,
    /// No progress on stderr
    #[arg(short, long, global = true)]
    pub(in crate::cli) quiet: bool,
    /// More on stderr; twice for every call
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(in crate::cli) verbose: u8,
}

impl Global {
    /// The flags for signing in.
    pub(in crate::cli) fn sign_in(&self) -> Flags {
        Flags {
            allow_http: self.allow_http,
            auth: self.auth.map(Into::into),
            endpoint: self.endpoint.clone(),
            profile: self.profile.clone(),
            region: self.region.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Output {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum AuthArg {
    /// A user's API key
    ApiKey,
    /// A session of `oci session authenticate`
    SecurityToken,
    /// The compute instance that this is
    InstancePrincipal,
    /// The container instance or function that this is
    ResourcePrincipal,
    /// A user on whose behalf the compute instance acts, as in Cloud Shell
    InstanceOboUser,
}

impl From<AuthArg> for Auth {
    fn from(argument: AuthArg) -> Self {
        match argument {
            AuthArg::ApiKey => Self::ApiKey,
            AuthArg::SecurityToken => Self::SecurityToken,
            AuthArg::InstancePrincipal => Self::InstancePrincipal,
            AuthArg::ResourcePrincipal => Self::ResourcePrincipal,
            AuthArg::InstanceOboUser => Self::InstanceOboUser,
        }
    }
}
