//! Destroy: drains and removes the backends of one instance, and deletes it.

use serde::{Deserialize, Serialize};

use super::World;
use super::activities::{FindLoadBalancer, FindOldBackends, FindOldInstance, OldInstance, Which};
use super::elsewhere::Elsewhere;
use super::stages::{Retiring, retire};
use super::target;
use crate::config::{Disposal, Filter};
use crate::engine::{Run, Stop, Workflow};
use crate::oci::InstanceId;
use crate::run::Confidential;

/// Takes one instance out of service and deletes it.
#[derive(Debug)]
pub struct Destroy;

/// The instance to destroy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Destruction {
    /// The instance.
    pub id: InstanceId,
    /// The compartment of the instance, and of the load balancer unless `lb_compartment` is set.
    pub compartment_id: String,
    /// The compartment of the load balancer, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lb_compartment: Option<String>,
    /// Selects the load balancer that brings its traffic.
    pub lb_filter: Filter,
    /// The compartments of other load balancers that may send requests to it. Absent in runs of older versions, which look
    /// neither there nor for other load balancers in the compartment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lb_compartments: Option<Vec<String>>,
}

impl Destruction {
    fn elsewhere(&self, old: &OldInstance) -> Option<Elsewhere> {
        let own = self.lb_compartment.as_ref().unwrap_or(&self.compartment_id);
        self.lb_compartments.as_ref().map(|besides| Elsewhere {
            compartments: Elsewhere::among(own, besides),
            ipv6_addresses: old.ipv6_addresses.clone(),
            is_kept: false,
        })
    }
}

impl Workflow for Destroy {
    const NAME: &'static str = "destroy";
    const VERSION: u32 = 1;
    type World = World;
    type Input = Destruction;
    type Output = ();

    async fn steps(run: &mut Run<'_, World>, destruction: &Destruction) -> Result<(), Stop> {
        let find = FindLoadBalancer {
            compartment_id: destruction
                .lb_compartment
                .as_ref()
                .unwrap_or(&destruction.compartment_id)
                .clone(),
            filter: destruction.lb_filter.clone(),
        };
        let balancer = run.read(find).await?.id;
        let which = Which::Id(destruction.id.clone());
        let find = FindOldInstance { which, pull_secrets: Confidential::new(Vec::new()), around: None };
        let Some(old) = run.read(find).await? else { return Ok(()) };
        let found = run
            .read(FindOldBackends {
                load_balancer: balancer.clone(),
                addresses: old.addresses.clone(),
                wanted: Vec::new(),
                may_leave_nothing: true,
                elsewhere: destruction.elsewhere(&old),
            })
            .await?;
        for backend in &found.old {
            run.hold(&target::backend_set(&balancer, &backend.backend_set)).await?;
        }
        let retiring = Retiring {
            balancer: &balancer,
            backends: &found.old,
            shifted: Vec::new(),
            compartment_id: &destruction.compartment_id,
            mode: Disposal::Delete,
            may_leave_nothing: true,
            marks_kept: false,
            takeover: None,
            elsewhere: destruction.elsewhere(&old),
        };
        retire(run, old, &retiring).await
    }
}
