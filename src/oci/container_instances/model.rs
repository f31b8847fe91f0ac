//! What the container instances' API answers. Unknown fields are ignored, unknown enum values tolerated, and null
//! is absent (docs/oci.md, conventions).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oci::id::InstanceId;

/// Where an instance or a container stands (docs/oci.md 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceState {
    /// Being made.
    Creating,
    /// Being started, stopped or changed.
    Updating,
    /// Running, which says nothing of the application in it.
    Active,
    /// Stopped.
    Inactive,
    /// Being deleted.
    Deleting,
    /// Gone; still visible for a while.
    Deleted,
    /// Could not be made; still counts against the limits.
    Failed,
    /// Something newer than this binary.
    #[serde(other)]
    Unknown,
}

impl InstanceState {
    /// Whether it is gone or going.
    pub const fn is_terminated(self) -> bool {
        matches!(self, Self::Deleting | Self::Deleted)
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Creating => "CREATING",
            Self::Updating => "UPDATING",
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Deleting => "DELETING",
            Self::Deleted => "DELETED",
            Self::Failed => "FAILED",
            Self::Unknown => "unknown",
        })
    }
}

/// An instance, as far as we use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerInstance {
    /// Its OCID.
    pub id: InstanceId,
    /// Its name; not unique.
    pub display_name: String,
    /// Where it stands.
    pub lifecycle_state: InstanceState,
    /// Why, in the cloud's words.
    pub lifecycle_details: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub freeform_tags: BTreeMap<String, String>,
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<ContainerRef>,
    /// Its network cards.
    #[serde(default)]
    pub vnics: Vec<VnicAttachment>,
}

/// A container of an instance, by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRef {
    /// Its OCID.
    pub container_id: String,
    /// Its name.
    pub display_name: Option<String>,
}

/// A network card of an instance; without an id while the instance is made (docs/oci.md A.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VnicAttachment {
    /// The VNIC's OCID.
    pub vnic_id: Option<String>,
}

/// A container: what tells whether it runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    pub display_name: String,
    /// Where it stands.
    pub lifecycle_state: InstanceState,
    /// Why, in the cloud's words.
    pub lifecycle_details: Option<String>,
    /// The code it exited with, if it did.
    pub exit_code: Option<i64>,
    /// How often it was restarted.
    #[serde(default)]
    pub container_restart_attempt_count: u32,
}

/// Why work failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WorkError {
    /// The code.
    pub code: String,
    /// The message.
    pub message: String,
}

/// A shape, and what it has to give.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Such as `CI.Standard.E4.Flex`.
    pub name: String,
    /// How many OCPUs; absent where they cannot be chosen.
    pub ocpu_options: Option<OcpuOptions>,
    /// How much memory; absent where it cannot be chosen.
    pub memory_options: Option<MemoryOptions>,
}

/// How many OCPUs a shape takes, both bounds included.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct OcpuOptions {
    /// The fewest.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// How much memory a shape takes, in GB, both bounds included.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct MemoryOptions {
    /// The least.
    #[serde(rename = "minInGBs")]
    pub min: f64,
    /// The most.
    #[serde(rename = "maxInGBs")]
    pub max: f64,
}
