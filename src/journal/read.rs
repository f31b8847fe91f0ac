//! Reads runs, steps and events. Confidential values are opened only for the process that takes a run. Everybody else
//! gets the mask.

use std::path::Path;

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};

use super::attest::{Rows, head_of};
use super::deaths::{self, Deaths};
use super::error::JournalError;
use super::extent::Scope;
use super::handle::{Inner, Journal};
use super::held::Hold;
use super::kept::Kept;
use super::outcome;
use super::row::Column;
use super::seal::Spot;
use super::step::{StoredStep, load_steps};
use super::told;
use crate::run::{Event, Facts, Failure, OnFailure, RunId, RunRecord, RunState, StepRecord};

/// Everything that a process needs to take a run, loaded once.
#[derive(Clone, Debug)]
pub struct History {
    /// The workflow's name.
    pub workflow: String,
    /// The workflow's version when the run was started.
    pub workflow_version: u32,
    /// The workflow's input, opened.
    pub input: Value,
    /// What happens when a step fails for good.
    pub on_failure: OnFailure,
    /// Why the run failed, if it did.
    pub error: Option<Failure>,
    /// The state of the run before it was taken.
    pub state_before: RunState,
    /// Whether it goes backwards.
    pub goes_back: bool,
    /// The steps, in order.
    pub steps: Vec<StoredStep>,
    /// The facts.
    pub facts: Facts,
    /// The processes that have died in the step that is under way.
    pub deaths: Option<Deaths>,
}

impl History {
    pub(super) async fn load(
        inner: &Inner,
        tx: &mut SqliteConnection,
        run: RunId,
        state_before: RunState,
        mut steps: Vec<StoredStep>,
    ) -> Result<Self, JournalError> {
        let id = run.to_string();
        let row = sqlx::query!(
            "SELECT workflow, workflow_version, input, on_failure, state, error FROM runs WHERE id = ?1",
            id
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| inner.failed(error))?;
        let stored = Column("runs", "input").json(&row.input)?;
        let sealer = inner.sealer()?;
        let input = sealer.open(stored, Spot { run, seq: None, column: "input" })?;
        for step in &mut steps {
            let spot = |column| Spot { run, seq: Some(step.seq), column };
            let input = std::mem::replace(&mut step.input, Kept::stored(String::new()));
            step.input = input.opened(sealer, spot("input"))?;
            step.output =
                step.output.take().map(|output| output.opened(sealer, spot("output"))).transpose()?;
        }
        Ok(Self {
            workflow: row.workflow,
            workflow_version: Column("runs", "workflow_version").number(row.workflow_version)?,
            input,
            on_failure: Column("runs", "on_failure").parse(&row.on_failure)?,
            error: Column("runs", "error").json_or_none(row.error.as_deref())?,
            state_before,
            goes_back: Column("runs", "state").parse::<RunState>(&row.state)? == RunState::RollingBack,
            facts: load_facts(inner, tx, run).await?,
            deaths: deaths::count(inner, tx, run, &steps).await?,
            steps,
        })
    }
}

impl Journal {
    /// Reads everything about a run that this process advances again.
    pub async fn history(&self, run: RunId) -> Result<History, JournalError> {
        let failed = |error| self.0.failed(error);
        let mut connection = self.0.connection().await;
        let mut tx = connection.begin().await.map_err(failed)?;
        let checked = Rows::new(&self.0.path, &self.0.unlocked()?.rows, &mut tx).check(run).await?;
        let id = run.to_string();
        let state = sqlx::query_scalar!("SELECT state FROM runs WHERE id = ?1", id)
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;
        History::load(&self.0, &mut tx, run, Column("runs", "state").parse(&state)?, checked.steps).await
    }

    /// One run with its steps. Confidential values are masked.
    pub async fn run(&self, run: RunId) -> Result<RunRecord, JournalError> {
        let mut connection = self.0.connection().await;
        let id = run.to_string();
        let row = sqlx::query_as!(
            RunRow,
            "SELECT id, workflow, workflow_version, name, state, direction, error, created_at, finished_at, holder, lease_until
             FROM runs WHERE id = ?1",
            id
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| self.0.failed(error))?
        .ok_or(JournalError::NoSuchRun(run))?;
        let facts = load_facts(&self.0, &mut connection, run).await?;
        let steps = load_steps(&self.0, &mut connection, run).await?;
        let steps = steps.into_iter().map(StoredStep::into_record).collect::<Result<_, _>>()?;
        let mut record = row.into_record(facts, steps, &self.0)?;
        record.warnings = outcome::warnings(&self.0, &mut connection, run).await?;
        outcome::tell(&self.0, self.2, &mut connection, std::slice::from_mut(&mut record)).await?;
        Ok(record)
    }

