//! Availability domains and fault domains: where an instance can be made (OCI.md 1.6).

use serde::Deserialize;

use super::call::{Call, Method, Service};
use super::error::OciError;
use super::transport::Transport;

/// The identity service's API, as far as it tells of domains.
#[derive(Clone, Copy, Debug)]
pub struct Domains<'t>(pub(super) &'t Transport);

#[derive(Deserialize)]
struct Domain {
    name: String,
}

impl Domains<'_> {
    /// The names of the availability domains that a compartment has.
    pub async fn availability(&self, compartment: &str) -> Result<Vec<String>, OciError> {
        let list =
            call("ListAvailabilityDomains", "/availabilityDomains").with_query("compartmentId", compartment);
        self.names(list).await
    }

    /// The names of the fault domains of an availability domain.
    pub async fn fault(&self, compartment: &str, availability: &str) -> Result<Vec<String>, OciError> {
        let list = call("ListFaultDomains", "/faultDomains")
            .with_query("compartmentId", compartment)
            .with_query("availabilityDomain", availability);
        self.names(list).await
    }

    async fn names(&self, list: Call) -> Result<Vec<String>, OciError> {
        self.0.list(list, |page: Vec<Domain>| page.into_iter().map(|domain| domain.name).collect()).await
    }
}

fn call(operation: &'static str, path: &str) -> Call {
    Call::new(Service::Identity, operation, Method::Get, path.to_owned())
}
