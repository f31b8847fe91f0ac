//! The cloud's API. Each call is one signed attempt, and its error says what the server said.
//!
//! This room knows nothing of runs and does not retry. One place decides whether a failure is worth another attempt:
//! `workflows::failure`. Facts about the API are in docs/oci.md, with their sources.

mod call;
pub mod container_instances;
mod domains;
mod endpoint;
mod error;
mod http;
mod id;
pub mod identity;
mod listing;
pub mod load_balancers;
mod mask;
pub mod network;
mod references;
mod region;
pub mod sign_in;
mod signer;
mod transport;

pub use call::{Call, Method, Service};
pub use domains::{Domain, Domains};
pub use endpoint::{Endpoint, EndpointError, Endpoints};
pub use error::{OciError, TransportKind, printable};
pub use http::{Http, SetupError};
pub use id::{BackendName, Etag, InstanceId, LoadBalancerId, WorkRequestId};
pub use listing::{Listing, is_terminated};
pub use references::{Reference, References, Referred};
pub use region::{Region, RegionError, Regions};
pub use signer::{SigningKey, fingerprint};
pub use transport::{Answer, Transport};

use container_instances::ContainerInstances;
use load_balancers::LoadBalancers;
use network::VirtualNetwork;

/// The APIs, behind one connection pool and one identity.
#[derive(Debug)]
pub struct Oci {
    transport: Transport,
}

impl Oci {
    /// The APIs over `transport`.
    pub const fn new(transport: Transport) -> Self {
        Self { transport }
    }

    /// The tenancy, if the identity knows it.
    pub async fn tenancy(&self) -> Option<String> {
        self.transport.tenancy().await
    }

    /// Masks these values and their parts wherever the cloud repeats them from now on: in errors, in logs, in details.
    pub fn mask<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>) {
        self.transport.mask().add(values);
    }

    /// A text of the cloud that may be passed on: one line, without secrets and control characters.
    pub fn heard(&self, text: &str) -> String {
        printable(&self.transport.mask().text(text))
    }

    /// Container instances.
    pub const fn container_instances(&self) -> ContainerInstances<'_> {
        ContainerInstances(&self.transport)
    }

    /// Load balancers.
    pub const fn load_balancers(&self) -> LoadBalancers<'_> {
        LoadBalancers(&self.transport)
    }

    /// VNICs and addresses.
    pub const fn network(&self) -> VirtualNetwork<'_> {
        VirtualNetwork(&self.transport)
    }

    /// Availability domains and fault domains.
    pub const fn domains(&self) -> Domains<'_> {
        Domains(&self.transport)
    }

    /// What a specification refers to.
    pub const fn references(&self) -> References<'_> {
        References(&self.transport)
    }

    /// Sends a call and ignores the body of the answer.
    pub async fn send(&self, call: &Call) -> Result<Answer<()>, OciError> {
        self.transport.send_for_nothing(call).await
    }
}
