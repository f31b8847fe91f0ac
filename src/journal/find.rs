//! Finds the run that a user means: by the beginning of its id, as `latest`, or as the newest run of a deployment.

use super::error::JournalError;
use super::handle::Journal;
use super::kin::{self, Kin};
use super::row::Column;
use crate::run::{RunId, RunSelector};

/// Why the caller looks for a run. The meaning of `latest` depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To show it: `latest` is the newest run of all.
    Look,
    /// To go on with it: `latest` is the newest run that changed something or is not over.
    Resume,
    /// To undo it or to end it: `latest` is the newest run that changed something. Runs that were refused, or have
    /// changed nothing yet, do not count, unless there is no other.
    Undo,
}

/// Why a selector does not name one run.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No run's id begins with it.
    #[error("no run matches `{selector}`")]
    None {
        /// The selector.
        selector: String,
    },
    /// The ids of several runs begin with it.
    #[error("`{selector}` matches {} runs", candidates.len())]
    Ambiguous {
        /// The selector.
        selector: String,
        /// The runs that it may mean, newest first; at most ten.
        candidates: Vec<RunId>,
    },
    /// No run has changed anything, and none can be resumed.
    #[error("no run has changed anything")]
    NothingChanged,
    /// Runs of several deployments match it.
    #[error("`{selector}` may be a run of {} deployments", newest.len())]
    SeveralDeployments {
        /// The selector.
        selector: String,
        /// The newest run of each deployment.
        newest: Vec<Kin>,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Journal {
    /// Finds the run that a user means.
    pub async fn find(&self, selector: &RunSelector, purpose: Purpose) -> Result<RunId, FindError> {
        let mut connection = self.0.connection().await;
        let prefix = match (selector, purpose) {
            (RunSelector::Prefix(prefix), _) => prefix,
            (RunSelector::Latest, Purpose::Look) => "",
            (RunSelector::Latest, Purpose::Resume | Purpose::Undo) => {
                let all = kin::all(&self.0, self.2, &mut connection).await?;
                return latest(all, purpose);
            }
        };
        let found = sqlx::query_scalar!(
            // A tilde sorts after every digit and dash. `LIKE` would read every run.
            "SELECT id FROM runs WHERE id BETWEEN ?1 AND ?1 || '~' ORDER BY number DESC LIMIT 10",
            prefix
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| self.0.failed(error))?;
        let mut candidates = Vec::new();
        for id in found {
            candidates.push(Column("runs", "id").parse(&id)?);
        }
        match (selector, candidates.as_slice()) {
            (_, []) => Err(FindError::None { selector: selector.to_string() }),
            (RunSelector::Latest, [newest, ..]) => Ok(*newest),
            (RunSelector::Prefix(_), [only]) => Ok(*only),
            (RunSelector::Prefix(_), _) => {
                Err(FindError::Ambiguous { selector: selector.to_string(), candidates })
            }
        }
    }

    /// The runs that changed something, grouped by deployment: the newest deployment first, and the newest run first in
    /// each.
    pub async fn deployments(&self) -> Result<Vec<Vec<Kin>>, JournalError> {
        let mut connection = self.0.connection().await;
        let mut all = kin::all(&self.0, self.2, &mut connection).await?;
        all.retain(|kin| kin.has_changes);
        Ok(kin::by_deployment(all))
    }
}

fn latest(all: Vec<Kin>, purpose: Purpose) -> Result<RunId, FindError> {
    let has_changes = all.iter().any(|kin| kin.has_changes);
    let mut runs = all;
    runs.retain(|kin| match purpose {
        Purpose::Undo if has_changes => kin.has_changes,
        Purpose::Undo | Purpose::Resume | Purpose::Look => kin.has_changes || !kin.state.is_over(),
    });
    let mut newest: Vec<Kin> =
        kin::by_deployment(runs).into_iter().filter_map(|group| group.into_iter().next()).collect();
    match newest.len() {
        0 => Err(FindError::NothingChanged),
        1 => Ok(newest.remove(0).run),
        _ => Err(FindError::SeveralDeployments { selector: RunSelector::Latest.to_string(), newest }),
    }
}
