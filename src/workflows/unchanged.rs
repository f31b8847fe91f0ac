//! Whether a deployment would change anything: what serves now is compared with what the deployment describes.

use super::activities::{OldInstance, Seen, Service};
use super::finders::{find_old_instance, locate};
use super::redeploy::Redeploy;
use super::world::World;
use crate::config::{BackendTarget, Change, Deployment, Policy, changes};
use crate::engine::{Foresight, Past, Stop};
use crate::oci::InstanceId;
use crate::run::Facts;

/// What would change.
#[derive(Clone, Debug)]
pub enum Compared {
    /// Nothing: this instance serves as the deployment describes it.
    Same(Seen),
    /// The specification, in these fields.
    Changed(Vec<Change>),
    /// This is not as the deployment describes it, whatever is in the instance.
    Otherwise(String),
}

/// Compares what serves now with what `deployment` describes.
///
/// # Errors
/// Whatever stops a start before it changes anything.
pub async fn compared(
    foresight: &Foresight<'_, World>,
    deployment: &Deployment,
    policy: &Policy,
) -> Result<Compared, Stop> {
    let balancer = locate(foresight, deployment).await?;
    let old = find_old_instance(deployment, policy, Some(&balancer));
    let Some(old) = foresight.look(old, &Facts::new()).await? else {
        return Ok(Compared::Otherwise("there is no instance yet".to_owned()));
    };
    let OldInstance { id, specification, .. } = old;
    let changes = changes(specification.expose(), deployment.instance.expose(), deployment.secrets.expose());
    if !changes.is_empty() {
        return Ok(Compared::Changed(changes));
    }
    let service = Service::of(foresight, deployment, None).await?;
    Ok(match (service.instance(&id), otherwise(&service, &id, deployment)) {
        (Some(seen), None) => Compared::Same(seen.clone()),
        (_, Some(why)) => Compared::Otherwise(why),
        (None, None) => Compared::Otherwise(format!("{id} is not there any more")),
    })
}

/// Why an instance does not serve as the deployment describes it; `None` if it does.
fn otherwise(service: &Service, id: &InstanceId, deployment: &Deployment) -> Option<String> {
    if let Some(seen) = service.instance(id).filter(|seen| seen.state != "ACTIVE") {
        return Some(format!("{id} is {}", seen.state));
    }
    let serves = |target: &BackendTarget| {
        let set = service.sets.iter().find(|set| set.name == target.backend_set);
        set.into_iter().flat_map(|set| &set.backends).any(|one| {
            let is_its = one.instance.as_ref() == Some(id) && one.backend.port == target.port;
            is_its && one.backend.flags.serves()
        })
    };
    let unserved = deployment.backends.iter().find(|target| !serves(target))?;
    Some(format!("{id} does not serve port {} in `{}`", unserved.port, unserved.backend_set))
}

/// Whether a run was started with the same pull secrets, whose credentials the cloud does not show.
pub fn has_same_pull_secrets(past: &Past, deployment: &Deployment) -> bool {
    let pull_secrets = |deployment: &Deployment| deployment.instance.expose()["imagePullSecrets"].clone();
    past.input::<Redeploy>().is_ok_and(|before| pull_secrets(&before) == pull_secrets(deployment))
}
