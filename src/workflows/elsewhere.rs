//! Looks for load balancers outside the deployment that may send requests to an instance.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{World, failure};
use crate::engine::Cx;
use crate::oci::load_balancers::LoadBalancer;
use crate::oci::network::is_same_address;
use crate::oci::{LoadBalancerId, is_terminated, printable};
use crate::run::Failure;

const DOING: &str = "looking who else sends to the old instance";

/// Where else to look, and for what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Elsewhere {
    /// The compartments whose load balancers are looked through.
    pub(super) compartments: Vec<String>,
    /// Other addresses by which backends could name the instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ipv6_addresses: Vec<String>,
    /// Whether the instance goes on running, so that no load balancer loses it.
    pub(super) is_kept: bool,
}

impl Elsewhere {
    /// The load balancer's own compartment, and the others, without duplicates.
    pub(super) fn among(own: &String, besides: &[String]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for one in std::iter::once(own).chain(besides) {
            if !all.contains(one) {
                all.push(one.clone());
            }
        }
        all
    }

    /// Refuses to begin if another load balancer sends to the instance, or if a backend names the instance by an IPv6
    /// address, which we do not understand.
    ///
    /// # Errors
    /// Permanent, with each backend.
    pub(super) async fn refuse(
        &self,
        cx: &Cx<'_, World>,
        own: &LoadBalancer,
        addresses: &[String],
    ) -> Result<(), Failure> {
        let known = by_ipv6(own, &self.ipv6_addresses);
        if !known.is_empty() {
            return Err(Failure::permanent(
                DOING,
                format!(
                    "it is known by an IPv6 address, as {}: register it by its IPv4 address",
                    known.join(", ")
                ),
            ));
        }
        let api = cx.world.oci.load_balancers();
        let list = |compartment| failure::list_named(cx, DOING, api.list(compartment));
        self.judge(cx, &self.senders(&own.id, addresses, list).await?)
    }

    /// Repeats the check right before the instance is retired.
    ///
    /// # Errors
    /// Permanent, with each backend. The run is then rolled back, and no load balancer has lost the instance.
    pub(super) async fn refuse_still(
        &self,
        cx: &Cx<'_, World>,
        own: &LoadBalancerId,
        addresses: &[String],
    ) -> Result<(), Failure> {
        let api = cx.world.oci.load_balancers();
        let list = |compartment| failure::must_look_all(cx, DOING, api.list(compartment));
        self.judge(cx, &self.senders(own, addresses, list).await?)
    }

    /// Every backend that sends to the instance. `list` lists the load balancers of a compartment.
    async fn senders<'s, L>(
        &'s self,
        own: &LoadBalancerId,
        addresses: &[String],
        list: impl Fn(&'s str) -> L + Send + Sync,
    ) -> Result<Vec<String>, Failure>
    where
        L: Future<Output = Result<Vec<Value>, Failure>> + Send,
    {
        let all: Vec<String> = addresses.iter().chain(&self.ipv6_addresses).cloned().collect();
        let mut senders = Vec::new();
        for compartment in self.compartments.iter().filter(|_| !all.is_empty()) {
            senders.extend(among(&list(compartment).await?, own, &all));
        }
        Ok(senders)
    }

    fn judge(&self, cx: &Cx<'_, World>, senders: &[String]) -> Result<(), Failure> {
        let senders = match senders {
            [] => return Ok(()),
            some => some.join(", "),
        };
        if self.is_kept {
            cx.warn(format!("the old instance is also {senders}: it goes on running, and serves there"));
            return Ok(());
        }
        Err(Failure::permanent(
            DOING,
            format!(
                "it is also {senders}, which would lose it: remove it there first, or say `old-instance: keep`"
            ),
        ))
    }
}

/// The backends at these addresses on all load balancers except our own.
fn among(listed: &[Value], own: &LoadBalancerId, addresses: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for balancer in listed.iter().filter(|one| one["id"] != own.as_str() && !is_terminated(one)) {
        let text = |value: &Value| printable(value.as_str().unwrap_or_default());
        for (set, body) in balancer["backendSets"].as_object().into_iter().flatten() {
            for backend in body["backends"].as_array().into_iter().flatten() {
                let address = backend["ipAddress"].as_str().unwrap_or_default();
                if addresses.iter().any(|one| is_same_address(one, address)) {
                    found.push(format!(
                        "the backend {} of the set `{}` of the load balancer {} {}",
                        text(&backend["name"]),
                        printable(set),
                        text(&balancer["displayName"]),
                        text(&balancer["id"]),
                    ));
                }
            }
        }
    }
    found
}

fn by_ipv6(own: &LoadBalancer, addresses: &[String]) -> Vec<String> {
    let sets = own.backend_sets.values();
    sets.flat_map(|set| set.backends.iter().map(move |backend| (set, backend)))
        .filter(|(_, backend)| addresses.iter().any(|one| is_same_address(one, &backend.ip_address)))
        .map(|(set, backend)| format!("the backend {} of the set `{}`", backend.name, set.name))
        .collect()
}