    /// The newest runs, newest first, without their steps.
    pub async fn runs(&self, n_most: u32) -> Result<Vec<RunRecord>, JournalError> {
        let mut connection = self.0.connection().await;
        let rows = sqlx::query_as!(
            RunRow,
            "SELECT id, workflow, workflow_version, name, state, direction, error, created_at, finished_at, holder, lease_until
             FROM runs ORDER BY number DESC LIMIT ?1",
            n_most
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| self.0.failed(error))?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let run = Column("runs", "id").parse(&row.id)?;
            let facts = load_facts(&self.0, &mut connection, run).await?;
            records.push(row.into_record(facts, Vec::new(), &self.0)?);
        }
        outcome::tell(&self.0, self.2, &mut connection, &mut records).await?;
        Ok(records)
    }

    /// The events of a run after number `n`, in order.
    pub async fn events_after(&self, run: RunId, n: u32) -> Result<Vec<Event>, JournalError> {
        let mut connection = self.0.connection().await;
        let id = run.to_string();
        let rows =
            sqlx::query!("SELECT n, at, kind FROM events WHERE run_id = ?1 AND n > ?2 ORDER BY n", id, n)
                .fetch_all(&mut *connection)
                .await
                .map_err(|error| self.0.failed(error))?;
        rows.into_iter()
            .map(|row| {
                Ok(Event {
                    run,
                    n: Column("events", "n").number(row.n)?,
                    at: Column("events", "at").time(row.at)?,
                    kind: Column("events", "kind").json(&row.kind)?,
                })
            })
            .collect()
    }

    /// The reason to doubt what the journal says of a run. `None` when it is as it was written, and when there is no key
    /// to verify it. A run of an older version is verified by its events, without a key.
    pub async fn doubt(&self, run: RunId) -> Result<Option<JournalError>, JournalError> {
        let mut connection = self.0.connection().await;
        let mut tx = connection.begin().await.map_err(|error| self.0.failed(error))?;
        let path = &self.0.path;
        doubtful(match &self.0.unlocked {
            Some(unlocked) => Rows::new(path, &unlocked.rows, &mut tx).check(run).await.map(drop),
            None if !has_code(&mut tx, path, run).await? => told::check(&mut tx, path, run).await,
            None => Ok(()),
        })
    }

    /// The reason to doubt how many runs there are, which targets are held, or where the `n_newest` newest runs stand.
    pub async fn doubt_of_newest(&self, n_newest: u32) -> Result<Option<JournalError>, JournalError> {
        let mut connection = self.0.connection().await;
        let mut tx = connection.begin().await.map_err(|error| self.0.failed(error))?;
        let Some(unlocked) = &self.0.unlocked else { return Ok(None) };
        doubtful(Rows::new(&self.0.path, &unlocked.rows, &mut tx).check_runs(Scope::Newest(n_newest)).await)
    }

    /// The data that the caller stored with the run to be able to resume it. The whole run is verified first, because
    /// the context says to whom secrets are sent.
    pub async fn context(&self, run: RunId) -> Result<Value, JournalError> {
        let mut connection = self.0.connection().await;
        let mut tx = connection.begin().await.map_err(|error| self.0.failed(error))?;
        Rows::new(&self.0.path, &self.0.unlocked()?.rows, &mut tx).check(run).await?;
        let id = run.to_string();
        let context = sqlx::query_scalar!("SELECT context FROM runs WHERE id = ?1", id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(|error| self.0.failed(error))?
            .ok_or(JournalError::NoSuchRun(run))?;
        Column("runs", "context").json(&context)
    }
}

/// What was altered is a reason to doubt, and everything else an error.
fn doubtful(checked: Result<(), JournalError>) -> Result<Option<JournalError>, JournalError> {
    match checked {
        Ok(()) => Ok(None),
        Err(altered @ JournalError::Altered { .. }) => Ok(Some(altered)),
        Err(error) => Err(error),
    }
}

/// Whether a run's row has a code.
async fn has_code(tx: &mut SqliteConnection, path: &Path, run: RunId) -> Result<bool, JournalError> {
    let id = run.to_string();
    Ok(head_of(tx, path, &id).await?.is_some_and(|head| head.mac.is_some()))
}

struct RunRow {
    id: String,
    workflow: String,
    workflow_version: i64,
    name: String,
    state: String,
    direction: String,
    error: Option<String>,
    created_at: i64,
    finished_at: Option<i64>,
    holder: Option<String>,
    lease_until: Option<i64>,
}

impl RunRow {
    fn into_record(
        self,
        facts: Facts,
        steps: Vec<StepRecord>,
        inner: &Inner,
    ) -> Result<RunRecord, JournalError> {
        let state: RunState = Column("runs", "state").parse(&self.state)?;
        let run = Column("runs", "id").parse(&self.id)?;
        let hold = Hold::read(self.holder.as_deref(), self.lease_until)?;
        let holder = hold.filter(|hold| hold.is_alive(inner, run)).map(|hold| hold.by);
        let should_advance = matches!(state, RunState::Running | RunState::RollingBack);
        Ok(RunRecord {
            id: run,
            workflow: self.workflow,
            workflow_version: Column("runs", "workflow_version").number(self.workflow_version)?,
            name: self.name,
            state,
            direction: Column("runs", "direction").parse(&self.direction)?,
            interrupted: should_advance && holder.is_none(),
            holder,
            created_at: Column("runs", "created_at").time(self.created_at)?,
            finished_at: Column("runs", "finished_at").time_or_none(self.finished_at)?,
            error: Column("runs", "error").json_or_none(self.error.as_deref())?,
            facts,
            steps,
            outcome: None,
            warnings: Vec::new(),
        })
    }
}

async fn load_facts(
    inner: &Inner,
    connection: &mut SqliteConnection,
    run: RunId,
) -> Result<Facts, JournalError> {
    let id = run.to_string();
    let rows = sqlx::query!("SELECT name, value FROM facts WHERE run_id = ?1", id)
        .fetch_all(connection)
        .await
        .map_err(|error| inner.failed(error))?;
    Ok(rows.into_iter().map(|row| (row.name, row.value)).collect())
}
