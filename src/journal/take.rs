//! How a run comes under a lease: started, or taken up again after its process ended or died.
//!
//! The lease has two halves. A lock file per run, which the kernel frees within a millisecond of a `kill -9`,
//! decides among the processes of one machine; holder and expiry in the row decide everything else. The fence in
//! the row keeps a take-over safe even where both are wrong.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::SqliteConnection;

use super::abandon::Abandonment;
use super::attest::{Known, Rows};
use super::error::{JournalError, StartError, TakeError, TargetHeld, WriteError};
use super::held::{lease_row, lock_patiently};
use super::lease::{Lease, LeaseGuard, number, write_events};
use super::patience::begin;
use super::read::History;
use super::row::{Place, after, millis, text};
use super::seal::Spot;
use super::{Inner, Journal, abandon, kin, wal};
use crate::crash;
use crate::run::{Direction, Event, EventKind, Fence, Holder, Keep, RunId, RunState, Target};

/// How long a lease lasts without being renewed; the heartbeat renews it three times in that time.
pub const LEASE_LENGTH: Duration = Duration::from_secs(30);

/// What follows when a step fails for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Roll back at once.
    Rollback,
    /// Stop there and leave everything as it is.
    Halt,
}

/// A run that is about to be started.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The workflow's name.
    pub workflow: String,
    /// The workflow's version.
    pub workflow_version: u32,
    /// The deployment's name.
    pub name: String,
    /// What the workflow is given; confidential values are sealed.
    pub input: Value,
    /// What the caller needs to resume the run and the workflow does not see; never secret.
    pub context: Value,
    /// What follows when a step fails for good.
    pub on_failure: OnFailure,
    /// What the run holds from its first moment.
    pub target: Target,
}

/// Which way a run is to be taken up.
#[derive(Clone, Debug)]
pub enum Take {
    /// On from its last checkpoint, whichever way it was going.
    Resume,
    /// Backwards.
    Rollback,
    /// To its end, for one of its sides.
    Abandon(Abandonment),
}

impl Journal {
    /// Commits a new run with its target and its first lease, in one transaction.
    ///
    /// # Errors
    /// [`StartError::TargetHeld`] when a run that is not over holds the target.
    pub async fn start(&self, new: NewRun, holder: &Holder) -> Result<(Lease, Event), StartError> {
        self.announced(self.start_announced(new, holder)).await
    }

    /// Takes a run, after it was announced that what is committed then is in the log alone for some time. When nothing
    /// was, nothing follows.
    pub(super) async fn announced<T, E>(&self, taking: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let announcement = wal::announce(&self.0, &mut *self.0.connection.lock().await).await;
        let taken = taking.await;
        if taken.is_ok() || wal::settle(&self.0, &mut *self.0.connection.lock().await).await {
            announcement.end();
        }
        taken
    }

