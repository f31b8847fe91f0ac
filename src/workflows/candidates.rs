//! Describes an instance that may be the old one: where it serves, who created it, what runs in it, and how it differs from
//! the filter.

use std::fmt;

use serde_json::Value;

use super::{World, failure, instance};
use crate::config::{Difference, Filter};
use crate::engine::Cx;
use crate::oci::container_instances::{ContainerInstance, ContainerRef};
use crate::oci::load_balancers::{Backend, LoadBalancer};
use crate::oci::{InstanceId, printable};
use crate::run::Failure;

/// How many images and differences of one instance are listed.
const TOLD_LIMIT: usize = 5;

/// How many instances are listed.
const SEVERAL_LIMIT: usize = 10;

/// How the instance to replace is named.
#[derive(Clone, Copy)]
pub(super) enum Named<'n> {
    Matching(&'n Filter),
    Id(&'n InstanceId),
}

impl Named<'_> {
    pub(super) fn is(self, instance: &Value) -> bool {
        match self {
            Self::Matching(filter) => filter.matches(instance),
            Self::Id(id) => instance["id"] == id.as_str(),
        }
    }
}

/// An instance that may be the old one.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: InstanceId,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) addresses: Vec<String>,
    /// Where it is registered on the load balancer.
    pub(super) registered: Vec<Registered>,
    /// Whether the load balancer could be read.
    is_known: bool,
    pub(super) made_by: Option<String>,
    pub(super) kept_by: Option<String>,
    containers: Vec<ContainerRef>,
    /// Its images, which distinguish one version from another; empty until they are read.
    pub(super) images: Vec<String>,
    /// Its compartment, if it is not the one that was searched.
    elsewhere: Option<String>,
    differences: Vec<Difference>,
}

/// A place in which an instance is registered.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) backend_set: String,
    pub(super) backend: Backend,
}

