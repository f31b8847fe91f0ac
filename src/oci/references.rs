//! What a specification refers to by its OCID: subnets, security groups, secrets, file systems. Only looked at, never
//! changed (docs/oci.md 1.5; the SDK's clients of `vault` and `file_storage`).

use serde::{Deserialize, Serialize};

use super::call::{Call, Method, Service, encode};
use super::error::OciError;
use super::transport::{Answer, Transport};

/// The kinds of resources that a specification refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// Where a network card is.
    Subnet,
    /// A group of rules of the network.
    SecurityGroup,
    /// A secret of the vault.
    Secret,
    /// The address of a file system.
    MountTarget,
    /// A file system at a mount target.
    Export,
}

/// What all of them tell. Only what is used is read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Referred {
    /// `AVAILABLE` or `ACTIVE`, unless it is being made, changed or deleted.
    pub lifecycle_state: String,
    /// The availability domain that it is in; absent where it is in none or in all of them.
    pub availability_domain: Option<String>,
}

impl Referred {
    /// Whether it can be used.
    pub fn is_there(&self) -> bool {
        matches!(self.lifecycle_state.as_str(), "AVAILABLE" | "ACTIVE" | "UPDATING")
    }
}

/// The services that hold what is referred to.
#[derive(Clone, Copy, Debug)]
pub struct References<'t>(pub(super) &'t Transport);

impl References<'_> {
    /// One of them: 404 when it is not there, or when this user may not see it.
    pub async fn get(&self, reference: Reference, id: &str) -> Result<Answer<Referred>, OciError> {
        let (service, operation, collection) = match reference {
            Reference::Subnet => (Service::VirtualNetwork, "GetSubnet", "subnets"),
            Reference::SecurityGroup => {
                (Service::VirtualNetwork, "GetNetworkSecurityGroup", "networkSecurityGroups")
            }
            Reference::Secret => (Service::Vaults, "GetSecret", "secrets"),
            Reference::MountTarget => (Service::FileStorage, "GetMountTarget", "mountTargets"),
            Reference::Export => (Service::FileStorage, "GetExport", "exports"),
        };
        let path = format!("/{collection}/{}", encode(id));
        self.0.send(&Call::new(service, operation, Method::Get, path)).await
    }
}
