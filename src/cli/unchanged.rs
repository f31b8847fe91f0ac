//! `start --if-changed`: does nothing if what serves is already as the deployment describes it.

use serde_json::json;

use super::exit::Exit;
use super::foresee::{Foreseen, foreseen};
use super::problem::Report;
use super::session::{Ready, Session};
use super::ui::plain;
use crate::config::{Change, Deployment};
use crate::engine::{Foresight, Past, Stop};
use crate::journal::Journal;
use crate::oci::InstanceId;
use crate::workflows::{Compared, NEW_INSTANCE, Seen, World, compared, has_same_pull_secrets};

/// The exit of a start that has nothing to do. `None` if it is to go on: something differs, or nobody knows, and then the run
/// says why.
pub(super) async fn unchanged(
    session: &Session<'_>,
    journal: &Journal,
    ready: &Ready<Deployment>,
) -> Result<Option<Exit>, Report> {
    let Ready { deployment, world, .. } = ready;
    let look = async |foresight: &Foresight<'_, World>| compared(foresight, deployment, &world.policy).await;
    let same = match foreseen(session, world, look).await? {
        Foreseen::Seen(Compared::Same(same)) => same,
        Foreseen::Seen(Compared::Changed(changes)) => {
            for change in &changes {
                session.ui.note(&plain(&told(change)));
            }
            return Ok(None);
        }
        Foreseen::Seen(Compared::Otherwise(why)) => {
            session.ui.note(&plain(&why));
            return Ok(None);
        }
        Foreseen::Stopped(Stop::Interrupted) => return Ok(Some(Exit::Interrupted)),
        Foreseen::Stopped(_) => return Ok(None),
        Foreseen::Signalled(exit) => return Ok(Some(exit)),
    };
    if !deployment.instance.expose()["imagePullSecrets"].is_null() {
        match maker(journal, &same.id).await? {
            Some(past) if has_same_pull_secrets(&past, deployment) => {}
            Some(_) => {
                session.ui.note("imagePullSecrets: they differ from those of the run that made what serves");
                return Ok(None);
            }
            None => session.ui.warn(
                "the credentials of imagePullSecrets cannot be compared: the cloud does not show them, and this journal does \
                 not have the run that made what serves",
            ),
        }
    }
    tell(session, &deployment.name, &same);
    Ok(Some(Exit::Done))
}

/// The run that made an instance, if it is in the journal.
async fn maker(journal: &Journal, id: &InstanceId) -> Result<Option<Past>, Report> {
    let all = journal.deployments().await?;
    let made = all.iter().flatten().find(|kin| kin.fact(NEW_INSTANCE) == Some(id.as_str()));
    match made {
        Some(kin) => Ok(Some(Past::from(journal.history(kin.run).await?))),
        None => Ok(None),
    }
}

fn tell(session: &Session<'_>, name: &str, same: &Seen) {
    let Seen { id, image, run, .. } = same;
    if session.ui.is_json {
        let shown = json!({"name": name, "status": "unchanged", "instance_id": id, "image": image, "made_by_run_id": run});
        session.ui.json(&shown);
    } else {
        let image = image.as_deref().unwrap_or_default();
        session.ui.out(&plain(&format!("{name} is unchanged: {id} {image} serves")));
    }
}

/// A change in one line.
fn told(change: &Change) -> String {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{}: {before} → {after}", change.path),
        (None, Some(after)) => format!("{}: {after} is added", change.path),
        (Some(before), None) => format!("{}: {before} is removed", change.path),
        (None, None) => change.path.clone(),
    }
}
