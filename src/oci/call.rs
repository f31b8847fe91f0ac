//! A call of the API, as data: a plan prints it, the transport sends exactly it.

use std::fmt;
use std::fmt::Write as _;

use serde_json::Value;

use super::id::Etag;

/// The services that are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Container instances.
    ContainerInstances,
    /// The load balancer.
    LoadBalancer,
    /// VNICs, subnets and addresses.
    VirtualNetwork,
    /// Compartments and domains.
    Identity,
    /// The secrets of vaults.
    Vaults,
    /// File systems.
    FileStorage,
    /// The service that gives tokens to principals.
    Auth,
    /// What an instance can ask about itself; not a service of the region.
    InstanceMetadata,
}

impl Service {
    /// The host's first label, and what stands between the region and the realm's domain (docs/oci.md 1.1).
    pub(super) const fn host(self) -> (&'static str, &'static str) {
        match self {
            Self::ContainerInstances => ("compute-containers", ".oci"),
            Self::LoadBalancer | Self::VirtualNetwork => ("iaas", ""),
            Self::Identity => ("identity", ".oci"),
            Self::Vaults => ("vaults", ".oci"),
            Self::FileStorage => ("filestorage", ".oci"),
            // The metadata service is no host of the region: `identity::metadata` knows where it is.
            Self::Auth | Self::InstanceMetadata => ("auth", ""),
        }
    }

    const fn base_path(self) -> &'static str {
        match self {
            Self::ContainerInstances => "/20210415",
            Self::LoadBalancer => "/20170115",
            Self::VirtualNetwork | Self::Identity => "/20160918",
            Self::Vaults => "/20180608",
            Self::FileStorage => "/20171215",
            Self::Auth => "/v1",
            Self::InstanceMetadata => "/opc/v2",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ContainerInstances => "ContainerInstance",
            Self::LoadBalancer => "LoadBalancer",
            Self::VirtualNetwork => "VirtualNetwork",
            Self::Identity => "Identity",
            Self::Vaults => "Vaults",
            Self::FileStorage => "FileStorage",
            Self::Auth => "Auth",
            Self::InstanceMetadata => "InstanceMetadata",
        })
    }
}

/// The methods that the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, or acts.
    Post,
    /// Replaces.
    Put,
    /// Deletes.
    Delete,
}

impl Method {
    /// The method as it stands on the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    pub(super) const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put)
    }
}

/// One call of the API, as data: a plan prints it, `send` sends exactly it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The service.
    pub service: Service,
    /// The operation, by its name in the API.
    pub operation: &'static str,
    /// The method.
    pub method: Method,
    /// The path below the service's base path, each segment encoded.
    pub path: String,
    /// The query, in order, not yet encoded.
    pub query: Vec<(&'static str, String)>,
    /// The body; an action without one sends an empty body.
    pub body: Option<Value>,
    /// Makes a repeated request recognisable; the same for every attempt.
    pub retry_token: Option<String>,
    /// Refuses the change when the resource is no longer at this version.
    pub if_match: Option<Etag>,
}

impl Call {
    pub(super) const fn new(service: Service, operation: &'static str, method: Method, path: String) -> Self {
        Self {
            service,
            operation,
            method,
            path,
            query: Vec::new(),
            body: None,
            retry_token: None,
            if_match: None,
        }
    }

    pub(super) fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn with_query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The same call with a retry token, where the operation has one (docs/oci.md 1.3, 1.4: not on DELETE).
    #[must_use]
    pub fn with_retry_token(mut self, token: &str) -> Self {
        self.retry_token = Some(token.to_owned());
        self
    }

    /// The same call, only if the resource is still at this version.
    #[must_use]
    pub fn only_if(mut self, etag: Option<Etag>) -> Self {
        self.if_match = etag;
        self
    }

    /// Path and query as on the request line.
    pub fn target(&self) -> String {
        let mut target = format!("{}{}", self.service.base_path(), self.path);
        for (n, (name, value)) in self.query.iter().enumerate() {
            let separator = if n == 0 { '?' } else { '&' };
            write!(target, "{separator}{name}={}", encode(value)).expect("a string takes all text");
        }
        target
    }
}

/// `text` as one segment of a path or one value of a query: everything but RFC 3986's unreserved characters is
/// percent-encoded, as the SDK does (`10.0.0.3%3A8080`).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("a string takes all text"),
        }
    }
    encoded
}
