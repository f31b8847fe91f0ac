//! A deployment with every default filled and every value valid: the input of a run, as the journal keeps it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::filter::Filter;
use super::identity::Origin;
use super::instance::masked_as_before;
use super::predecessor::Predecessor;
use super::secrecy::{Secrecy, masked_instance, secret_texts};
use crate::run::Confidential;

/// What is to be deployed, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deployment {
    /// The deployment's name. Two deployments may share a name; the target identifies a deployment.
    pub name: String,
    /// The new instance, with the wire's names. Confidential as a whole: it holds environment values, configuration files and
    /// pull secrets.
    pub instance: Confidential<Value>,
    /// The texts in it that came from the environment.
    pub secrets: Confidential<Vec<String>>,
    /// What makes a part of it secret. A run of an older version masks as it did then, so that its steps are the same on
    /// resume.
    #[serde(default, skip_serializing_if = "Secrecy::is_by_origin")]
    pub secrecy: Secrecy,
    /// The compartment of the instances, and of the load balancers unless `lb_compartment` is set.
    pub compartment_id: String,
    /// The compartment of the load balancers, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lb_compartment: Option<String>,
    /// Selects the instance to replace.
    pub ci_filter: Filter,
    /// What it means if the filter finds no instance.
    #[serde(default, skip_serializing_if = "Predecessor::is_as_before")]
    pub predecessor: Predecessor,
    /// Selects the load balancer that brings its traffic.
    pub lb_filter: Filter,
    /// Where the new instance is registered. If empty, in the old instance's own sets, at its ports.
    pub backends: Vec<BackendTarget>,
    /// The remaining parts of its target. Absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl Deployment {
    /// The new instance with its secrets masked.
    pub fn masked(&self) -> Value {
        let (instance, told) = (self.instance.expose(), self.secrets.expose());
        match self.secrecy {
            Secrecy::ByOrigin => masked_as_before(instance, told),
            Secrecy::ByPlace => masked_instance(instance, told),
        }
    }

    /// The masked instance, independent of where its parts came from: two versions that differ in a visible part differ here.
    pub fn told_apart(&self) -> Value {
        match self.secrecy {
            Secrecy::ByOrigin => masked_as_before(self.instance.expose(), &[]),
            Secrecy::ByPlace => self.masked(),
        }
    }

    /// Every text of the new instance that must not be shown, whatever repeats it.
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
    /// The name of the set.
    pub backend_set: String,
    /// The set to create if it is missing, with the wire's names. If absent, a missing set is an error.
    pub create: Option<Value>,
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
            origin: None,
        };
        let container = |shown: &Value| shown["containers"][0].clone();
        let now = container(&deployment.masked());
        assert_eq!((&now["imageUrl"], &now["arguments"][0]), (&json!("httpd:2"), &json!("***")));
        let mut stored = serde_json::to_value(&deployment).expect("it is written");
        stored.as_object_mut().expect("a map").remove("secrecy");
        deployment = serde_json::from_value(stored.clone()).expect("it is read");
        let before = container(&deployment.masked());
        assert_eq!((&before["imageUrl"], &before["arguments"][0]), (&json!("***"), &json!("s3cret")));
        assert_eq!(container(&deployment.told_apart())["imageUrl"], "httpd:2");
        assert_eq!(
            serde_json::to_value(&deployment).expect("it is written"),
            stored,
            "and written as it was"
        );
    }
}
