//! Everything the sandbox knows, in plain data that can be written to a folder.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::habits::Habits;

/// The compartment in which everything is.
pub(super) const COMPARTMENT: &str = "ocid1.compartment.oc1..sandbox";
/// Its parent.
pub(super) const TENANCY: &str = "ocid1.tenancy.oc1..sandbox";
/// The subnet in which everything is.
pub(super) const SUBNET: &str = "ocid1.subnet.oc1.iad.sandbox";
/// The one security group.
pub(super) const SECURITY_GROUP: &str = "ocid1.networksecuritygroup.oc1.iad.sandbox";
/// The one secret of a vault.
pub(super) const SECRET: &str = "ocid1.vaultsecret.oc1.iad.sandbox";
/// The one mount target, and the one export at it.
pub(super) const MOUNT_TARGET: &str = "ocid1.mounttarget.oc1.iad.sandbox";
pub(super) const EXPORT: &str = "ocid1.export.oc1.iad.sandbox";
/// The availability domain in which everything is.
pub(super) const AVAILABILITY_DOMAIN: &str = "sbox:SANDBOX-AD-1";

/// Whether an id is one of a compartment; a tenancy is one as well. Any that is named is there, and empty at first.
pub(super) fn is_compartment(id: &str) -> bool {
    ["ocid1.compartment.", "ocid1.tenancy."].iter().any(|kind| id.starts_with(kind))
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) balancers: BTreeMap<String, Balancer>,
    pub(super) work: BTreeMap<String, Work>,
    /// What a retry token has led to.
    pub(super) tokens: HashMap<String, Spent>,
    pub(super) counter: u64,
    /// The middle of the addresses of this sandbox's instances: two sandboxes at once must not share any.
    pub(super) network: (u8, u8),
    pub(super) violations: Vec<String>,
    /// What was there when the sandbox began and is nobody's to change.
    pub(super) strangers: Vec<Value>,
    pub(super) seeded: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) habits: Habits,
    #[serde(skip)]
    pub(super) past: Past,
}

pub(super) type Balancers = BTreeMap<String, Balancer>;

/// How it was, and since when; oldest first. Empty while reads do not lag.
#[derive(Clone, Debug, Default)]
pub(super) struct Past(pub(super) Vec<(Instant, Arc<Balancers>)>);

/// What a retry token was used for: the digest of the request, the id of what that made, and its `if-match`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Spent(pub(super) String, pub(super) String, #[serde(default)] pub(super) Option<String>);

/// A container instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) number: u64,
    /// What it was created from.
    pub(super) specification: Value,
    pub(super) display_name: String,
    pub(super) freeform_tags: Value,
    pub(super) lifecycle: String,
    pub(super) details: Option<String>,
    pub(super) created: DateTime<Utc>,
    /// Since when it is ACTIVE for the first time.
    #[serde(default)]
    pub(super) active_since: Option<DateTime<Utc>>,
    pub(super) gone_since: Option<DateTime<Utc>>,
    pub(super) containers: Vec<Container>,
    pub(super) vnic: String,
    pub(super) address: String,
    pub(super) version: u64,
    /// When it was changed last.
    #[serde(default)]
    pub(super) updated: Option<DateTime<Utc>>,
    /// Whether its application answers.
    pub(super) is_up: bool,
}

impl Instance {
    /// Notes that it has changed.
    pub(super) const fn touch(&mut self, now: DateTime<Utc>) {
        self.version += 1;
        self.updated = Some(now);
    }

    /// Ends the processes in it, as when programs give up. Its restart policy says whether they are to come again; when
    /// none is, there is nothing left that runs.
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
    /// Whether it has exited and is not to be started again.
    #[serde(default)]
    pub(super) has_ended: bool,
    pub(super) log: String,
}

impl Container {
    /// One of the knobs in its environment by which a test says how it behaves.
    pub(super) fn knob(&self, name: &str) -> Option<&str> {
        self.specification["environmentVariables"][name].as_str()
    }

    /// The tag of its image, which is the version that it serves.
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
    /// What it was created from, without the parts below.
    pub(super) head: Value,
    pub(super) sets: BTreeMap<String, BackendSet>,
    pub(super) listeners: BTreeMap<String, Listener>,
    pub(super) version: u64,
    /// Newest last.
    pub(super) work: Vec<BalancerWork>,
    pub(super) created: DateTime<Utc>,
    pub(super) is_deleted: bool,
    /// As it was before the last change, with its version, for reads that lag.
    #[serde(skip)]
    pub(super) before: Option<(Value, String)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listener {
    pub(super) body: Value,
    /// Where it really listens.
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
    /// Tells a backend from an earlier one of the same name.
    #[serde(default)]
    pub(super) generation: u64,
}

impl Backend {
    /// A backend with the flags that the service gives to one that says nothing.
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

/// What the checks have seen of a backend.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Health {
    /// `None` until enough checks agreed.
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
    /// Set by a fault: it will fail with this message.
    pub(super) fails_with: Option<String>,
    /// The version that the load balancer must have when its turn comes.
    #[serde(default)]
    pub(super) expects: Option<String>,
}

/// What a change will do once it is applied.
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
    /// Of the load balancer itself: some of what it was created from.
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
        // 127.0.x.y and 127.255.x.y are left to others.
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