    async fn start_announced(&self, new: NewRun, holder: &Holder) -> Result<(Lease, Event), StartError> {
        let inner = &self.0;
        let run = RunId::random();
        let lock = lock_patiently(inner, run).await?;
        let spot = Spot { run, seq: None, column: "input" };
        let unlocked = inner.unlocked().map_err(JournalError::from)?;
        let input = unlocked.sealer.seal(new.input, spot);
        let kind = EventKind::RunStarted {
            workflow: new.workflow.clone(),
            version: new.workflow_version,
            name: new.name.clone(),
        };
        let failed = |error| inner.failed(error);
        let mut connection = inner.connection.lock().await;
        let mut tx = begin!(&inner.path, connection, inner.patience());
        let now = inner.clock.now();
        wal::confirm_within(&mut tx).await.map_err(failed)?;
        unlocked.assure(&mut tx, &inner.path).await?;
        let (id, input, context, at, until) = (
            run.to_string(),
            input.to_string(),
            new.context.to_string(),
            millis(now),
            after(now, LEASE_LENGTH),
        );
        let (on_failure, holder) = (on_failure_text(new.on_failure), text(holder));
        sqlx::query!(
            "INSERT INTO runs (id, number, workflow, workflow_version, name, input, context, on_failure, state, direction,
                 created_at, fence, holder, lease_until, last_event)
             SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, 'running', 'forward', ?8, 1, ?9, ?10, 1
             FROM runs",
            id, new.workflow, new.workflow_version, new.name, input, context, on_failure, at, holder, until
        )
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        hold(inner, &mut tx, run, &new.target).await?;
        let events = number(run, now, 1, vec![kind]);
        write_events(&mut tx, &unlocked.rows, &events).await.map_err(failed)?;
        let mut rows = Rows::new(&inner.path, &unlocked.rows, &mut tx);
        rows.write_origin(&id).await?;
        let renewed = rows.renew(run, &events).await?;
        rows.write_extent().await?;
        tx.commit().await.map_err(failed)?;
        crash::committed();
        drop(connection);
        let mut known = Known::default();
        known.learn(renewed);
        let guard = LeaseGuard::new(inner, run, Fence::new(1), until);
        let (inner, state) = (Arc::clone(inner), RunState::Running);
        let lease = Lease { inner, guard, state, steps: Vec::new(), known, _lock: lock };
        let event = events.into_iter().next().expect("one event was numbered");
        Ok((lease, event))
    }

    /// Takes a run up again, whoever drove it before.
    ///
    /// # Errors
    /// [`TakeError::Held`] while a live process drives it; [`TakeError::Over`] when there is nothing to do;
    /// [`TakeError::Superseded`] for a rollback past a later success.
    pub async fn take(
        &self,
        run: RunId,
        way: Take,
        holder: &Holder,
    ) -> Result<(Lease, History, Vec<Event>), TakeError> {
        self.announced(self.take_announced(run, way, holder)).await
    }

    async fn take_announced(
        &self,
        run: RunId,
        way: Take,
        holder: &Holder,
    ) -> Result<(Lease, History, Vec<Event>), TakeError> {
        let inner = &self.0;
        let lock = lock_patiently(inner, run).await?;
        let failed = |error| inner.failed(error);
        let mut connection = inner.connection.lock().await;
        let mut tx = begin!(&inner.path, connection, inner.patience());
        let now = inner.clock.now();
        wal::confirm_within(&mut tx).await.map_err(failed)?;
        let unlocked = inner.unlocked().map_err(JournalError::from)?;
        unlocked.assure(&mut tx, &inner.path).await?;
        let mut row = lease_row(inner, &mut tx, run).await?;
        let from = row.let_go(run, lock.as_ref(), self.1, holder, now)?;
        let mut known = Rows::new(&inner.path, &unlocked.rows, &mut tx).check(run).await?;
        // It died between its failure and the way back that it was told to take.
        let was_to_go_back = row.state == RunState::Failed && row.on_failure == OnFailure::Rollback;
        let goes_back = match &way {
            Take::Rollback => true,
            Take::Resume => row.direction == Direction::Backward || was_to_go_back,
            Take::Abandon(abandonment) => abandonment.keep == Keep::Old,
        };
        if !was_to_go_back || matches!(way, Take::Abandon(_)) {
            check_way(&mut tx, inner, run, &way, row.state).await?;
        }
        let mut kinds = vec![EventKind::LeaseTaken { from, by: holder.clone(), fence: row.next_fence }];
        if let Take::Abandon(abandonment) = way {
            kinds.push(EventKind::RunAbandoned {
                keep: abandonment.keep,
                from: abandon::ends_from(inner, &mut tx, run, abandonment.keep).await?,
                reason: abandonment.reason,
                by: format!("{}@{}", holder.user, holder.host),
            });
        } else if goes_back {
            kinds.push(EventKind::RollbackStarted);
        }
        let mut state = row.state;
        for kind in &kinds {
            state = state.after(kind).map_err(WriteError::from)?;
        }
        hold_again(inner, &mut tx, run).await?;
        let until = after(now, LEASE_LENGTH);
        let n = i64::try_from(kinds.len()).expect("at most two events");
        let (id, state_text, fence) = (run.to_string(), state.as_str(), row.next_fence.get());
        let (direction, holder) = (if goes_back { "backward" } else { "forward" }, text(holder));
        let last = sqlx::query_scalar!(
            "UPDATE runs SET fence = ?1, holder = ?2, lease_until = ?3, state = ?4, direction = ?5, finished_at = NULL,
                 error = iif(state = 'suspended' AND direction = 'forward', NULL, error), last_event = last_event + ?6
             WHERE id = ?7 RETURNING last_event",
            fence, holder, until, state_text, direction, n, id
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
        let events = number(run, now, last, kinds);
        write_events(&mut tx, &unlocked.rows, &events).await.map_err(failed)?;
        known.learn(Rows::new(&inner.path, &unlocked.rows, &mut tx).renew(run, &events).await?);
        let history = History::load(inner, &mut tx, run, row.state).await?;
        tx.commit().await.map_err(failed)?;
        crash::committed();
        drop(connection);
        let steps = history.steps.iter().map(|step| step.state).collect();
        let guard = LeaseGuard::new(inner, run, row.next_fence, until);
        Ok((Lease { inner: Arc::clone(inner), guard, state, steps, known, _lock: lock }, history, events))
    }
}

