//! Container instances: the calls and their answers (docs/oci.md 1.3).

mod model;

use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use model::{
    Container, ContainerInstance, ContainerRef, InstanceState, MemoryOptions, OcpuOptions, Shape,
    VnicAttachment, WorkError,
};

use super::call::{Call, Method, Service, encode};
use super::error::OciError;
use super::id::{InstanceId, WorkRequestId};
use super::listing::Listing;
use super::transport::{Answer, Transport};

/// The container instances' API.
#[derive(Clone, Copy, Debug)]
pub struct ContainerInstances<'t>(pub(super) &'t Transport);

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

impl<T> From<Page<T>> for Vec<T> {
    fn from(page: Page<T>) -> Self {
        page.items
    }
}

impl ContainerInstances<'_> {
    /// Creates an instance, or returns the one that was created with the same retry token before.
    pub async fn create(&self, call: &Call) -> Result<Answer<ContainerInstance>, OciError> {
        self.0.send(call).await
    }

    /// One instance.
    pub async fn get(&self, id: &InstanceId) -> Result<Answer<ContainerInstance>, OciError> {
        self.0.send(&call("GetContainerInstance", Method::Get, path(id))).await
    }

    /// One instance as the cloud sent it, with fields that this binary does not know.
    pub async fn get_raw(&self, id: &InstanceId) -> Result<Answer<Value>, OciError> {
        self.0.send(&call("GetContainerInstance", Method::Get, path(id))).await
    }

    /// Every instance of a compartment, newest first. Summaries: without containers and VNICs.
    pub fn list(&self, compartment: &str) -> Listing<'_, Value> {
        let list = call("ListContainerInstances", Method::Get, "/containerInstances".to_owned())
            .with_query("compartmentId", compartment);
        Listing::of::<Page<Value>>(self.0, list)
    }

    /// The shapes that instances in an availability domain can have.
    pub fn shapes(&self, compartment: &str, domain: &str) -> Listing<'_, Shape> {
        let list = call("ListContainerInstanceShapes", Method::Get, "/containerInstanceShapes".to_owned())
            .with_query("compartmentId", compartment)
            .with_query("availabilityDomain", domain);
        Listing::of::<Page<Shape>>(self.0, list)
    }

    /// One container.
    pub async fn container(&self, id: &str) -> Result<Answer<Container>, OciError> {
        self.0.send(&call("GetContainer", Method::Get, format!("/containers/{}", encode(id)))).await
    }

    /// One container as the cloud sent it, to create it again from that. Its environment may hold secrets.
    pub async fn container_raw(&self, id: &str) -> Result<Answer<Value>, OciError> {
        self.0.send(&call("GetContainer", Method::Get, format!("/containers/{}", encode(id)))).await
    }

    /// The end of a container's log, masked; of its previous run if `previous`. It is text, whatever its content type
    /// says.
    pub async fn logs(&self, container: &str, previous: bool) -> Result<Answer<String>, OciError> {
        let path = format!("/containers/{}/actions/retrieveLogs", encode(container));
        let mut logs = call("RetrieveLogs", Method::Post, path);
        if previous {
            logs = logs.with_query("isPrevious", "true");
        }
        self.0.send_for_log(&logs).await
    }

    /// Why a work request failed.
    pub fn work_errors(&self, id: &WorkRequestId) -> Listing<'_, WorkError> {
        let path = format!("/workRequests/{}/errors", encode(id.as_str()));
        Listing::of::<Page<WorkError>>(self.0, call("ListWorkRequestErrors", Method::Get, path))
    }
}

/// Creates an instance from its JSON on the wire.
pub fn create(specification: Value) -> Call {
    call("CreateContainerInstance", Method::Post, "/containerInstances".to_owned()).with_body(specification)
}

/// Deletes an instance.
pub fn delete(id: &InstanceId) -> Call {
    call("DeleteContainerInstance", Method::Delete, path(id))
}

/// Stops an instance, which keeps its VNIC and loses its ephemeral storage.
pub fn stop(id: &InstanceId) -> Call {
    call("StopContainerInstance", Method::Post, format!("{}/actions/stop", path(id)))
}

/// Starts an instance that was stopped.
pub fn start(id: &InstanceId) -> Call {
    call("StartContainerInstance", Method::Post, format!("{}/actions/start", path(id)))
}

/// Renames an instance. Its name and its tags are all that can be changed.
pub fn rename(id: &InstanceId, name: &str) -> Call {
    call("UpdateContainerInstance", Method::Put, path(id)).with_body(json!({"displayName": name}))
}

/// Replaces all freeform tags of an instance.
pub fn retag(id: &InstanceId, tags: &Map<String, Value>) -> Call {
    call("UpdateContainerInstance", Method::Put, path(id)).with_body(json!({"freeformTags": tags}))
}

fn path(id: &InstanceId) -> String {
    format!("/containerInstances/{}", encode(id.as_str()))
}

const fn call(operation: &'static str, method: Method, path: String) -> Call {
    Call::new(Service::ContainerInstances, operation, method, path)
}
