//! Resources that exist without a call: load balancers and instances that have been serving for long.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::control::making;
use super::shared::Shared;
use super::state::{
    AVAILABILITY_DOMAIN, Backend, BackendSet, Balancer, COMPARTMENT, Health, Listener, SUBNET, State,
};

/// A load balancer with these sets: name, backends, and the port of their listener.
pub(super) fn balancer<const N: usize>(
    id: &str,
    name: &str,
    tags: &Value,
    sets: [(&str, Vec<Backend>, u16); N],
    created: DateTime<Utc>,
) -> Balancer {
    let listeners = sets.iter().map(|(name, _, port)| ((*name).to_owned(), listener(name, *port))).collect();
    Balancer {
        id: id.to_owned(),
        head: json!({
            "compartmentId": COMPARTMENT, "displayName": name, "shapeName": "flexible",
            "shapeDetails": {"minimumBandwidthInMbps": 10, "maximumBandwidthInMbps": 100},
            "isPrivate": false, "subnetIds": [SUBNET], "freeformTags": tags,
        }),
        sets: sets.into_iter().map(|(name, backends, _)| (name.to_owned(), set("/", backends))).collect(),
        listeners,
        version: 1,
        work: Vec::new(),
        created,
        is_deleted: false,
        before: None,
    }
}

pub(super) fn ready_instance(
    shared: &Shared,
    state: &mut State,
    name: &str,
    version: &str,
    tags: &Value,
) -> String {
    let specification = json!({
        "displayName": name, "compartmentId": COMPARTMENT, "availabilityDomain": AVAILABILITY_DOMAIN,
        "shape": "CI.Standard.E4.Flex", "shapeConfig": {"ocpus": 1, "memoryInGBs": 2},
        "vnics": [{"subnetId": SUBNET}], "freeformTags": tags,
        "containers": [{
            "displayName": "web", "imageUrl": format!("docker.io/library/httpd:{version}"),
            "environmentVariables": {"GREETING": "hello"},
        }],
    });
    let made = making::make(state, &specification, shared.now());
    let id = made.expect("a new sandbox has more addresses than instances");
    if let Some(instance) = state.instances.get_mut(&id) {
        "ACTIVE".clone_into(&mut instance.lifecycle);
        instance.is_up = true;
    }
    id
}

pub(super) fn address(state: &State, instance: &str) -> String {
    state.instances.get(instance).map(|instance| instance.address.clone()).unwrap_or_default()
}

/// A backend that has been serving for long.
pub(super) fn serving(ip: &str, port: u16) -> Backend {
    Backend { health: Health { is_well: Some(true), ..Health::default() }, ..Backend::at(ip, port) }
}

fn set(url_path: &str, backends: Vec<Backend>) -> BackendSet {
    BackendSet {
        body: json!({
            "policy": "ROUND_ROBIN",
            "healthChecker": {
                "protocol": "HTTP", "urlPath": url_path, "port": 0, "returnCode": 200, "retries": 3,
                "timeoutInMillis": 3000, "intervalInMillis": 10000, "responseBodyRegex": "",
            },
        }),
        backends,
    }
}

fn listener(set: &str, port: u16) -> Listener {
    let body = json!({
        "name": set, "defaultBackendSetName": set, "port": port, "protocol": "HTTP",
        "connectionConfiguration": {"idleTimeout": 60},
    });
    Listener { body, port: 0 }
}
