//! Checks whether something that a specification names exists and can be used as specified.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::{Activity, Cx, Read};
use crate::oci::container_instances::Shape;
use crate::oci::network::PrivateIp;
use crate::oci::{OciError, Reference, Referred, printable};
use crate::run::Failure;
use crate::workflows::{World, failure};

/// One thing that a specification names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) enum LookUp {
    Domains {
        compartment_id: String,
        availability_domain: String,
        fault_domain: Option<String>,
    },
    Shape {
        compartment_id: String,
        availability_domain: String,
        name: String,
        ocpus: f64,
        memory: Option<f64>,
    },
    HostnameLabel {
        place: String,
        subnet_id: String,
        label: String,
    },
    Resource {
        reference: Reference,
        place: String,
        id: String,
        availability_domain: String,
    },
}

/// Something that a deployment names and that does not exist in the cloud, or may not be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unfound {
    /// Its path in the deployment; `None` if a filter looks for it.
    pub path: Option<String>,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Unfound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(formatter, "{path}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl Unfound {
    fn at(place: &str, message: String) -> Self {
        Self { path: Some(format!("ci-config.{place}")), message }
    }
}

/// What is wrong with it.
type Found = Vec<Unfound>;

impl Activity for LookUp {
    const NAME: &'static str = "look-up";
    type World = World;
    type Output = Found;

    fn subject(&self) -> Option<String> {
        Some(match self {
            Self::Domains { .. } => "availability-domain".to_owned(),
            Self::Shape { .. } => "shape".to_owned(),
            Self::HostnameLabel { place, .. } | Self::Resource { place, .. } => place.clone(),
        })
    }

    fn note(found: &Found) -> Option<String> {
        Some(if found.is_empty() { "is there".to_owned() } else { "is not as it must be".to_owned() })
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Found, Failure> {
        match self {
            Self::Domains { compartment_id, availability_domain, fault_domain } => {
                domains(cx, compartment_id, availability_domain, fault_domain.as_deref()).await
            }
            Self::Shape { compartment_id, availability_domain, name, ocpus, memory } => {
                let api = cx.world.oci.container_instances();
                let list = api.shapes(compartment_id, availability_domain);
                match failure::look_all(cx, "listing the shapes", list).await? {
                    Ok(shapes) => Ok(of_shapes(&shapes, name, *ocpus, *memory)),
                    Err(error) => unseen("compartment-id", compartment_id, &error),
                }
            }
            Self::HostnameLabel { place, subnet_id, label } => {
                hostname_label(cx, place, subnet_id, label).await
            }
            Self::Resource { reference, place, id, availability_domain } => {
                let api = cx.world.oci.references();
                let get = || api.get(*reference, id);
                match failure::look(cx, "looking up what the specification refers to", get).await? {
                    Ok(answer) => Ok(of_resource(&answer.value, place, id, availability_domain)),
                    Err(error) => unseen(place, id, &error),
                }
            }
        }
    }
}

impl Read for LookUp {}

async fn domains(
    cx: &Cx<'_, World>,
    compartment: &str,
    availability: &str,
    fault: Option<&str>,
) -> Result<Found, Failure> {
    let api = cx.world.oci.domains();
    let listed =
        failure::look_all(cx, "listing the availability domains", api.availability(compartment)).await?;
    let there = match listed {
        Ok(there) => there,
        Err(error) => return unseen("compartment-id", compartment, &error),
    };
    if !there.iter().any(|domain| domain.name == availability) {
        return Ok(vec![not_among(
            "availability-domain",
            availability,
            there.iter().map(|domain| &domain.name),
        )]);
    }
    let Some(fault) = fault else { return Ok(Found::new()) };
    let listing = api.fault(compartment, availability);
    let there = failure::look_all_named(cx, "listing the fault domains", listing).await?;
    if there.iter().any(|domain| domain.name == fault) {
        return Ok(Found::new());
    }
    Ok(vec![not_among("fault-domain", fault, there.iter().map(|domain| &domain.name))])
}

/// A label belongs to one address in its subnet. The old instance keeps its label until it is gone.
async fn hostname_label(
    cx: &Cx<'_, World>,
    place: &str,
    subnet: &str,
    label: &str,
) -> Result<Found, Failure> {
    let api = cx.world.oci.network();
    let listing = api.private_ips(subnet);
    let listed = match failure::look_all(cx, "listing the addresses of the subnet", listing).await? {
        Ok(listed) => listed,
        // A subnet that may not be seen is reported on its own.
        Err(error) if error.is_not_found() => return Ok(Found::new()),
        Err(error) => return Err(failure::of("listing the addresses of the subnet", &error)),
    };
    let is_taken =
        |ip: &&PrivateIp| ip.hostname_label.as_ref().is_some_and(|taken| taken.eq_ignore_ascii_case(label));
    let taken = listed.iter().find(is_taken).map(|ip| {
        let address = ip.ip_address.as_deref().map_or_else(|| "another address".to_owned(), printable);
        Unfound::at(
            place,
            format!("{label} is taken in the subnet by {address}, and the new instance could not be created"),
        )
    });
    Ok(taken.into_iter().collect())
}

fn of_resource(referred: &Referred, place: &str, id: &str, availability: &str) -> Found {
    let mut found = Found::new();
    if !referred.is_there() {
        found.push(Unfound::at(place, format!("{id} is {}", referred.lifecycle_state)));
    }
    if let Some(own) = referred.availability_domain.as_ref().filter(|own| *own != availability) {
        found.push(Unfound::at(place, format!("{id} is in {own} alone")));
    }
    found
}

fn of_shapes(shapes: &[Shape], name: &str, ocpus: f64, memory: Option<f64>) -> Found {
    let Some(shape) = shapes.iter().find(|shape| shape.name == name) else {
        return vec![not_among("shape", name, shapes.iter().map(|shape| &shape.name))];
    };
    let mut found = Found::new();
    let mut check = |place: &str, asked: f64, least: f64, most: f64| {
        if !(least..=most).contains(&asked) {
            let place = format!("shape-config.{place}");
            let message = format!("{asked} is out of bounds: {name} takes {least} to {most}");
            found.push(Unfound::at(&place, message));
        }
    };
    if let Some(options) = &shape.ocpu_options {
        check("ocpus", ocpus, options.min, options.max);
    }
    if let (Some(options), Some(memory)) = (&shape.memory_options, memory) {
        check("memory-in-gbs", memory, options.min, options.max);
    }
    found
}

fn not_among<'n>(place: &str, name: &str, there: impl Iterator<Item = &'n String>) -> Unfound {
    let there: Vec<&str> = there.map(String::as_str).collect();
    Unfound::at(place, format!("there is no {name}; there are {}", there.join(", ")))
}

/// If the cloud says that something does not exist, it may also be forbidden (docs/oci.md 3.2).
fn unseen(place: &str, id: &str, error: &OciError) -> Result<Found, Failure> {
    if error.is_not_found() {
        let message = format!("{id} does not exist, or this user may not see it");
        return Ok(vec![Unfound::at(place, message)]);
    }
    Err(failure::of(format!("looking up {id}"), error))
}