/// Whether a run in `state` can be taken up that way.
async fn check_way(
    tx: &mut SqliteConnection,
    inner: &Inner,
    run: RunId,
    way: &Take,
    state: RunState,
) -> Result<(), TakeError> {
    let over = Err(TakeError::Over { run, state });
    if !matches!(way, Take::Abandon(_))
        && let Some(abandoned) = abandon::abandoned(inner, tx, run).await?
    {
        // The way back from a new side that is half taken away is to take everything back.
        let is_on_the_way_back = abandoned.keep == Keep::Old && state != RunState::RolledBack;
        if !(matches!(way, Take::Rollback) && is_on_the_way_back) {
            return Err(TakeError::Abandoned { run, keep: abandoned.keep, state });
        }
    }
    match (way, state) {
        (Take::Resume, RunState::Running | RunState::Suspended | RunState::RollingBack) => Ok(()),
        (Take::Resume, RunState::Failed | RunState::Stuck | RunState::Succeeded | RunState::RolledBack)
        | (Take::Rollback, RunState::RolledBack)
        | (Take::Abandon(_), RunState::Succeeded | RunState::RolledBack) => over,
        (
            Take::Rollback | Take::Abandon(_),
            RunState::Running
            | RunState::Suspended
            | RunState::Failed
            | RunState::Stuck
            | RunState::RollingBack,
        ) => Ok(()),
        (Take::Rollback, RunState::Succeeded) => {
            let rows = &inner.unlocked().map_err(JournalError::from)?.rows;
            Rows::new(&inner.path, rows, tx).check_later(run).await?;
            match kin::superseding(inner, tx, run).await? {
                Some(by) => Err(TakeError::Superseded { run, by: by.run, state: by.state }),
                None => Ok(()),
            }
        }
    }
}

/// Takes back every target of the run, for one that was over and is to be rolled back.
async fn hold_again(inner: &Inner, tx: &mut SqliteConnection, run: RunId) -> Result<(), TakeError> {
    let id = run.to_string();
    let targets = sqlx::query_scalar!("SELECT target FROM targets WHERE run_id = ?1 ORDER BY target", id)
        .fetch_all(&mut *tx)
        .await
        .map_err(|error| inner.failed(error))?;
    for target in targets {
        hold(inner, tx, run, &Target::from(target)).await.map_err(|error| match error {
            StartError::TargetHeld(held) => TakeError::TargetHeld(held),
            StartError::Journal(error) => error.into(),
        })?;
    }
    Ok(())
}

/// Holds `target` for `run`, or says who does.
pub(super) async fn hold(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: RunId,
    target: &Target,
) -> Result<(), StartError> {
    let failed = |error| StartError::from(inner.failed(error));
    let (id, name) = (run.to_string(), target.as_str());
    let other = sqlx::query!(
        "SELECT runs.id, runs.state FROM targets JOIN runs ON runs.id = targets.run_id
         WHERE targets.target = ?1 AND targets.held = 1 AND targets.run_id <> ?2",
        name,
        id
    )
    .fetch_optional(&mut *tx)
    .await
    .map_err(failed)?;
    if let Some(other) = other {
        return Err(StartError::TargetHeld(TargetHeld {
            target: target.clone(),
            run: Place("runs", "id").parse(&other.id)?,
            state: Place("runs", "state").parse(&other.state)?,
        }));
    }
    sqlx::query!(
        "INSERT INTO targets (run_id, target, held) VALUES (?1, ?2, 1)
         ON CONFLICT (run_id, target) DO UPDATE SET held = 1",
        id,
        name
    )
    .execute(tx)
    .await
    .map_err(failed)?;
    Ok(())
}

const fn on_failure_text(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Rollback => "rollback",
        OnFailure::Halt => "halt",
    }
}

/// What follows a failure, as the journal holds it.
pub(super) fn on_failure(stored: &str) -> Result<OnFailure, JournalError> {
    match stored {
        "rollback" => Ok(OnFailure::Rollback),
        "halt" => Ok(OnFailure::Halt),
        other => Err(Place("runs", "on_failure").error(other)),
    }
}
