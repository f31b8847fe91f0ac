//! The arguments that describe a deployment.

use std::path::PathBuf;

use clap::Args;

/// A deployment file, or its parts; flags win.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Deployment")]
pub(in crate::cli) struct DeploymentArgs {
    /// The deployment file: .edn, .yaml, .yml or .json
    #[arg(value_name = "DEPLOYMENT")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Of a deps.edn, the alias whose :exec-args are deployed; several are merged in order
    #[arg(long, value_name = "ALIAS", requires = "file")]
    pub(in crate::cli) alias: Vec<String>,
    /// The deployment's name
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// A file with credentials
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config_file: Option<PathBuf>,
    /// The new instance, as EDN, YAML or JSON
    #[arg(long, value_name = "MAP", conflicts_with = "ci_config_file")]
    pub(in crate::cli) ci_config: Option<String>,
    /// A file with the new instance
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ci_config_file: Option<PathBuf>,
    /// Which instance is replaced, as EDN, YAML or JSON
    #[arg(long, value_name = "MAP")]
    pub(in crate::cli) ci_filter: Option<String>,
    /// Which load balancer, as EDN, YAML or JSON
    #[arg(long, value_name = "MAP")]
    pub(in crate::cli) lb_filter: Option<String>,
    /// The backends, as EDN, YAML or JSON
    #[arg(long, value_name = "LIST")]
    pub(in crate::cli) backends: Option<String>,
    /// Put the new instance beside what is there when the filter finds no old one
    #[arg(long, conflicts_with = "replace")]
    pub(in crate::cli) first: bool,
    /// The old instance, which is taken in whatever state it is; over the filter
    #[arg(long, value_name = "OCID")]
    pub(in crate::cli) replace: Option<String>,
    /// Pass on fields of the API that this version does not know, as they are written
    #[arg(long)]
    pub(in crate::cli) allow_unknown_fields: bool,
}
