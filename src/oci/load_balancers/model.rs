//! What the load balancers' API answers (docs/oci.md A.2). Unknown fields are ignored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::oci::id::{BackendName, LoadBalancerId, WorkRequestId};

/// A load balancer, as far as we use it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// Its OCID.
    pub id: LoadBalancerId,
    /// Its name; not unique.
    pub display_name: String,
    /// Where it stands. There is no UPDATING: whether it is busy only its work requests tell.
    pub lifecycle_state: String,
    /// Its backend sets by name.
    #[serde(default)]
    pub backend_sets: BTreeMap<String, BackendSet>,
    /// Its listeners by name.
    #[serde(default)]
    pub listeners: BTreeMap<String, Listener>,
    /// Rules that send requests to sets other than a listener's default; looked into only for set names.
    #[serde(default)]
    pub path_route_sets: Value,
    /// The same, newer.
    #[serde(default)]
    pub routing_policies: Value,
}

/// A listener, as far as we use it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Where its requests go unless a rule says otherwise.
    pub default_backend_set_name: String,
}

/// A set of backends that share policy and health check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendSet {
    /// Its name.
    pub name: String,
    /// Its backends.
    #[serde(default)]
    pub backends: Vec<Backend>,
    /// How its backends are checked.
    pub health_checker: Option<HealthChecker>,
    /// Pins clients to a backend by the application's cookie.
    pub session_persistence_configuration: Option<Value>,
    /// Pins clients to a backend by the load balancer's cookie.
    pub lb_cookie_session_persistence_configuration: Option<Value>,
}

/// How backends are checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthChecker {
    /// Between two checks, in milliseconds.
    pub interval_in_millis: Option<u64>,
    /// Checks in a row that change the verdict, either way (docs/oci.md 2.5).
    pub retries: Option<u32>,
}

/// One backend with all of its flags, so that they can be given back to the field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// `address:port`, made by the server.
    pub name: BackendName,
    /// The address.
    pub ip_address: String,
    /// The port.
    pub port: u16,
    /// Its share of the requests.
    #[serde(flatten)]
    pub flags: Flags,
}

/// What can be changed of a backend. A PUT replaces all of it: what is left out is reset (docs/oci.md 2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flags {
    /// Its share of the requests, from 1.
    pub weight: u32,
    /// No new requests, but what is under way goes on.
    pub drain: bool,
    /// Only when all others are down.
    pub backup: bool,
    /// No requests at all.
    pub offline: bool,
    /// At most so many connections at once; absent is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
}

impl Flags {
    /// The same flags, drained.
    #[must_use]
    pub fn drained(&self) -> Self {
        Self { drain: true, ..self.clone() }
    }

    /// Whether a backend with these flags gets requests.
    pub const fn serves(&self) -> bool {
        !self.drain && !self.offline
    }

    /// Why a backend with these flags would not get the requests of one with the flags `leaving`, if it would not: a
    /// backup takes over only from another backup, since it may serve a page of excuses.
    pub const fn why_no_standin_for(&self, leaving: &Self) -> Option<&'static str> {
        if self.offline {
            Some("offline")
        } else if self.drain {
            Some("drained")
        } else if self.backup && !leaving.backup {
            Some("a backup")
        } else {
            None
        }
    }

    /// The same flags, not drained.
    #[must_use]
    pub fn admitted(&self) -> Self {
        Self { drain: false, ..self.clone() }
    }
}

impl Default for Flags {
    /// What the service gives to a backend that says nothing (docs/oci.md A.2).
    fn default() -> Self {
        Self { weight: 1, drain: false, backup: false, offline: false, max_connections: None }
    }
}

/// What the health checks say (docs/oci.md 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthStatus {
    /// Every check is well.
    Ok,
    /// Some are.
    Warning,
    /// None is.
    Critical,
    /// Not known yet, or never: no listener uses the set.
    #[serde(other)]
    Unknown,
}

impl std::fmt::Display for HealthStatus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// The health of one backend.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendHealth {
    /// Of all checks together.
    pub status: HealthStatus,
    /// One a checking node.
    #[serde(default)]
    pub health_check_results: Vec<HealthCheckResult>,
}

/// What one checking node saw.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckResult {
    /// From where it looked: what a security list must let in.
    #[serde(default)]
    pub source_ip_address: String,
    /// What it saw, such as `CONNECT_FAILED`.
    pub health_check_status: String,
}

/// Work that a change started (docs/oci.md 2.3).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkRequest {
    /// Its OCID.
    pub id: WorkRequestId,
    /// Such as `CreateBackend`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it stands.
    pub lifecycle_state: WorkState,
    /// Why it failed.
    #[serde(default)]
    pub error_details: Vec<WorkErrorDetail>,
}

/// Where work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkState {
    /// In the queue.
    Accepted,
    /// Being done.
    InProgress,
    /// It did not work, whatever the call answered.
    Failed,
    /// Done.
    Succeeded,
    /// Something newer than this binary.
    #[serde(other)]
    Unknown,
}

impl WorkState {
    /// Whether the load balancer is still busy with it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Accepted | Self::InProgress)
    }
}

/// Why work failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkErrorDetail {
    /// `BAD_INPUT` or `INTERNAL_ERROR`.
    pub error_code: String,
    /// The message.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_drained_or_offline_gets_no_requests() {
        let flags = |drain: bool, offline: bool| Flags { drain, offline, ..Flags::default() };
        assert!(flags(false, false).serves());
        assert!(!flags(true, false).serves());
        assert!(!flags(false, true).serves());
        let backup = Flags { backup: true, ..Flags::default() };
        for (standin, leaving, why_not) in [
            (Flags::default(), Flags::default(), None),
            (flags(false, true), Flags::default(), Some("offline")),
            (flags(true, false), Flags::default(), Some("drained")),
            (backup.clone(), Flags::default(), Some("a backup")),
            (backup.clone(), backup, None),
        ] {
            assert_eq!(standin.why_no_standin_for(&leaving), why_not);
        }
    }
}
