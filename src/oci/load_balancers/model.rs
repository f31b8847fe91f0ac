//! The answers of the load balancers' API (docs/oci.md A.2). Unknown fields are ignored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::oci::id::{BackendName, LoadBalancerId, WorkRequestId};
use crate::oci::listing::Listed;

/// A load balancer, with the fields that we use.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// Its OCID.
    pub id: LoadBalancerId,
    /// Its name; not unique.
    pub display_name: String,
    /// Its lifecycle state. There is no UPDATING: only the work requests show whether it is busy.
    pub lifecycle_state: String,
    /// Its backend sets by name.
    #[serde(default)]
    pub backend_sets: BTreeMap<String, BackendSet>,
    /// Its listeners by name.
    #[serde(default)]
    pub listeners: BTreeMap<String, Listener>,
    /// Rules that route requests to other sets than a listener's default. Only the set names are read from them.
    #[serde(default)]
    pub path_route_sets: Value,
    /// The newer kind of such rules.
    #[serde(default)]
    pub routing_policies: Value,
}

/// A listener, with the fields that we use.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The set that gets its requests unless a rule says otherwise.
    pub default_backend_set_name: String,
}

/// A set of backends that share policy and health check.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub struct BackendSet {
    /// Its name.
    pub name: String,
    /// Its backends.
    pub backends: Vec<Backend>,
    /// How its backends are checked.
    pub health_checker: Option<HealthChecker>,
    /// Pins clients to a backend by the application's cookie.
    pub session_persistence_configuration: Option<Value>,
    /// Pins clients to a backend by the load balancer's cookie.
    pub lb_cookie_session_persistence_configuration: Option<Value>,
    /// All of it as the cloud sent it, also what this version does not know.
    sent: Value,
}

/// The fields of a set that we use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsedOfSet {
    name: String,
    #[serde(default)]
    backends: Vec<Backend>,
    health_checker: Option<HealthChecker>,
    session_persistence_configuration: Option<Value>,
    lb_cookie_session_persistence_configuration: Option<Value>,
}

impl TryFrom<Value> for BackendSet {
    type Error = serde_json::Error;

    fn try_from(sent: Value) -> Result<Self, Self::Error> {
        let used = UsedOfSet::deserialize(&sent)?;
        Ok(Self {
            name: used.name,
            backends: used.backends,
            health_checker: used.health_checker,
            session_persistence_configuration: used.session_persistence_configuration,
            lb_cookie_session_persistence_configuration: used.lb_cookie_session_persistence_configuration,
            sent,
        })
    }
}

impl BackendSet {
    /// The set as the body of an update, in which some backends have other flags. Everything else stays as the cloud sent it,
    /// except the names, which an update does not have, and fields that are `null`, which mean nothing.
    pub fn with_flags(&self, flags_of: impl Fn(&Backend) -> Option<Flags>) -> Value {
        let mut body = without_name_and_nulls(&self.sent);
        let sent = self.sent["backends"].as_array().into_iter().flatten().zip(&self.backends);
        let backends = sent.map(|(sent, backend)| {
            let mut body = without_name_and_nulls(sent);
            if let Some(flags) = flags_of(backend) {
                // An absent limit means that there is none.
                body.remove("maxConnections");
                body.extend(flags.fields());
            }
            Value::Object(body)
        });
        body.insert("backends".to_owned(), backends.collect());
        Value::Object(body)
    }
}

fn without_name_and_nulls(sent: &Value) -> Map<String, Value> {
    let mut fields = sent.as_object().cloned().unwrap_or_default();
    fields.retain(|name, value| name != "name" && !value.is_null());
    fields
}

/// How backends are checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthChecker {
    /// The time between two checks, in milliseconds.
    pub interval_in_millis: Option<u64>,
    /// How many equal checks in a row change the verdict (docs/oci.md 2.5).
    pub retries: Option<u32>,
}

