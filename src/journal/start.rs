//! The beginning of a run: its row, its target and its first lease, in one commit.

use std::sync::Arc;

use serde_json::Value;
use sqlx::SqliteConnection;

use super::apply::{Applied, apply, commit};
use super::canonical::Origin;
use super::change::{Change, Standing, Tenure};
use super::error::{JournalError, StartError};
use super::extent::Scope;
use super::guard::{Lasts, LeaseGuard};
use super::handle::{Inner, Journal};
use super::held::lock_new;
use super::known::Known;
use super::lease::Lease;
use super::mac::Mac;
use super::patience::begin;
use super::row::millis;
use super::seal::Spot;
use crate::run::{Event, EventKind, Facts, Fence, Holder, OnFailure, RunId, RunStanding, Target};

/// The fence of a run that nobody has advanced yet.
const UNFENCED: Fence = Fence::new(0);

/// A run that is about to be started.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The workflow's name.
    pub workflow: String,
    /// The workflow's version.
    pub workflow_version: u32,
    /// The deployment's name.
    pub name: String,
    /// The workflow's input. Its confidential values are sealed.
    pub input: Value,
    /// What the caller needs to resume the run, which the workflow does not see. It must not contain a secret.
    pub context: Value,
    /// What happens when a step fails for good.
    pub on_failure: OnFailure,
    /// The target that the run holds from its first moment.
    pub target: Target,
    /// What is known of it from its first moment. It must not contain a secret.
    pub facts: Facts,
}

impl Journal {
    /// Commits a new run with its target and its first lease, in one transaction.
    ///
    /// # Errors
    /// [`StartError::TargetHeld`] when another run holds the target and is not over.
    pub async fn start(&self, new: NewRun, holder: &Holder) -> Result<(Lease, Event), StartError> {
        self.announced(self.start_announced(new, holder)).await
    }

    async fn start_announced(&self, new: NewRun, holder: &Holder) -> Result<(Lease, Event), StartError> {
        let inner = &self.0;
        let run = RunId::random();
        let lock = Arc::new(lock_new(inner, run)?);
        let patience = inner.patience();
        let mut connection = inner.writing(&patience).await;
        let mut tx = begin!(&inner.path, connection, patience);
        let Begun { change, known, mut events, lasts } =
            begin_run(inner, &mut tx, run, new, holder, Vec::new()).await?;
        commit(inner, tx).await?;
        drop(connection);
        let guard = LeaseGuard::new(inner, run, change.next_fence(), lasts, &lock);
        let standing = Standing { run: change.standing, steps: Vec::new() };
        let lease = Lease::new(inner, guard, standing, known, lock);
        Ok((lease, events.remove(0)))
    }
}

/// A run that is written, and not committed yet.
pub(super) struct Begun {
    pub(super) change: Change,
    pub(super) known: Known,
    pub(super) events: Vec<Event>,
    lasts: Lasts,
}

/// Writes a new run with its first lease, its target, and the other targets that it holds.
pub(super) async fn begin_run(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
    new: NewRun,
    holder: &Holder,
    targets: Vec<Target>,
) -> Result<Begun, StartError> {
    let unlocked = inner.unlocked().map_err(JournalError::from)?;
    let input = unlocked.sealer.seal(new.input, Spot { run, seq: None, column: "input" });
    let now = inner.clock.now();
    unlocked.assure(tx, &inner.path, Scope::USUAL).await?;
    let standing = RunStanding::STARTED;
    let number = sqlx::query_scalar!(r#"SELECT coalesce(max(number), 0) + 1 AS "number!: i64" FROM runs"#)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| inner.failed(error))?;
    let origin = Origin {
        id: run.to_string(),
        number,
        workflow: new.workflow.clone(),
        workflow_version: new.workflow_version.into(),
        name: new.name.clone(),
        input: input.to_string(),
        context: new.context.to_string(),
        on_failure: new.on_failure.as_str().to_owned(),
        created_at: millis(now),
        is_of_before: 0,
    };
    let mut known = Known { origin: unlocked.rows.mac("origin", &origin.cells()), ..Known::default() };
    insert(tx, &origin, &known.origin, &standing).await.map_err(|error| inner.failed(error))?;
    let mut change = Change::new(run, UNFENCED, standing, now).and_first(EventKind::RunStarted {
        workflow: new.workflow,
        version: new.workflow_version,
        name: new.name,
    });
    change.tenure = Tenure::Taken(holder.clone());
    change.holds.push(new.target);
    change.facts = new.facts;
    change.holds.extend(targets);
    let Applied { events, written, lasts } = apply(inner, tx, &change, &known).await?;
    known.learn(written);
    Ok(Begun { change, known, events, lasts })
}

/// Writes the row of a run that nobody has advanced yet.
async fn insert(
    tx: &mut SqliteConnection,
    origin: &Origin,
    code: &Mac,
    standing: &RunStanding,
) -> Result<(), sqlx::Error> {
    let (state, direction) = (standing.state.as_str(), standing.direction.as_str());
    let (fence, code) = (UNFENCED.get(), code.as_slice());
    sqlx::query!(
        "INSERT INTO runs (id, number, workflow, workflow_version, name, input, context, on_failure, state, direction,
             created_at, fence, last_event, origin_mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13)",
        origin.id, origin.number, origin.workflow, origin.workflow_version, origin.name, origin.input, origin.context,
        origin.on_failure, state, direction, origin.created_at, fence, code
    )
    .execute(tx)
    .await
    .map(drop)
}
