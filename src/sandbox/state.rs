//! The sandbox's whole state, as plain data that can be written to a folder.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::habits::Habits;

/// The compartment of all resources.
pub(super) const COMPARTMENT: &str = "ocid1.compartment.oc1..sandbox";
/// The parent of that compartment.
pub(super) const TENANCY: &str = "ocid1.tenancy.oc1..sandbox";
/// The subnet of all instances.
pub(super) const SUBNET: &str = "ocid1.subnet.oc1.iad.sandbox";
/// The only security group.
pub(super) const SECURITY_GROUP: &str = "ocid1.networksecuritygroup.oc1.iad.sandbox";
/// The only secret of a vault.
pub(super) const SECRET: &str = "ocid1.vaultsecret.oc1.iad.sandbox";
/// The only mount target, and its only export.
pub(super) const MOUNT_TARGET: &str = "ocid1.mounttarget.oc1.iad.sandbox";
pub(super) const EXPORT: &str = "ocid1.export.oc1.iad.sandbox";
/// The availability domain of all instances.
pub(super) const AVAILABILITY_DOMAIN: &str = "sbox:SANDBOX-AD-1";

/// Whether an id is a compartment's. A tenancy is a compartment too. Every compartment that a client names exists, and is
/// empty at first.
pub(super) fn is_compartment(id: &str) -> bool {
    ["ocid1.compartment.", "ocid1.tenancy."].iter().any(|kind| id.starts_with(kind))
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) balancers: BTreeMap<String, Balancer>,
    pub(super) work: BTreeMap<String, Work>,
    /// The results of the retry tokens.
    pub(super) tokens: HashMap<String, Spent>,
    pub(super) counter: u64,
    /// The middle bytes of the addresses of this sandbox's instances. Two sandboxes that run at once must not share any.
    pub(super) network: (u8, u8),
    pub(super) violations: Vec<String>,
    /// Resources from the start that nobody may change.
    pub(super) strangers: Vec<Value>,
    pub(super) seeded: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) habits: Habits,
    #[serde(skip)]
    pub(super) past: Past,
}

pub(super) type Balancers = BTreeMap<String, Balancer>;

/// Earlier states and when each began, oldest first. Empty while reads do not lag.
#[derive(Clone, Debug, Default)]
pub(super) struct Past(pub(super) Vec<(Instant, Arc<Balancers>)>);

/// The use of a retry token: the digest of the request, the id of what it created, and its `if-match`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Spent(pub(super) String, pub(super) String, #[serde(default)] pub(super) Option<String>);

/// A container instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) number: u64,
    /// The specification from which it was created.
    pub(super) specification: Value,
    pub(super) display_name: String,
    pub(super) freeform_tags: Value,
    pub(super) lifecycle: String,
    pub(super) details: Option<String>,
    pub(super) created: DateTime<Utc>,
    /// When it became ACTIVE for the first time.
    #[serde(default)]
    pub(super) active_since: Option<DateTime<Utc>>,
    pub(super) gone_since: Option<DateTime<Utc>>,
    pub(super) containers: Vec<Container>,
    pub(super) vnic: String,
    pub(super) address: String,
    pub(super) version: u64,
    /// When it was last changed.
    #[serde(default)]
    pub(super) updated: Option<DateTime<Utc>>,
    /// Whether its application answers.
    pub(super) is_up: bool,
}

impl Instance {
    /// Records that it has changed.
    pub(super) const fn touch(&mut self, now: DateTime<Utc>) {
        self.version += 1;
        self.updated = Some(now);
    }

    /// Ends its processes, as if the programs gave up. Its restart policy decides whether they start again. If none does,
    /// nothing is left running.
    pub(super) fn exit(&mut self, code: i64, now: DateTime<Utc>) {
        let is_over = match self.specification["containerRestartPolicy"].as_str() {
            Some("NEVER") => true,
            Some("ON_FAILURE") => code == 0,
            Some(_) | None => false,
        };
        self.is_up = false;
        for container in &mut self.containers {
            container.exit_code = Some(code);
            container.has_ended = is_over;
            container.restarts += u32::from(!is_over);
        }
        if is_over {
            "INACTIVE".clone_into(&mut self.lifecycle);
            self.touch(now);
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) specification: Value,
    pub(super) display_name: String,
    pub(super) restarts: u32,
    pub(super) exit_code: Option<i64>,
    /// Whether it has exited for good.
    #[serde(default)]
    pub(super) has_ended: bool,
    pub(super) log: String,
}

impl Container {
    /// A knob in its environment, by which a test controls its behaviour.
    pub(super) fn knob(&self, name: &str) -> Option<&str> {
        self.specification["environmentVariables"][name].as_str()
    }

