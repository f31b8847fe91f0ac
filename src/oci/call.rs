//! A call of the API, as data. A plan prints it, and the transport sends exactly what the plan prints.

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
    /// The service that issues tokens to principals.
    Auth,
    /// The metadata service, which tells an instance about itself; not a service of the region.
    InstanceMetadata,
}

impl Service {
    /// The host's first label, and the text between the region and the realm's domain (docs/oci.md 1.1).
    pub(super) const fn host(self) -> (&'static str, &'static str) {
        match self {
            Self::ContainerInstances => ("compute-containers", ".oci"),
            Self::LoadBalancer | Self::VirtualNetwork => ("iaas", ""),
            Self::Identity => ("identity", ".oci"),
            Self::Vaults => ("vaults", ".oci"),
            Self::FileStorage => ("filestorage", ".oci"),
            // The metadata service has no host in the region: `identity::metadata` knows its address.
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
    /// Creates, or starts an action.
    Post,
    /// Replaces.
    Put,
    /// Deletes.
    Delete,
}

impl Method {
    /// The method as it is written on the request line.
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

/// One call of the API, as data.
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
    /// Identifies a repeated request; the same for every attempt.
    pub retry_token: Option<String>,
    /// The cloud refuses the change if the resource is no longer at this version.
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

    /// Adds a retry token, if the operation takes one (docs/oci.md 1.3, 1.4: a DELETE does not).
    #[must_use]
    pub fn with_retry_token(mut self, token: &str) -> Self {
        self.retry_token = Some(token.to_owned());
        self
    }

    /// Makes the call conditional: the resource must still be at this version.
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
