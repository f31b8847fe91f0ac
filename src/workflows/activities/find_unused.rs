//! Finds what earlier runs of a deployment have left behind: instances with our tags that serve nowhere.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{Belongs, DEPLOYMENT_TAG};
use crate::engine::{Activity, Cx, Read};
use crate::oci::load_balancers::HealthStatus;
use crate::oci::{InstanceId, LoadBalancerId, is_terminated, printable};
use crate::run::{Failure, RunId};
use crate::workflows::balancer::{self, Place};
use crate::workflows::beside::belongs;
use crate::workflows::candidates::{Candidate, Registered, is_kept};
use crate::workflows::{World, failure, instance};

const DOING: &str = "looking for what earlier runs have left behind";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct FindUnused {
    pub(in crate::workflows) load_balancer: LoadBalancerId,
    pub(in crate::workflows) compartments: Vec<String>,
    /// The value of the deployment's tag.
    pub(in crate::workflows) deployment: String,
    /// Runs that are not over, whose instances are theirs.
    pub(in crate::workflows) open: Vec<RunId>,
    /// Instances that a run which is not over, or a rollback, may need.
    pub(in crate::workflows) needed: Vec<InstanceId>,
    /// An instance that is younger may be of a run that this machine does not know.
    pub(in crate::workflows) older_than: Duration,
}

/// An instance that nobody uses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unused {
    /// Its OCID.
    pub id: InstanceId,
    /// Its display name.
    pub name: String,
    /// Its state in the cloud.
    pub state: String,
    /// When it was created, in RFC 3339.
    pub created_at: String,
    /// The run that created it, according to its tag.
    pub run: String,
    /// What it costs: its shape, its OCPUs and its memory.
    pub shape: String,
    /// Where it is registered, drained, offline or dead.
    pub backends: Vec<String>,
    /// Whether it is in service, and does not run or is unhealthy.
    #[serde(default)]
    pub is_dead: bool,
}

impl Activity for FindUnused {
    const NAME: &'static str = "find-unused";
    type World = World;
    type Output = Vec<Unused>;

    fn note(found: &Vec<Unused>) -> Option<String> {
        let ids: Vec<&str> = found.iter().map(|unused| unused.id.as_str()).collect();
        Some(if ids.is_empty() { "nothing".to_owned() } else { ids.join(" ") })
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<Vec<Unused>, Failure> {
        let balancers = cx.world.oci.load_balancers();
        let balancer = failure::must_look(cx, DOING, || balancers.get(&self.load_balancer)).await?.value;
        // Without sets of its own, the deployment is known by its name only, and others may have that name. So an instance
        // goes only if one with the very same tag serves.
        let (mut unused, mut serving) = (Vec::new(), BTreeSet::new());
        let may_be_ours = |one: &&Value| belongs(&self.deployment, one) != Belongs::Not;
        let listed = instance::listed(cx, DOING, &self.compartments).await?;
        for one in listed.iter().filter(|one| !is_terminated(one)).filter(may_be_ours) {
            let tag = one["freeformTags"][DEPLOYMENT_TAG].as_str().map(ToOwned::to_owned);
            let candidate = Candidate::of(cx, Some(&balancer), one).await?;
            if self.serves(cx, one, &candidate).await? {
                serving.insert(tag);
            } else if self.is_free(cx, one) {
                unused.extend(described(one, &candidate).map(|unused| (tag, unused)));
            }
        }
        if serving.is_empty() && !unused.is_empty() {
            // The newest of them may be the version that is to serve again.
            return Err(Failure::permanent(
                DOING,
                format!("no instance of {} serves: nothing is taken away while that is so", self.deployment),
            ));
        }
        unused.retain(|(tag, _)| serving.contains(tag));
        Ok(unused.into_iter().map(|(_, unused)| unused).collect())
    }
}

impl Read for FindUnused {}

impl FindUnused {
    /// Whether requests reach an instance: it is in service somewhere, runs, and is not unhealthy everywhere.
    async fn serves(
        &self,
        cx: &Cx<'_, World>,
        listed: &Value,
        candidate: &Candidate,
    ) -> Result<bool, Failure> {
        if matches!(listed["lifecycleState"].as_str(), Some("INACTIVE" | "FAILED")) {
            return Ok(false);
        }
        for Registered { backend_set, backend } in &candidate.registered {
            let place = Place::of(&self.load_balancer, backend_set, backend);
            if backend.flags.serves() && balancer::health(cx, &place).await?.0 != HealthStatus::Critical {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether nobody may need an instance that serves nowhere.
    fn is_free(&self, cx: &Cx<'_, World>, listed: &Value) -> bool {
        let run = instance::made_by(listed).unwrap_or_default();
        let id = listed["id"].as_str().unwrap_or_default();
        let is_of_an_open_run = self.open.iter().any(|open| open.to_string() == run);
        let is_needed = self.needed.iter().any(|needed| needed.as_str() == id);
        let is_old = instance::created_at(listed).is_some_and(|at| cx.clock.has_passed(at, self.older_than));
        !run.is_empty() && !is_of_an_open_run && !is_needed && is_old && !is_kept(listed) && !is_going(listed)
    }
}

fn is_going(listed: &Value) -> bool {
    matches!(listed["lifecycleState"].as_str(), Some("DELETING" | "DELETED"))
}

fn described(listed: &Value, candidate: &Candidate) -> Option<Unused> {
    let text = |value: &Value| printable(value.as_str().unwrap_or_default());
    let size = &listed["shapeConfig"];
    let amount = |name: &str| size[name].as_f64().map_or_else(|| "?".to_owned(), |amount| amount.to_string());
    Some(Unused {
        id: InstanceId::from(listed["id"].as_str()?),
        name: text(&listed["displayName"]),
        state: text(&listed["lifecycleState"]),
        created_at: text(&listed["timeCreated"]),
        run: instance::made_by(listed).map(printable)?,
        shape: format!("{}, {} OCPU, {} GB", text(&listed["shape"]), amount("ocpus"), amount("memoryInGBs")),
        backends: candidate.registered.iter().map(ToString::to_string).collect(),
        is_dead: candidate.serves(),
    })
}
