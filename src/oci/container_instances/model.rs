//! The answers of the container instances' API. Unknown fields are ignored, unknown enum values are tolerated, and null means
//! absent (docs/oci.md, conventions).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oci::id::InstanceId;
use crate::oci::listing::Listed;

/// The lifecycle state of an instance or a container (docs/oci.md 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceState {
    /// It is being created.
    Creating,
    /// It is being started, stopped or changed.
    Updating,
    /// It runs. The application in it may not.
    Active,
    /// It is stopped.
    Inactive,
    /// It is being deleted.
    Deleting,
    /// It is deleted, and stays visible for a while.
    Deleted,
    /// It could not be created, and still counts against the limits.
    Failed,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl InstanceState {
    /// Whether it is deleted or being deleted.
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

/// An instance, with the fields that we use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerInstance {
    /// Its OCID.
    pub id: InstanceId,
    /// Its name; not unique.
    pub display_name: String,
    /// Its lifecycle state.
    pub lifecycle_state: InstanceState,
    /// The cloud's explanation of that state.
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

/// A network card of an instance. It has no id while the instance is being created (docs/oci.md A.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VnicAttachment {
    /// The VNIC's OCID.
    pub vnic_id: Option<String>,
}

/// A container, with the fields that show whether it runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    pub display_name: String,
    /// Its lifecycle state.
    pub lifecycle_state: InstanceState,
    /// The cloud's explanation of that state.
    pub lifecycle_details: Option<String>,
    /// The code it exited with, if it did.
    pub exit_code: Option<i64>,
    /// How often it was restarted.
    #[serde(default)]
    pub container_restart_attempt_count: u32,
}

/// Why a work request failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WorkError {
    /// The code.
    pub code: String,
    /// The message.
    pub message: String,
}

/// An error has no id, so none is taken for another.
impl Listed for WorkError {
    fn id(&self) -> Option<&str> {
        None
    }
}

/// A shape, and its limits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Its name, such as `CI.Standard.E4.Flex`.
    pub name: String,
    /// How many OCPUs can be chosen; absent if they cannot.
    pub ocpu_options: Option<OcpuOptions>,
    /// How much memory can be chosen; absent if it cannot.
    pub memory_options: Option<MemoryOptions>,
}

impl Listed for Shape {
    fn id(&self) -> Option<&str> {
        Some(&self.name)
    }
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
