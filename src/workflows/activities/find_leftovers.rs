//! Finds what to take away when the new side of a run is kept: the old instance, and everything that the run created besides
//! the instance that stays, for example in a compensation that was given up.

use serde::{Deserialize, Serialize};

use super::OldBackend;
use crate::engine::{Activity, Cx, Read};
use crate::oci::{InstanceId, LoadBalancerId};
use crate::run::Failure;
use crate::workflows::{World, balancer, failure, instance};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindLeftovers {
    pub(in crate::workflows) kept: InstanceId,
    /// The old instance, with the addresses that it had.
    pub(in crate::workflows) old: Option<(InstanceId, Vec<String>)>,
    pub(in crate::workflows) compartments: Vec<String>,
    pub(in crate::workflows) load_balancer: LoadBalancerId,
}

/// An instance to retire, and its backends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Leftover {
    pub(in crate::workflows) id: InstanceId,
    /// Whether the instance exists; otherwise only its backends do.
    pub(in crate::workflows) is_there: bool,
    pub(in crate::workflows) compartment_id: String,
    pub(in crate::workflows) addresses: Vec<String>,
    pub(in crate::workflows) backends: Vec<OldBackend>,
}

impl Activity for FindLeftovers {
    const NAME: &'static str = "find-leftovers";
    type World = World;
    type Output = Vec<Leftover>;

    fn note(found: &Vec<Leftover>) -> Option<String> {
        let ids: Vec<&str> = found.iter().map(|leftover| leftover.id.as_str()).collect();
        Some(if ids.is_empty() { "none".to_owned() } else { ids.join(" ") })
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Vec<Leftover>, Failure> {
        const DOING: &str = "finding what is to be taken away";
        let api = cx.world.oci.container_instances();
        let mut found: Vec<Leftover> = Vec::new();
        for compartment in &self.compartments {
            let [run, _] = instance::own_tags(cx, "");
            let mut ids = instance::find_tagged(cx, compartment, &[run]).await?;
            if let Some((old, _)) = &self.old
                && instance::state(cx, compartment, old).await?.is_some_and(|state| !state.is_terminated())
            {
                ids.push(old.clone());
            }
            for id in ids {
                if id == self.kept || found.iter().any(|known| known.id == id) {
                    continue;
                }
                let read = failure::must_look(cx, DOING, || api.get(&id)).await?.value;
                let addresses = instance::addresses(cx, &read).await?.unwrap_or_default();
                let compartment_id = compartment.clone();
                found.push(Leftover { id, is_there: true, compartment_id, addresses, backends: Vec::new() });
            }
        }
        // The backends of an old instance may outlive it.
        if let Some((id, addresses)) = &self.old
            && !found.iter().any(|known| known.id == *id)
            && let Some(compartment_id) = self.compartments.first().cloned()
        {
            found.push(Leftover {
                id: id.clone(),
                is_there: false,
                compartment_id,
                addresses: addresses.clone(),
                backends: Vec::new(),
            });
        }
        let (balancer, _) = balancer::when_idle(cx, &self.load_balancer).await?;
        for leftover in &mut found {
            for set in balancer.backend_sets.values() {
                let of_it =
                    set.backends.iter().filter(|backend| leftover.addresses.contains(&backend.ip_address));
                leftover.backends.extend(
                    of_it.map(|backend| OldBackend {
                        backend_set: set.name.clone(),
                        backend: backend.clone(),
                    }),
                );
            }
        }
        found.retain(|leftover| leftover.is_there || !leftover.backends.is_empty());
        Ok(found)
    }
}

impl Read for FindLeftovers {}
