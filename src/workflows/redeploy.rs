//! Redeploy: the table of docs/design/redeploy.md, top to bottom. Reads come first, so that every error that can be found is
//! found before anything is created.

use std::time::Duration;

use super::activities::NoteService;
use super::finders::{compartments, elsewhere, find_load_balancer, find_old_backends, find_old_instance};
use super::joining::{self, Joining};
use super::rivals::Others;
use super::stages::{self, Retiring};
use super::successor::Takeover;
use super::target;
use super::world::World;
use crate::config::{Deployment, Predecessor, Until};
use crate::engine::{Opens, Run, Stop, Workflow};

/// The gate before the new version takes requests.
pub const REGISTERED: &str = "registered";
/// The gate before the old version is taken away.
const BAKE: &str = "bake";

/// Replaces an instance without dropping a request.
#[derive(Debug)]
pub struct Redeploy;

impl Workflow for Redeploy {
    const NAME: &'static str = "redeploy";
    const VERSION: u32 = 1;
    type World = World;
    type Input = Deployment;
    type Output = ();

    async fn steps(run: &mut Run<'_, World>, deployment: &Deployment) -> Result<(), Stop> {
        run.world().oci.mask(deployment.secret_texts());
        let balancer = run.read(find_load_balancer(deployment)).await?.id;
        let policy = run.world().policy.clone();
        let old = run.read(find_old_instance(deployment, &policy, Some(&balancer))).await?;
        let found = run.read(find_old_backends(deployment, &policy, &balancer, old.as_ref())).await?;
        let old_sets = found.old.iter().map(|old| &old.backend_set);
        for set in old_sets.chain(found.new.iter().map(|new| &new.backend_set)) {
            run.hold(&target::backend_set(&balancer, set)).await?;
        }
        if let Some(old) = &old {
            run.hold(&target::instance(&old.id)).await?;
        }
        let new_sets: Vec<&str> = found.new.iter().map(|new| new.backend_set.as_str()).collect();
        let target = target::of(deployment, &balancer, &new_sets);
        if let Some(held) = target.as_ref().and_then(target::held) {
            run.hold(&held).await?;
        }
        let others = policy.gives_way.then(|| Others {
            deployment: target::tag(deployment, target.as_ref()),
            compartments: compartments(deployment),
            filter: deployment.ci_filter.clone(),
            replaced: old.as_ref().map(|old| old.id.clone()),
        });
        stages::make_sets(run, &balancer, &found.missing_sets, others.as_ref()).await?;
        let created = stages::create(run, deployment, &balancer, target.as_ref()).await?;
        let successor = stages::successor(deployment, &created.id);
        let is_of_before = policy.is_of_before();
        let by = created.id.clone();
        let at = |new: &[String]| {
            let joining = Joining::new(&balancer, new, &found.new, &found.old, is_of_before);
            joining.claiming(others.clone(), &by)
        };
        let (joining, shifted) = if policy.shifts_sets {
            let joining = at(&stages::locate(run, deployment, &created).await?);
            joining::register(run, &joining).await?;
            // Without a backend, no load balancer decides.
            let listed = others.clone().filter(|_| joining.claim().is_none());
            stages::bring_up(run, deployment, created, listed).await?;
            let is_gated = policy.until == Until::Registered;
            let mut bake = policy.bake;
            if is_gated {
                joining::all_ready(run, &joining, &successor, joining.claim()).await?;
                if run.gate(REGISTERED, Opens::ByHand).await?.fully {
                    bake = Duration::ZERO;
                }
            }
            let shifted = joining::shift_each(run, &joining, &successor, is_gated).await?;
            if !new_sets.is_empty() {
                run.read(NoteService {}).await?;
            }
            if !bake.is_zero() && old.is_some() {
                run.gate(BAKE, Opens::After(bake)).await?;
            }
            (joining, shifted)
        } else {
            let joining = at(&stages::bring_up(run, deployment, created, None).await?.addresses);
            joining::register(run, &joining).await?;
            joining::admit_all(run, &joining, &successor).await?;
            (joining, Vec::new())
        };
        let Some(old) = old else { return Ok(()) };
        let takeover = Takeover { by: successor, at: joining.places().cloned().collect() };
        let retiring = Retiring {
            balancer: &balancer,
            backends: &found.old,
            shifted,
            compartment_id: &deployment.compartment_id,
            mode: policy.old_instance,
            may_leave_nothing: false,
            marks_kept: deployment.predecessor != Predecessor::AsBefore,
            takeover: (!is_of_before).then_some(takeover),
            claim: joining.claim().cloned(),
            elsewhere: elsewhere(deployment, &policy, Some(&old)),
        };
        stages::retire(run, old, &retiring).await
    }
}