    /// The tag of its image, which is also the version that it serves.
    pub(super) fn image_version(&self) -> &str {
        let image = self.specification["imageUrl"].as_str().unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or(image);
        name.rsplit_once([':', '@']).map_or("latest", |(_, tag)| tag)
    }
}

/// A load balancer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Balancer {
    pub(super) id: String,
    /// The details from which it was created, without the parts below.
    pub(super) head: Value,
    pub(super) sets: BTreeMap<String, BackendSet>,
    pub(super) listeners: BTreeMap<String, Listener>,
    pub(super) version: u64,
    /// The newest is last.
    pub(super) work: Vec<BalancerWork>,
    pub(super) created: DateTime<Utc>,
    pub(super) is_deleted: bool,
    /// Its state before the last change, with its version, for reads that lag.
    #[serde(skip)]
    pub(super) before: Option<(Value, String)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listener {
    pub(super) body: Value,
    /// The port on which it really listens.
    pub(super) port: u16,
}

impl Listener {
    pub(super) fn set(&self) -> &str {
        self.body["defaultBackendSetName"].as_str().unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct BackendSet {
    /// Policy, health checker and persistence.
    pub(super) body: Value,
    pub(super) backends: Vec<Backend>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Backend {
    pub(super) ip: String,
    pub(super) port: u16,
    pub(super) weight: u32,
    pub(super) max_connections: Option<u32>,
    pub(super) drain: bool,
    pub(super) backup: bool,
    pub(super) offline: bool,
    #[serde(skip)]
    pub(super) health: Health,
    /// Distinguishes a backend from an earlier one of the same name.
    #[serde(default)]
    pub(super) generation: u64,
}

impl Backend {
    /// A backend with the service's default flags.
    pub(super) fn at(ip: &str, port: u16) -> Self {
        Self {
            ip: ip.to_owned(),
            port,
            weight: 1,
            max_connections: None,
            drain: false,
            backup: false,
            offline: false,
            health: Health::default(),
            generation: 0,
        }
    }

    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.ip, self.port)
    }
}

/// What the health checks have found about a backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Health {
    /// `None` until enough checks agree.
    pub(super) is_well: Option<bool>,
    pub(super) n_agreeing: u32,
    pub(super) last: Option<(bool, &'static str)>,
    pub(super) at: Option<DateTime<Utc>>,
}

/// A change of a load balancer in its queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BalancerWork {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) error: Option<(String, String)>,
    pub(super) accepted: DateTime<Utc>,
    pub(super) finished: Option<DateTime<Utc>>,
    pub(super) change: Change,
    /// Set by a fault: the change will fail with this message.
    pub(super) fails_with: Option<String>,
    /// The version that the load balancer must have when the change has its turn.
    #[serde(default)]
    pub(super) expects: Option<String>,
}

/// The effect of a change once it is applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Change {
    CreateSet {
        name: String,
        body: Value,
    },
    UpdateSet {
        name: String,
        body: Value,
    },
    DeleteSet {
        name: String,
    },
    CreateBackend {
        set: String,
        backend: Backend,
    },
    UpdateBackend {
        set: String,
        name: String,
        flags: Value,
    },
    DeleteBackend {
        set: String,
        name: String,
    },
    UpdateChecker {
        set: String,
        body: Value,
    },
    CreateListener {
        name: String,
        body: Value,
    },
    UpdateListener {
        name: String,
        body: Value,
    },
    DeleteListener {
        name: String,
    },
    /// Changes the load balancer itself: some of the details from which it was created.
    UpdateHead {
        kind: String,
        fields: Value,
    },
    Create,
    Delete,
}

/// Work on a container instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) id: String,
    pub(super) operation: String,
    pub(super) status: String,
    pub(super) instance: String,
    pub(super) accepted: DateTime<Utc>,
    pub(super) finished: Option<DateTime<Utc>>,
    pub(super) errors: Vec<(String, String)>,
}

impl State {
    pub(super) fn new(port: u16) -> Self {
        let [high, low] = port.to_be_bytes();
        // 127.0.x.y and 127.255.x.y are left for other uses.
        Self { network: (high.clamp(1, 254), low), ..Self::default() }
    }

    /// A number that was not used before.
    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn ocid(&mut self, kind: &str) -> String {
        let number = self.next();
        format!("ocid1.{kind}.oc1.iad.sandbox{number:020}")
    }
}
