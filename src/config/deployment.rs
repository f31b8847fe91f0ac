//! A deployment with every default filled and every value valid: what a run is given and the journal keeps.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::filter::Filter;
use super::identity::Origin;
use super::instance::masked_as_before;
use super::predecessor::Predecessor;
use super::secrecy::{Secrecy, secret_texts, shown_instance};
use crate::run::Confidential;

/// What is to be deployed, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deployment {
    /// What the deployment is called. Two may be called the same: which it is, its target says.
    pub name: String,
    /// The new instance, in the words of the wire. Confidential as a whole: it holds environment values,
    /// configuration files and pull secrets.
    pub instance: Confidential<Value>,
    /// What of it came from the environment.
    pub secrets: Confidential<Vec<String>>,
    /// By what a part of it is secret. A run of before masks as it did, so that its steps are the same on a resume.
    #[serde(default, skip_serializing_if = "Secrecy::is_by_origin")]
    pub secrecy: Secrecy,
    /// Where instances are looked for, and load balancers unless it is said where.
    pub compartment_id: String,
    /// Where load balancers are looked for, when it is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lb_compartment: Option<String>,
    /// Which instance is replaced.
    pub ci_filter: Filter,
    /// What it means that the filter finds none.
    #[serde(default, skip_serializing_if = "Predecessor::is_as_before")]
    pub predecessor: Predecessor,
    /// Which load balancer its traffic comes through.
    pub lb_filter: Filter,
    /// Where the new instance is registered; empty means the old one's own sets and ports.
    pub backends: Vec<BackendTarget>,
    /// How a rollout behaves.
    pub policy: Policy,
    /// What else its target is made of. Runs of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl Deployment {
    /// The new instance as it may be shown.
    pub fn shown(&self) -> Value {
        let (instance, told) = (self.instance.expose(), self.secrets.expose());
        match self.secrecy {
            Secrecy::ByOrigin => masked_as_before(instance, told),
            Secrecy::ByPlace => shown_instance(instance, told),
        }
    }

    /// The same whoever told the parts of it: two versions that differ in a shown part differ in this.
    pub fn told_apart(&self) -> Value {
        match self.secrecy {
            Secrecy::ByOrigin => masked_as_before(self.instance.expose(), &[]),
            Secrecy::ByPlace => self.shown(),
        }
    }

    /// Every text of the new instance that must not be shown, whoever repeats it.
    pub fn secret_texts(&self) -> Vec<String> {
        secret_texts(self.instance.expose(), self.secrets.expose())
    }
}

/// A backend set that the new instance joins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackendTarget {
    /// The port that the instance listens on; never 0.
    pub port: u16,
    /// The set's name.
    pub backend_set: String,
    /// How to make the set where it is missing, in the words of the wire; without it a missing set is an error.
    pub create: Option<Value>,
}

/// How a rollout behaves. Every field has a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// From draining the old backends to removing them.
    pub drain_delay: Duration,
    /// The longest until the new backends are healthy.
    pub backend_timeout: Duration,
    /// The longest until an instance is active.
    pub instance_timeout: Duration,
    /// The longest between two looks.
    pub poll_interval: Duration,
    /// What follows when a step fails for good.
    pub on_failure: OnFailure,
    /// What becomes of the old instance.
    pub old_instance: OldInstance,
    /// How new backends are registered.
    pub register: Register,
    /// The longest until one request is answered.
    pub request_timeout: Duration,
    /// How failed attempts are spaced.
    pub retry: Retry,
    /// How long a new backend must stay healthy before it is admitted. Runs of before this was asked for have nothing
    /// here: one good check was enough for them, and nobody looked at the new version again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ready: Option<MinReady>,
    /// The longest that work of somebody else on the load balancer is waited for.
    #[serde(default = "work_timeout")]
    pub work_timeout: Duration,
    /// Where there are load balancers besides that may send requests to the old instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lb_compartments: Vec<String>,
}

const fn work_timeout() -> Duration {
    Duration::from_mins(10)
}

impl Policy {
    /// Whether it is of a run of before `min-ready`. Such a run is continued as it was begun: it notes no predecessors,
    /// leaves out sets that no listener seems to use, and does not look at the new version again.
    pub const fn is_of_before(&self) -> bool {
        self.min_ready.is_none()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            drain_delay: Duration::from_secs(10),
            backend_timeout: Duration::from_mins(2),
            instance_timeout: Duration::from_mins(10),
            poll_interval: Duration::from_secs(2),
            on_failure: OnFailure::Rollback,
            old_instance: OldInstance::Delete,
            register: Register::Drained,
            request_timeout: Duration::from_secs(30),
            retry: Retry::default(),
            min_ready: Some(MinReady::Interval),
            work_timeout: work_timeout(),
            lb_compartments: Vec::new(),
        }
    }
}

/// How long a new backend must stay healthy before it is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MinReady {
    /// One interval of the health checker of its set, at most ten seconds.
    Interval,
    /// So long.
    For(Duration),
}

/// What follows when a step fails for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Roll back at once.
    Rollback,
    /// Stop there and leave everything as it is.
    Halt,
}

/// What becomes of the old instance once it has no traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldInstance {
    /// It is deleted; a rollback creates it again from what was recorded.
    Delete,
    /// It is stopped; a rollback starts it. It goes on counting against the limits.
    Stop,
    /// It goes on running without traffic.
    Keep,
}

/// How new backends are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Register {
    /// Drained, and admitted once healthy: no request reaches a backend that was not checked (docs/design/redeploy.md).
    Drained,
    /// Active at once, for a load balancer that does not check drained backends.
    Active,
}

/// How failed attempts are spaced. The defaults are the official SDK's (docs/oci.md 3.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retry {
    /// How long after the first failure the attempts go on.
    pub max_elapsed: Duration,
    /// The upper bound of the first delay.
    pub initial_interval: Duration,
    /// The upper bound of any delay.
    pub max_interval: Duration,
    /// How much the bound grows from one delay to the next.
    pub multiplier: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_elapsed: Duration::from_mins(10),
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            multiplier: 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_of_before_masks_as_it_did_so_that_its_steps_are_the_same() {
        let instance = json!({"displayName": "web", "containers": [{"imageUrl": "httpd:2", "arguments": ["s3cret"],
                              "environmentVariables": {"A": "s3cret"}}]});
        let mut deployment = Deployment {
            name: "web".to_owned(),
            instance: Confidential::new(instance),
            secrets: Confidential::new(vec!["httpd:2".to_owned()]),
            secrecy: Secrecy::ByPlace,
            compartment_id: "c".to_owned(),
            lb_compartment: None,
            ci_filter: Filter::default(),
            predecessor: Predecessor::default(),
            lb_filter: Filter::default(),
            backends: Vec::new(),
            policy: Policy::default(),
            origin: None,
        };
        let container = |shown: &Value| shown["containers"][0].clone();
        let now = container(&deployment.shown());
        assert_eq!((&now["imageUrl"], &now["arguments"][0]), (&json!("httpd:2"), &json!("***")));
        let mut stored = serde_json::to_value(&deployment).expect("it is written");
        stored.as_object_mut().expect("a map").remove("secrecy");
        deployment = serde_json::from_value(stored.clone()).expect("it is read");
        let before = container(&deployment.shown());
        assert_eq!((&before["imageUrl"], &before["arguments"][0]), (&json!("***"), &json!("s3cret")));
        assert_eq!(container(&deployment.told_apart())["imageUrl"], "httpd:2");
        assert_eq!(
            serde_json::to_value(&deployment).expect("it is written"),
            stored,
            "and written as it was"
        );
    }
}
