//! The resources to which a specification refers by OCID: subnets, security groups, secrets, file systems. They are read and
//! never changed (docs/oci.md 1.5; the SDK's clients of `vault` and `file_storage`).

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

/// The fields that all of them have, as far as we use them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Referred {
    /// `AVAILABLE` or `ACTIVE`, unless the resource is being created, changed or deleted.
    pub lifecycle_state: String,
    /// Its availability domain; absent if it is in none or in all of them.
    pub availability_domain: Option<String>,
}

impl Referred {
    /// Whether it can be used.
    pub fn is_there(&self) -> bool {
        matches!(self.lifecycle_state.as_str(), "AVAILABLE" | "ACTIVE" | "UPDATING")
    }
}

/// The services that hold these resources.
#[derive(Clone, Copy, Debug)]
pub struct References<'t>(pub(super) &'t Transport);

impl References<'_> {
    /// One of these resources. The cloud answers 404 if it does not exist, or if this user may not see it.
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
