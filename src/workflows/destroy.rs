//! Destroy: drains and removes the backends of one instance, and deletes it.

use serde::{Deserialize, Serialize};

use super::World;
use super::activities::{FindLoadBalancer, FindOldBackends, FindOldInstance, Which};
use super::elsewhere::Elsewhere;
use super::stages::{Retiring, retire};
use super::target;
use crate::config::{Disposal, Filter};
use crate::engine::{Run, Stop, Workflow};
use crate::oci::{InstanceId, LoadBalancerId};
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
        let own = destruction.lb_compartment.as_ref().unwrap_or(&destruction.compartment_id);
        let elsewhere = destruction.lb_compartments.as_ref().map(|besides| Elsewhere::among(own, besides));
        let taking = TakingAway {
            id: &destruction.id,
            balancer: &balancer,
            compartment_id: &destruction.compartment_id,
            elsewhere,
            only_unused: false,
            is_dead: false,
        };
        take_away(run, taking).await
    }
}

/// An instance that is to be taken away.
pub(super) struct TakingAway<'t> {
    pub(super) id: &'t InstanceId,
    pub(super) balancer: &'t LoadBalancerId,
    pub(super) compartment_id: &'t str,
    /// The compartments of load balancers that must not send to it; `None` in runs of older versions, which do not look.
    pub(super) elsewhere: Option<Vec<String>>,
    /// Whether it is left alone if it serves. Otherwise its sets may be left with nothing.
    pub(super) only_unused: bool,
    /// Whether it does not serve although it is in service.
    pub(super) is_dead: bool,
}

/// Takes one instance out of service and deletes it.
pub(super) async fn take_away(run: &mut Run<'_, World>, taking: TakingAway<'_>) -> Result<(), Stop> {
    let TakingAway { id, balancer, compartment_id, elsewhere, only_unused, is_dead } = taking;
    let which = Which::Id(id.clone());
    let find = FindOldInstance { which, pull_secrets: Confidential::new(Vec::new()), around: None };
    let Some(old) = run.read(find).await? else { return Ok(()) };
    let elsewhere = elsewhere.map(|compartments| Elsewhere {
        compartments,
        ipv6_addresses: old.ipv6_addresses.clone(),
        is_kept: false,
    });
    let find = FindOldBackends {
        load_balancer: balancer.clone(),
        addresses: old.addresses.clone(),
        wanted: Vec::new(),
        may_leave_nothing: !only_unused,
        elsewhere: elsewhere.clone(),
    };
    let found = run.read(find).await?;
    if only_unused {
        if !is_dead && found.old.iter().any(|old| old.backend.flags.serves()) {
            return Ok(());
        }
        run.hold(&target::instance(id)).await?;
    }
    for backend in &found.old {
        run.hold(&target::backend_set(balancer, &backend.backend_set)).await?;
    }
    let retiring = Retiring {
        balancer,
        backends: &found.old,
        shifted: Vec::new(),
        compartment_id,
        mode: Disposal::Delete,
        may_leave_nothing: !only_unused,
        marks_kept: false,
        takeover: None,
        claim: None,
        elsewhere,
    };
    retire(run, old, &retiring).await
}