/// One backend with all of its flags, so that each can be restored.
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

/// The flags of a backend that can be changed. A PUT replaces all of them and resets those that it omits (docs/oci.md 2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flags {
    /// Its share of the requests, from 1.
    pub weight: u32,
    /// It gets no new requests; requests under way go on.
    pub drain: bool,
    /// It gets requests only when all others are down.
    pub backup: bool,
    /// It gets no requests at all.
    pub offline: bool,
    /// The most connections at once; unlimited if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
}

impl Flags {
    /// The fields of a body.
    pub(super) fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => unreachable!("numbers and booleans with names serialise"),
        }
    }

    /// These flags, drained.
    #[must_use]
    pub fn drained(&self) -> Self {
        Self { drain: true, ..self.clone() }
    }

    /// Whether a backend with these flags gets requests.
    pub const fn serves(&self) -> bool {
        !self.drain && !self.offline
    }

    /// Why a backend with these flags would not take over the requests of one with the flags `leaving`; `None` if it would.
    /// A backup takes over only from another backup, because it may serve nothing but an error page.
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

    /// These flags, not drained.
    #[must_use]
    pub fn admitted(&self) -> Self {
        Self { drain: false, ..self.clone() }
    }
}

impl Default for Flags {
    /// The service's defaults (docs/oci.md A.2).
    fn default() -> Self {
        Self { weight: 1, drain: false, backup: false, offline: false, max_connections: None }
    }
}

/// The verdict of the health checks (docs/oci.md 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthStatus {
    /// Every check succeeds.
    Ok,
    /// Some checks succeed.
    Warning,
    /// No check succeeds.
    Critical,
    /// Not known yet; or never, if no listener uses the set.
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

/// The health of a load balancer: the sets in which not every backend is healthy. A set that is in no list is healthy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// Sets of which a part is not healthy.
    #[serde(rename = "warningStateBackendSetNames")]
    warning: Vec<String>,
    /// Sets of which most is not healthy.
    #[serde(rename = "criticalStateBackendSetNames")]
    critical: Vec<String>,
    /// Sets that are not known well enough.
    #[serde(rename = "unknownStateBackendSetNames")]
    unknown: Vec<String>,
}

impl Health {
    /// Whether every backend of a set is healthy.
    pub fn is_well(&self, set: &str) -> bool {
        let mut others = self.warning.iter().chain(&self.critical).chain(&self.unknown);
        !others.any(|name| name == set)
    }
}

/// The health of one backend.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendHealth {
    /// The verdict of all checks together.
    pub status: HealthStatus,
    /// The result of each checking node.
    #[serde(default)]
    pub health_check_results: Vec<HealthCheckResult>,
}

/// The result of one checking node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckResult {
    /// The address of the checking node, which a security list must let in.
    #[serde(default)]
    pub source_ip_address: String,
    /// Its result, such as `CONNECT_FAILED`.
    pub health_check_status: String,
}

/// A work request that a change started (docs/oci.md 2.3).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkRequest {
    /// Its OCID.
    pub id: WorkRequestId,
    /// Its type, such as `CreateBackend`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its state.
    pub lifecycle_state: WorkState,
    /// The time of its acceptance, in the format of the cloud.
    #[serde(default)]
    pub time_accepted: Option<String>,
    /// The time of its end, in the format of the cloud.
    #[serde(default)]
    pub time_finished: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub error_details: Vec<WorkErrorDetail>,
}

impl Listed for WorkRequest {
    fn id(&self) -> Option<&str> {
        Some(self.id.as_str())
    }
}

/// The state of a work request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkState {
    /// It is in the queue.
    Accepted,
    /// It is being carried out.
    InProgress,
    /// It failed, although the call was answered with success.
    Failed,
    /// It was carried out.
    Succeeded,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl WorkState {
    /// Whether the load balancer is still busy with it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Accepted | Self::InProgress)
    }
}

/// Why a work request failed.
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
