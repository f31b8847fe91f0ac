//! What is there from the beginning: a web server in production, and bystanders that nobody may touch.

use std::sync::Arc;

use serde_json::{Value, json};

use super::control::instances;
use super::server::Shared;
use super::state::{
    AVAILABILITY_DOMAIN, Backend, BackendSet, Balancer, COMPARTMENT, Health, Listener, SUBNET, State,
};

/// What is there from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// Nothing.
    Empty,
    /// A load balancer `lb` with a serving instance `webserver` of version 1 in the set `http`, an unused set
    /// `admin`, and bystanders.
    Webserver,
}

pub(super) fn plant(shared: &Arc<Shared>) {
    if shared.seed == Seed::Empty {
        return;
    }
    let now = shared.now();
    shared.change(|state| {
        let web = ready_instance(shared, state, "webserver", "1", &json!({"env": "prod"}));
        let bystander = ready_instance(shared, state, "bystander", "7", &json!({"team": "other"}));
        let (web_ip, bystander_ip) = (address(state, &web), address(state, &bystander));
        let id = state.ocid("loadbalancer");
        let odd = Backend { weight: 7, max_connections: Some(300), ..serving(&bystander_ip, 80) };
        let balancer = Balancer {
            id: id.clone(),
            head: json!({
                "compartmentId": COMPARTMENT, "displayName": "lb", "shapeName": "flexible",
                "shapeDetails": {"minimumBandwidthInMbps": 10, "maximumBandwidthInMbps": 100},
                "isPrivate": false, "subnetIds": [SUBNET], "freeformTags": {"env": "prod"},
            }),
            sets: [
                ("http".to_owned(), set("/", vec![serving(&web_ip, 80)])),
                ("admin".to_owned(), set("/", Vec::new())),
                ("other".to_owned(), set("/", vec![odd.clone()])),
            ]
            .into(),
            listeners: [
                ("http".to_owned(), listener("http", 80)),
                ("admin".to_owned(), listener("admin", 8080)),
                ("other".to_owned(), listener("other", 81)),
            ]
            .into(),
            version: 1,
            work: Vec::new(),
            created: now,
            is_deleted: false,
            before: None,
        };
        state.strangers = vec![
            json!({"instance": bystander}),
            json!({"loadBalancer": id, "backendSet": "other", "backend": odd}),
        ];
        state.seeded = [("loadBalancerId", id.clone()), ("webserverId", web), ("bystanderId", bystander)]
            .map(|(name, id)| (name.to_owned(), id))
            .into();
        state.balancers.insert(id, balancer);
    });
}

/// Whether a bystander is as it was when the sandbox began.
pub(super) fn is_as_it_was(state: &State, stranger: &Value) -> bool {
    if let Some(id) = stranger["instance"].as_str() {
        return state
            .instances
            .get(id)
            .is_some_and(|instance| instance.lifecycle == "ACTIVE" && instance.version == 1);
    }
    let wanted: Option<Backend> = serde_json::from_value(stranger["backend"].clone()).ok();
    let set = stranger["loadBalancer"]
        .as_str()
        .and_then(|id| state.balancers.get(id))
        .and_then(|balancer| balancer.sets.get(stranger["backendSet"].as_str().unwrap_or_default()));
    let found = set.map(|set| {
        let plain = |backend: &Backend| Backend { health: Health::default(), ..backend.clone() };
        set.backends.iter().map(plain).collect::<Vec<_>>()
    });
    found == Some(wanted.into_iter().collect())
}

fn ready_instance(shared: &Shared, state: &mut State, name: &str, version: &str, tags: &Value) -> String {
    let specification = json!({
        "displayName": name, "compartmentId": COMPARTMENT, "availabilityDomain": AVAILABILITY_DOMAIN,
        "shape": "CI.Standard.E4.Flex", "shapeConfig": {"ocpus": 1, "memoryInGBs": 2},
        "vnics": [{"subnetId": SUBNET}], "freeformTags": tags,
        "containers": [{
            "displayName": "web", "imageUrl": format!("docker.io/library/httpd:{version}"),
            "environmentVariables": {"GREETING": "hello"},
        }],
    });
    let id = instances::make(state, &specification, shared.now());
    if let Some(instance) = state.instances.get_mut(&id) {
        "ACTIVE".clone_into(&mut instance.lifecycle);
        instance.is_up = true;
    }
    id
}

fn address(state: &State, instance: &str) -> String {
    state.instances.get(instance).map(|instance| instance.address.clone()).unwrap_or_default()
}

/// A backend that has been serving for long.
fn serving(ip: &str, port: u16) -> Backend {
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
