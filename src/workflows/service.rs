//! What serves a deployment now, as the cloud shows it, and how that differs from what its runs have left.

use serde::Serialize;

use super::activities::{FindOldBackends, LookAtService, OldBackend, Seen, Service, Serving, Surroundings};
use super::finders::{compartments, find_load_balancer};
use super::target;
use super::world::World;
use crate::config::Deployment;
use crate::engine::{Activity as _, Foresight, Stop};
use crate::oci::InstanceId;
use crate::oci::load_balancers::Flags;
use crate::run::{Facts, RunRecord, RunState};

/// What the runs of a deployment have left in service.
#[derive(Clone, Debug)]
pub struct Expected {
    instance: InstanceId,
    /// Where it serves: the set, the port and the flags.
    places: Vec<(String, u16, Flags)>,
    /// The backends that were there besides, as `set/address:port`.
    others: Vec<String>,
}

impl Expected {
    /// The instance that a run has left in service, at the places that this run has looked up.
    pub fn of(instance: &str, run: &RunRecord) -> Self {
        let step = run.steps.iter().find(|step| step.name == FindOldBackends::NAME);
        let result = step.and_then(|step| step.result.clone());
        let found = result.and_then(|result| serde_json::from_value::<Surroundings>(result).ok());
        let (places, others) = match found {
            Some(Surroundings { old, others, .. }) if run.state == RunState::RolledBack => {
                let place = |old: OldBackend| (old.backend_set, old.backend.port, old.backend.flags);
                (old.into_iter().map(place).collect(), others)
            }
            Some(Surroundings { new, others, .. }) => {
                (new.into_iter().map(|new| (new.backend_set, new.port, new.flags)).collect(), others)
            }
            None => (Vec::new(), Vec::new()),
        };
        Self { instance: InstanceId::from(instance), places, others }
    }
}

/// A difference between what serves and what the runs have left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Drift {
    /// Its kind, for scripts.
    pub kind: &'static str,
    /// What differs, for people.
    pub message: String,
}

impl Service {
    /// Looks at what serves `deployment`.
    ///
    /// # Errors
    /// Whatever stops the look.
    pub async fn of(
        foresight: &Foresight<'_, World>,
        deployment: &Deployment,
        expected: Option<&Expected>,
    ) -> Result<Self, Stop> {
        let balancer = foresight.look(find_load_balancer(deployment), &Facts::new()).await?.id;
        let backend_sets: Vec<String> =
            deployment.backends.iter().map(|target| target.backend_set.clone()).collect();
        let look = LookAtService {
            deployment: target::tag_of_own_sets(deployment, &balancer),
            load_balancer: balancer,
            backend_sets,
            compartments: compartments(deployment),
            filter: deployment.ci_filter.clone(),
            expected: expected.map(|expected| expected.instance.clone()),
        };
        foresight.look(look, &Facts::new()).await
    }

    /// The instance with this OCID.
    pub fn instance(&self, id: &InstanceId) -> Option<&Seen> {
        self.instances.iter().find(|one| one.id == *id)
    }

    /// How it differs from what the runs have left.
    pub fn drift(&self, expected: &Expected) -> Vec<Drift> {
        let mut found = Vec::new();
        let mut add = |kind, message| found.push(Drift { kind, message });
        let id = &expected.instance;
        match self.instance(id) {
            None => add("instance-missing", format!("{id} is not there any more")),
            Some(one) if one.state != "ACTIVE" => {
                add("instance-not-active", format!("{id} is {}", one.state));
            }
            Some(_) => {}
        }
        for (set, port, flags) in &expected.places {
            let Some(set) = self.sets.iter().find(|one| one.name == *set) else { continue };
            let place = format!("port {port} of {id} in `{}`", set.name);
            let is_its = |one: &&Serving| one.instance.as_ref() == Some(id) && one.backend.port == *port;
            match set.backends.iter().find(is_its).map(|one| &one.backend.flags) {
                None => add("not-registered", format!("{place} is not registered")),
                Some(now) if !now.serves() => {
                    let how = if now.offline { "offline" } else { "drained" };
                    add("out-of-service", format!("{place} is {how}"));
                }
                Some(now) if now.weight != flags.weight => {
                    add("weight", format!("{place} has weight {}, and not {}", now.weight, flags.weight));
                }
                Some(now) if now.backup != flags.backup => {
                    let so = if now.backup { "a backup" } else { "no backup any more" };
                    add("backup", format!("{place} is {so}"));
                }
                Some(_) => {}
            }
        }
        for set in &self.sets {
            for one in set.backends.iter().filter(|one| one.backend.flags.serves()) {
                let name = format!("{}/{}", set.name, one.backend.name);
                if one.instance.as_ref() != Some(id) && !expected.others.contains(&name) {
                    add("serves-too", format!("{name} serves too: {}", self.told(one)));
                }
            }
        }
        found
    }

    fn told(&self, one: &Serving) -> String {
        match one.instance.as_ref().and_then(|id| self.instance(id)) {
            Some(Seen { id, name, run: Some(run), .. }) => format!("{id} ({name}), made by run {run}"),
            Some(Seen { id, name, run: None, .. }) => format!("{id} ({name}), made by no run"),
            None => "no instance of the deployment's compartments has its address".to_owned(),
        }
    }
}