impl Candidate {
    /// An instance from a list, with its places.
    pub(super) async fn of(
        cx: &Cx<'_, World>,
        balancer: Option<&LoadBalancer>,
        listed: &Value,
    ) -> Result<Self, Failure> {
        let id = InstanceId::from(listed["id"].as_str().unwrap_or_default());
        let read = read(cx, &id).await?;
        let addresses = match &read {
            Some(read) => instance::addresses(cx, read).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        let containers = read.map(|read| read.containers).unwrap_or_default();
        Ok(Self { containers, ..Self::at(balancer, listed, &addresses) })
    }

    /// An instance with these addresses. What runs in it is not known.
    pub(super) fn at(balancer: Option<&LoadBalancer>, shown: &Value, addresses: &[String]) -> Self {
        let text = |name: &str| printable(shown[name].as_str().unwrap_or_default());
        Self {
            id: InstanceId::from(shown["id"].as_str().unwrap_or_default()),
            name: text("displayName"),
            state: text("lifecycleState"),
            addresses: addresses.to_vec(),
            registered: balancer.map(|balancer| places(balancer, addresses)).unwrap_or_default(),
            is_known: balancer.is_some(),
            made_by: instance::made_by(shown).map(printable),
            kept_by: kept_by(shown).map(printable),
            containers: Vec::new(),
            images: Vec::new(),
            elsewhere: None,
            differences: Vec::new(),
        }
    }

    /// Whether requests reach it.
    pub(super) fn serves(&self) -> bool {
        self.registered.iter().any(|place| place.backend.flags.serves())
    }

    /// Reads what runs in it.
    pub(super) async fn look_at_images(&mut self, cx: &Cx<'_, World>) -> Result<(), Failure> {
        self.images = images(cx, &self.containers).await?;
        Ok(())
    }

    /// Reads the details that only a message needs.
    pub(super) async fn look_closer(
        &mut self,
        cx: &Cx<'_, World>,
        filter: &Filter,
        compartment_id: &str,
        listed: &Value,
    ) -> Result<(), Failure> {
        self.look_at_images(cx).await?;
        self.differences = filter.differences(listed);
        let compartment = listed["compartmentId"].as_str().filter(|id| *id != compartment_id);
        self.elsewhere = compartment.map(printable);
        Ok(())
    }
}

/// The instance. `None` if it cannot be read.
async fn read(cx: &Cx<'_, World>, id: &InstanceId) -> Result<Option<ContainerInstance>, Failure> {
    const DOING: &str = "looking at an instance";
    let api = cx.world.oci.container_instances();
    match failure::look(cx, DOING, || api.get(id)).await? {
        Ok(read) => Ok(Some(read.value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(failure::of(DOING, &error)),
    }
}

/// The images of these containers.
async fn images(cx: &Cx<'_, World>, containers: &[ContainerRef]) -> Result<Vec<String>, Failure> {
    const DOING: &str = "looking at what runs in an instance";
    let api = cx.world.oci.container_instances();
    let mut images = Vec::new();
    for container in containers.iter().take(TOLD_LIMIT) {
        let id = &container.container_id;
        let read = failure::look(cx, DOING, || api.container_raw(id)).await?;
        images.extend(read.ok().and_then(|answer| answer.value["imageUrl"].as_str().map(printable)));
    }
    Ok(images)
}

/// The places of a load balancer that have one of these addresses.
fn places(balancer: &LoadBalancer, addresses: &[String]) -> Vec<Registered> {
    let sets = balancer.backend_sets.values();
    sets.flat_map(|set| set.backends.iter().map(move |backend| (set, backend)))
        .filter(|(_, backend)| addresses.contains(&backend.ip_address))
        .map(|(set, backend)| Registered { backend_set: set.name.clone(), backend: backend.clone() })
        .collect()
}

impl fmt::Display for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}, {}", self.id, self.name, self.state)?;
        if !self.images.is_empty() {
            write!(formatter, ", {}", self.images.join(", "))?;
        }
        formatter.write_str("): ")?;
        match self.registered.as_slice() {
            [] if self.is_known => formatter.write_str("serves nowhere")?,
            [] => formatter.write_str("nobody knows where it serves")?,
            places => formatter
                .write_str(&places.iter().map(Registered::to_string).collect::<Vec<_>>().join(", "))?,
        }
        if let Some(run) = &self.made_by {
            write!(formatter, "; made by run {run}")?;
        }
        if let Some(run) = &self.kept_by {
            write!(formatter, "; kept by run {run}")?;
        }
        if let Some(compartment) = &self.elsewhere {
            write!(formatter, "; is in compartment {compartment}")?;
        }
        for difference in self.differences.iter().take(TOLD_LIMIT) {
            write!(formatter, "; {difference}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Registered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = &self.backend.flags;
        let how = match (flags.offline, flags.drain, flags.backup) {
            (true, _, _) => "is offline in",
            (false, true, _) => "is drained in",
            (false, false, true) => "is a backup in",
            (false, false, false) => "serves in",
        };
        write!(formatter, "{how} `{}` as {}", self.backend_set, self.backend.name)
    }
}

/// Whether a run of ours kept the instance.
pub(super) fn is_kept(instance: &Value) -> bool {
    kept_by(instance).is_some()
}

fn kept_by(instance: &Value) -> Option<&str> {
    instance["freeformTags"].as_object().and_then(instance::kept::by)
}

/// The instances of `matching` that may be the old one. Left out are those that a run of ours took out of service and kept,
/// and that serve nowhere since.
pub(super) async fn without_kept<'v>(
    cx: &Cx<'_, World>,
    balancer: Option<&LoadBalancer>,
    matching: Vec<&'v Value>,
) -> Result<Vec<&'v Value>, Failure> {
    let mut left = Vec::new();
    for instance in matching {
        let is_set_aside =
            is_kept(instance) && Candidate::of(cx, balancer, instance).await?.registered.is_empty();
        if is_set_aside {
            let id = instance["id"].as_str().unwrap_or_default();
            cx.progress(format!("{id} was kept by an earlier run and serves nowhere: it is set aside"));
        } else {
            left.push(instance);
        }
    }
    Ok(left)
}

/// The message about several instances of which one must be chosen.
pub(super) async fn told(
    cx: &Cx<'_, World>,
    balancer: Option<&LoadBalancer>,
    filter: &Filter,
    compartment_id: &str,
    several: &[&Value],
) -> Result<String, Failure> {
    let mut lines = Vec::new();
    for instance in several.iter().take(SEVERAL_LIMIT) {
        let mut candidate = Candidate::of(cx, balancer, instance).await?;
        candidate.look_closer(cx, filter, compartment_id, instance).await?;
        lines.push(format!("{candidate}; is the old one with `--replace {}`", candidate.id));
    }
    if several.len() > SEVERAL_LIMIT {
        lines.push(format!("and {} more", several.len() - SEVERAL_LIMIT));
    }
    Ok(lines.join("\n  "))
}
