//! Finds the one load balancer that the filter means.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::left::fact;
use crate::config::Filter;
use crate::engine::{Activity, Cx, Read};
use crate::oci::{LoadBalancerId, printable};
use crate::run::{Facts, Failure};
use crate::workflows::balancer::COMPARTMENT_FACT;
use crate::workflows::{World, failure};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindLoadBalancer {
    pub(in crate::workflows) compartment_id: String,
    pub(in crate::workflows) filter: Filter,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Found {
    pub(in crate::workflows) id: LoadBalancerId,
    pub(in crate::workflows) display_name: String,
    pub(in crate::workflows) compartment_id: String,
}

impl Activity for FindLoadBalancer {
    const NAME: &'static str = "find-load-balancer";
    type World = World;
    type Output = Found;

    fn note(found: &Found) -> Option<String> {
        Some(format!("{} {}", found.display_name, found.id))
    }

    fn facts(found: &Found) -> Facts {
        fact(COMPARTMENT_FACT, &found.compartment_id)
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Found, Failure> {
        const DOING: &str = "finding the load balancer";
        if let Some(doubt) = self.filter.doubt() {
            return Err(Failure::permanent(
                DOING,
                format!("lb-filter {} is not obeyed: {doubt}", self.filter),
            ));
        }
        let api = cx.world.oci.load_balancers();
        let listed = failure::list_named(cx, DOING, api.list(&self.compartment_id)).await?;
        let mut matching: Vec<Found> = listed
            .iter()
            .filter(|balancer| self.filter.matches(balancer))
            .map(|balancer| Found {
                id: balancer["id"].as_str().unwrap_or_default().into(),
                display_name: balancer["displayName"].as_str().unwrap_or_default().to_owned(),
                compartment_id: self.compartment_id.clone(),
            })
            .collect();
        match (matching.pop(), matching.as_slice()) {
            (Some(found), []) => {
                must_be_active(&found, &listed)?;
                Ok(found)
            }
            (None, _) => Err(Failure::permanent(
                DOING,
                format!(
                    "none of the {} load balancers in compartment {} matches lb-filter {} (`lb-compartment` says \
                     where they are, when that is not where the instances are)",
                    listed.len(),
                    self.compartment_id,
                    self.filter
                ),
            )),
            (Some(last), others) => {
                let ids: Vec<&str> = others.iter().chain([&last]).map(|found| found.id.as_str()).collect();
                Err(Failure::permanent(
                    DOING,
                    format!(
                        "lb-filter {} matches {} load balancers: {}",
                        self.filter,
                        ids.len(),
                        ids.join(", ")
                    ),
                ))
            }
        }
    }
}

impl Read for FindLoadBalancer {}

/// Makes sure that the load balancer can be changed: not if it is being created, or its creation failed.
fn must_be_active(found: &Found, listed: &[Value]) -> Result<(), Failure> {
    let own = listed.iter().find(|balancer| balancer["id"] == found.id.as_str());
    match own.and_then(|balancer| balancer["lifecycleState"].as_str()) {
        Some("ACTIVE") | None => Ok(()),
        Some(state) => Err(Failure::permanent(
            "finding the load balancer",
            format!("{} {} is {}, and not ACTIVE", found.display_name, found.id, printable(state)),
        )),
    }
}
