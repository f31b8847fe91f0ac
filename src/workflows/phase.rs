//! How far a run has come, as the cloud shows it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a run has come, as its instances and their backends show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Its instance is not on the load balancer yet, or not any more.
    Creating,
    /// Its instance is on the load balancer, and takes no requests.
    Registered,
    /// Its instance takes requests, but not yet alone, or not yet everywhere.
    BothServing,
    /// Its instance takes all requests, and the old one is not retired yet.
    Draining,
    /// Its instance takes requests, and is not what another run is to replace.
    Serving,
}

impl Phase {
    /// The phase in a sentence.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Creating => "the new instance is registered nowhere",
            Self::Registered => "the new instance is registered, and takes no requests",
            Self::BothServing => "both versions take requests",
            Self::Draining => "the new version serves alone, and the old one is to be retired",
            Self::Serving => "the new version serves",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Creating => "creating",
            Self::Registered => "registered",
            Self::BothServing => "both serving",
            Self::Draining => "draining",
            Self::Serving => "serving",
        })
    }
}
