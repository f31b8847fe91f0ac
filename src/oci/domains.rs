//! Availability domains and fault domains: the places where an instance can be created (docs/oci.md 1.6).

use serde::Deserialize;

use super::call::{Call, Method, Service};
use super::listing::{Listed, Listing};
use super::transport::Transport;

/// The part of the identity service's API that lists domains.
#[derive(Clone, Copy, Debug)]
pub struct Domains<'t>(pub(super) &'t Transport);

/// An availability domain or a fault domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Domain {
    /// Such as `Uocm:PHX-AD-1`, which differs from tenancy to tenancy, or `FAULT-DOMAIN-1`.
    pub name: String,
}

impl Listed for Domain {
    fn id(&self) -> Option<&str> {
        Some(&self.name)
    }
}

impl Domains<'_> {
    /// The availability domains that a compartment has.
    pub fn availability(&self, compartment: &str) -> Listing<'_, Domain> {
        let list =
            call("ListAvailabilityDomains", "/availabilityDomains").with_query("compartmentId", compartment);
        Listing::of::<Vec<Domain>>(self.0, list)
    }

    /// The fault domains of an availability domain.
    pub fn fault(&self, compartment: &str, availability: &str) -> Listing<'_, Domain> {
        let list = call("ListFaultDomains", "/faultDomains")
            .with_query("compartmentId", compartment)
            .with_query("availabilityDomain", availability);
        Listing::of::<Vec<Domain>>(self.0, list)
    }
}

fn call(operation: &'static str, path: &str) -> Call {
    Call::new(Service::Identity, operation, Method::Get, path.to_owned())
}
