//! The virtual network: the addresses of what we created (OCI.md 1.5).

use serde::{Deserialize, Serialize};

use super::call::{Call, Method, Service, encode};
use super::error::OciError;
use super::transport::{Answer, Transport};

/// The virtual network's API.
#[derive(Clone, Copy, Debug)]
pub struct VirtualNetwork<'t>(pub(super) &'t Transport);

/// A network card. Only what is used is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vnic {
    /// Its OCID.
    pub id: String,
    /// Its private address; absent while it is made.
    pub private_ip: Option<String>,
}

impl VirtualNetwork<'_> {
    /// One network card. 404 while it is being made (OCI.md 1.5).
    pub async fn vnic(&self, id: &str) -> Result<Answer<Vnic>, OciError> {
        self.0.send(&get("GetVnic", "vnics", id)).await
    }

    /// One network card as the cloud sent it, for one that is to be made again.
    pub async fn vnic_raw(&self, id: &str) -> Result<Answer<serde_json::Value>, OciError> {
        self.0.send(&get("GetVnic", "vnics", id)).await
    }
}

fn get(operation: &'static str, collection: &str, id: &str) -> Call {
    Call::new(Service::VirtualNetwork, operation, Method::Get, format!("/{collection}/{}", encode(id)))
}
