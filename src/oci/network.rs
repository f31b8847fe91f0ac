//! The virtual network: the addresses of what we created (docs/oci.md 1.5).

use std::net::IpAddr;

use serde::Deserialize;

use super::call::{Call, Method, Service, encode};
use super::error::OciError;
use super::listing::{Listed, Listing};
use super::transport::{Answer, Transport};

/// The virtual network's API.
#[derive(Clone, Copy, Debug)]
pub struct VirtualNetwork<'t>(pub(super) &'t Transport);

/// A private address of a subnet, with the fields that we use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivateIp {
    /// The address.
    pub ip_address: Option<String>,
    /// The name that it has in the subnet.
    pub hostname_label: Option<String>,
}

/// Whether two texts are the same address: an IPv6 address can be written in many ways.
pub fn is_same_address(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one.to_canonical() == other.to_canonical(),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => one == other,
    }
}

/// An address needs no id, because only its name is read.
impl Listed for PrivateIp {
    fn id(&self) -> Option<&str> {
        None
    }
}

impl VirtualNetwork<'_> {
    /// One network card as the cloud sent it. The cloud answers 404 while the card is being created (docs/oci.md 1.5), and a card
    /// has no `privateIp` at first.
    pub async fn vnic(&self, id: &str) -> Result<Answer<serde_json::Value>, OciError> {
        self.0.send(&get("GetVnic", "vnics", id)).await
    }

    /// The private addresses of a subnet.
    pub fn private_ips(&self, subnet: &str) -> Listing<'_, PrivateIp> {
        let call =
            Call::new(Service::VirtualNetwork, "ListPrivateIps", Method::Get, "/privateIps".to_owned());
        Listing::of::<Vec<PrivateIp>>(self.0, call.with_query("subnetId", subnet))
    }
}

fn get(operation: &'static str, collection: &str, id: &str) -> Call {
    Call::new(Service::VirtualNetwork, operation, Method::Get, format!("/{collection}/{}", encode(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        assert!(is_same_address("fd00:0:0:0::7", "FD00::0007"));
        assert!(is_same_address("::ffff:10.0.0.7", "10.0.0.7"));
        assert!(!is_same_address("fd00::7", "fd00::8"));
        assert!(!is_same_address("10.0.0.7", "10.0.0.70"));
        assert!(is_same_address("(new address)", "(new address)"));
    }
}
