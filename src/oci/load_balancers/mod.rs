//! Load balancers: the calls and their answers (docs/oci.md 1.4). Every change is answered with 204 at once. A work request
//! carries it out, and its end must be waited for.

mod model;

use serde_json::{Value, json};

pub use model::{
    Backend, BackendHealth, BackendSet, Flags, Health, HealthCheckResult, HealthChecker, HealthStatus,
    Listener, LoadBalancer, WorkErrorDetail, WorkRequest, WorkState,
};

use super::call::{Call, Method, Service, encode};
use super::error::OciError;
use super::id::{BackendName, LoadBalancerId, WorkRequestId};
use super::listing::Listing;
use super::transport::{Answer, Transport};

/// The load balancers' API.
#[derive(Clone, Copy, Debug)]
pub struct LoadBalancers<'t>(pub(super) &'t Transport);

impl LoadBalancers<'_> {
    /// Every load balancer of a compartment, as the cloud sent it.
    pub fn list(&self, compartment: &str) -> Listing<'_, Value> {
        let list = call("ListLoadBalancers", Method::Get, "/loadBalancers".to_owned())
            .with_query("compartmentId", compartment);
        Listing::of::<Vec<Value>>(self.0, list)
    }

    /// One load balancer with all its parts, and the version that they share.
    pub async fn get(&self, id: &LoadBalancerId) -> Result<Answer<LoadBalancer>, OciError> {
        self.0.send(&call("GetLoadBalancer", Method::Get, path(id))).await
    }

    /// The work requests of a load balancer, newest first.
    pub fn work_requests(&self, id: &LoadBalancerId) -> Listing<'_, WorkRequest> {
        let list = call("ListWorkRequests", Method::Get, format!("{}/workRequests", path(id)));
        Listing::of::<Vec<WorkRequest>>(self.0, list)
    }

    /// One work request.
    pub async fn work_request(&self, id: &WorkRequestId) -> Result<Answer<WorkRequest>, OciError> {
        let path = format!("/loadBalancerWorkRequests/{}", encode(id.as_str()));
        self.0.send(&call("GetWorkRequest", Method::Get, path)).await
    }

    /// The health of all sets together.
    pub async fn health(&self, id: &LoadBalancerId) -> Result<Answer<Health>, OciError> {
        self.0.send(&call("GetLoadBalancerHealth", Method::Get, format!("{}/health", path(id)))).await
    }

    /// The health of one backend. The cloud answers 404 while the creation of the backend is queued (docs/oci.md 2.5).
    pub async fn backend_health(
        &self,
        id: &LoadBalancerId,
        set: &str,
        backend: &BackendName,
    ) -> Result<Answer<BackendHealth>, OciError> {
        let path = format!("{}/health", backend_path(id, set, backend));
        self.0.send(&call("GetBackendHealth", Method::Get, path)).await
    }
}

/// Creates a backend set from its JSON on the wire.
pub fn create_backend_set(id: &LoadBalancerId, specification: Value) -> Call {
    call("CreateBackendSet", Method::Post, format!("{}/backendSets", path(id))).with_body(specification)
}

/// Deletes a backend set.
pub fn delete_backend_set(id: &LoadBalancerId, set: &str) -> Call {
    call("DeleteBackendSet", Method::Delete, set_path(id, set))
}

/// Registers a backend.
pub fn create_backend(id: &LoadBalancerId, set: &str, address: &str, port: u16, flags: &Flags) -> Call {
    let path = format!("{}/backends", set_path(id, set));
    call("CreateBackend", Method::Post, path).with_body(backend(address, port, flags))
}

/// Replaces all flags of a backend.
pub fn update_backend(id: &LoadBalancerId, set: &str, backend: &BackendName, flags: &Flags) -> Call {
    call("UpdateBackend", Method::Put, backend_path(id, set, backend))
        .with_body(Value::Object(flags.fields()))
}

/// Replaces a whole set by the body of [`BackendSet::with_flags`], with all of its backends. Whoever is not in the body is gone.
pub fn update_backend_set(id: &LoadBalancerId, set: &str, body: Value) -> Call {
    call("UpdateBackendSet", Method::Put, set_path(id, set)).with_body(body)
}

/// A backend in the body of a request.
pub fn backend(address: &str, port: u16, flags: &Flags) -> Value {
    let mut body = Value::Object(flags.fields());
    body["ipAddress"] = json!(address);
    body["port"] = json!(port);
    body
}

/// Removes a backend, which ends its connections.
pub fn delete_backend(id: &LoadBalancerId, set: &str, backend: &BackendName) -> Call {
    call("DeleteBackend", Method::Delete, backend_path(id, set, backend))
}

fn path(id: &LoadBalancerId) -> String {
    format!("/loadBalancers/{}", encode(id.as_str()))
}

fn set_path(id: &LoadBalancerId, set: &str) -> String {
    format!("{}/backendSets/{}", path(id), encode(set))
}

fn backend_path(id: &LoadBalancerId, set: &str, backend: &BackendName) -> String {
    format!("{}/backends/{}", set_path(id, set), encode(backend.as_str()))
}

const fn call(operation: &'static str, method: Method, path: String) -> Call {
    Call::new(Service::LoadBalancer, operation, method, path)
}
