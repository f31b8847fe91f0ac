//! The lease: the right to advance one run, and the only handle by which a run is written.
//!
//! The invariant: every write is one `BEGIN IMMEDIATE` transaction that first moves the run's event counter
//! `WHERE fence = mine`. When that matches no row the lease was lost and nothing is written.

use std::sync::Arc;
use std::time::Duration;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteQueryResult;
use tokio::time::Instant;

use super::Inner;
use super::attest::{Known, Rows};
use super::canonical::of_event;
use super::error::{JournalError, StartError, TargetHeld, WriteError};
use super::lock::Lock;
use super::mac::Authenticator;
use super::patience::{Patience, begin};
use super::row::{Place, after, millis, text};
use super::take::LEASE_LENGTH;
use super::wal;
use crate::crash;
use crate::run::{
    Direction, Event, EventKind, Failure, Fence, Holder, RunId, RunState, Seq, StepState, Target, Timestamp,
};

/// The right of this process to advance one run. Release it by [`Lease::release`]; a dropped lease only runs out.
#[derive(Debug)]
#[must_use = "a lease that is not released keeps others waiting until it runs out"]
pub struct Lease {
    pub(super) inner: Arc<Inner>,
    pub(super) guard: LeaseGuard,
    pub(super) state: RunState,
    pub(super) steps: Vec<StepState>,
    pub(super) known: Known,
    // The kernel frees the lock when the process dies, however it dies. None when it was taken over from a
    // process of this machine that is alive but let its lease run out.
    pub(super) _lock: Option<Lock>,
}

/// Knows whether the lease is still ours, and renews it. Cheap to clone; the heartbeat and the steps share it.
#[derive(Clone, Debug)]
pub struct LeaseGuard {
    inner: Arc<Inner>,
    run: RunId,
    fence: Fence,
    lasts: Arc<std::sync::Mutex<Lasts>>,
}

/// Until when a lease lasts, on both clocks: the wall clock goes on while the machine sleeps, and the monotonic one
/// does not jump.
#[derive(Clone, Copy, Debug)]
struct Lasts {
    until: i64,
    renewed: Instant,
}

/// So long before a lease runs out it is renewed before anything is sent, and nothing is waited for any more.
const MARGIN: Duration = Duration::from_secs(5);

impl From<Timestamp> for Lasts {
    /// Of a lease that is taken or renewed now.
    fn from(now: Timestamp) -> Self {
        Self { until: after(now, LEASE_LENGTH), renewed: Instant::now() }
    }
}

impl LeaseGuard {
    pub(super) fn new(inner: &Arc<Inner>, run: RunId, fence: Fence, until: i64) -> Self {
        let lasts = Lasts { until, renewed: Instant::now() };
        Self { inner: Arc::clone(inner), run, fence, lasts: Arc::new(std::sync::Mutex::new(lasts)) }
    }

    // A std mutex, never held across an await.
    fn lasts(&self) -> std::sync::MutexGuard<'_, Lasts> {
        self.lasts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether the lease has run out, or will within `margin`, unless it is renewed.
    fn has_run_out(&self, margin: Duration) -> bool {
        let lasts = *self.lasts();
        after(self.inner.clock.now(), margin) >= lasts.until
            || lasts.renewed.elapsed() + margin >= LEASE_LENGTH
    }

    /// How long ago the lease was renewed, by a commit or for its own sake.
    pub fn age(&self) -> Duration {
        self.lasts().renewed.elapsed()
    }

    /// A journal that others keep locked is waited for until shortly before the lease runs out.
    fn patience(&self) -> Patience {
        let lasts = *self.lasts();
        let on_the_wall = (lasts.until - millis(self.inner.clock.now())).try_into().unwrap_or(0);
        let left = Duration::from_millis(on_the_wall)
            .min(LEASE_LENGTH.saturating_sub(lasts.renewed.elapsed()))
            .saturating_sub(MARGIN);
        Patience::lasting(left, self.inner.clock)
    }

    /// Makes the lease last for its whole length from now.
    ///
    /// # Errors
    /// [`WriteError::LeaseLost`] when another process has taken the run over.
    pub async fn renew(&self) -> Result<(), WriteError> {
        let (run, fence) = (self.run.to_string(), self.fence.get());
        let mut connection = self.inner.connection.lock().await;
        let mut patience = self.patience();
        loop {
            let (now, renewed) = (self.inner.clock.now(), Instant::now());
            let until = after(now, LEASE_LENGTH);
            let done = sqlx::query!(
                "UPDATE runs SET lease_until = ?1 WHERE id = ?2 AND fence = ?3 AND holder IS NOT NULL",
                until,
                run,
                fence
            )
            .execute(&mut *connection)
            .await;
            match done {
                Ok(done) if done.rows_affected() == 0 => return Err(lost(&mut connection, &run).await),
                Ok(_) => {
                    *self.lasts() = Lasts { until, renewed };
                    return Ok(());
                }
                Err(error) => patience.after(self.inner.failed(error)).await?,
            }
        }
    }

    /// Makes sure, at the last moment before something is sent, that the run is still ours: a process may have been
    /// paused for hours since it looked.
    pub async fn assure(&self) -> Result<(), WriteError> {
        if self.has_run_out(MARGIN) { self.renew().await } else { Ok(()) }
    }
}

async fn lost(connection: &mut SqliteConnection, run: &str) -> WriteError {
    let holder =
        sqlx::query_scalar!("SELECT holder FROM runs WHERE id = ?1", run).fetch_one(connection).await;
    // Who it is only serves the message; that the lease is lost is certain.
    let to = holder.ok().flatten().and_then(|holder| serde_json::from_str::<Holder>(&holder).ok());
    WriteError::LeaseLost { to }
}

impl Lease {
    /// The run that this lease advances.
    pub const fn run(&self) -> RunId {
        self.guard.run
    }

    /// Where the run stands.
    pub const fn state(&self) -> RunState {
        self.state
    }

    /// A handle that renews this lease and assures that it is ours.
    pub fn guard(&self) -> LeaseGuard {
        self.guard.clone()
    }

    /// Commits that the run failed.
    pub async fn fail_run(&mut self, failure: &Failure) -> Result<Event, WriteError> {
        let (run, error) = (self.run().to_string(), text(failure));
        self.commit(EventKind::RunFailed { failure: failure.clone() }, async |tx, _| {
            sqlx::query!("UPDATE runs SET error = ?1 WHERE id = ?2", error, run).execute(tx).await
        })
        .await
    }

    /// Turns the run round: from now on it goes backwards.
    pub async fn turn_back(&mut self) -> Result<Event, WriteError> {
        let run = self.run().to_string();
        self.commit(EventKind::RollbackStarted, async |tx, _| {
            sqlx::query!("UPDATE runs SET direction = 'backward', finished_at = NULL WHERE id = ?1", run)
                .execute(tx)
                .await
        })
        .await
    }

    /// Holds one more target until the run is over.
    ///
    /// # Errors
    /// `Ok(Err(held))` when another run that is not over holds it.
    pub async fn hold(&mut self, target: &Target) -> Result<Result<(), TargetHeld>, WriteError> {
        let run = self.run();
        let inner = Arc::clone(&self.inner);
        let rows = &inner.unlocked().map_err(JournalError::from)?.rows;
        let failed = |error| WriteError::from(inner.failed(error));
        let mut connection = self.inner.connection.lock().await;
        let mut tx = begin!(&inner.path, connection, self.guard.patience());
        Rows::new(&inner.path, rows, &mut tx).assure(run, self.guard.fence, &self.known, &[]).await?;
        let lasts = Lasts::from(inner.clock.now());
        if move_counter(&mut tx, &self.guard, 0, self.state, lasts.until).await.map_err(failed)?.is_none() {
            return Err(lost(&mut tx, &run.to_string()).await);
        }
        wal::confirm_within(&mut tx).await.map_err(failed)?;
        match super::take::hold(&self.inner, &mut tx, run, target).await {
            Ok(()) => {}
            Err(StartError::TargetHeld(held)) => return Ok(Err(held)),
            Err(StartError::Journal(error)) => return Err(error.into()),
        }
        let renewed = Rows::new(&inner.path, rows, &mut tx).renew(run, &[]).await?;
        tx.commit().await.map_err(failed)?;
        crash::committed();
        drop(connection);
        *self.guard.lasts() = lasts;
        self.known.learn(renewed);
        Ok(Ok(()))
    }

    /// Commits that the retry budget is spent and gives the lease back.
    pub async fn suspend(mut self, failure: &Failure) -> Result<Event, WriteError> {
        let (run, error) = (self.run().to_string(), text(failure));
        self.commit_last(EventKind::RunSuspended { failure: failure.clone() }, async |tx, _| {
            // Backwards, why it failed is the better answer; what is in the way stands at its step.
            sqlx::query!(
                "UPDATE runs SET holder = NULL, lease_until = NULL, error = iif(direction = 'forward', ?1, error)
                 WHERE id = ?2",
                error,
                run
            )
            .execute(tx)
            .await
        })
        .await
    }

    /// Commits that a person stopped the process and gives the lease back.
    pub async fn interrupt(mut self) -> Result<Event, WriteError> {
        let run = self.run().to_string();
        self.commit_last(EventKind::RunInterrupted, async |tx, _| {
            sqlx::query!("UPDATE runs SET holder = NULL, lease_until = NULL WHERE id = ?1", run)
                .execute(tx)
                .await
        })
        .await
    }

    /// Commits that the run is over, lets its targets go, and gives the lease back.
    pub async fn finish(mut self, state: RunState) -> Result<Event, WriteError> {
        let run = self.run().to_string();
        let has_succeeded = state == RunState::Succeeded;
        self.commit_last(EventKind::RunFinished { state }, async |tx, now| {
            sqlx::query!("UPDATE targets SET held = 0 WHERE run_id = ?1", run).execute(&mut *tx).await?;
            sqlx::query!(
                "UPDATE runs SET finished_at = ?1, has_succeeded = max(has_succeeded, ?2), holder = NULL,
                     lease_until = NULL
                 WHERE id = ?3",
                now,
                has_succeeded,
                run
            )
            .execute(tx)
            .await
        })
        .await
    }

    /// Gives the lease back; the run keeps its state and its targets.
    pub async fn release(self) -> Result<(), WriteError> {
        let (run, fence) = (self.run().to_string(), self.guard.fence.get());
        let mut connection = self.inner.connection.lock().await;
        let mut patience = self.guard.patience();
        loop {
            let released = sqlx::query!(
                "UPDATE runs SET holder = NULL, lease_until = NULL WHERE id = ?1 AND fence = ?2",
                run,
                fence
            )
            .execute(&mut *connection)
            .await;
            match released {
                Ok(_) => break,
                Err(error) => patience.after(self.inner.failed(error)).await?,
            }
        }
        wal::settle(&self.inner, &mut connection).await;
        Ok(())
    }

    /// A commit after which this process does not advance the run any more.
    async fn commit_last(
        &mut self,
        kind: EventKind,
        change: impl AsyncFnOnce(&mut SqliteConnection, i64) -> Result<SqliteQueryResult, sqlx::Error>,
    ) -> Result<Event, WriteError> {
        let event = self.commit(kind, change).await?;
        wal::settle(&self.inner, &mut *self.inner.connection.lock().await).await;
        Ok(event)
    }

    pub(super) async fn commit(
        &mut self,
        kind: EventKind,
        change: impl AsyncFnOnce(&mut SqliteConnection, i64) -> Result<SqliteQueryResult, sqlx::Error>,
    ) -> Result<Event, WriteError> {
        let mut events = self.commit_all(vec![kind], change).await?;
        Ok(events.remove(0))
    }

    /// The one write: fence, events, change and the codes of the changed rows in one transaction. `change` gets the time of the commit.
    pub(super) async fn commit_all(
        &mut self,
        kinds: Vec<EventKind>,
        change: impl AsyncFnOnce(&mut SqliteConnection, i64) -> Result<SqliteQueryResult, sqlx::Error>,
    ) -> Result<Vec<Event>, WriteError> {
        let (state, steps) = self.after(&kinds)?;
        let run = self.run();
        let inner = Arc::clone(&self.inner);
        let rows = &inner.unlocked().map_err(JournalError::from)?.rows;
        let failed = |error| WriteError::from(inner.failed(error));
        let mut connection = self.inner.connection.lock().await;
        let announcement = wal::count_commit(&inner, &mut connection).await;
        let mut tx = begin!(&inner.path, connection, self.guard.patience());
        let now = inner.clock.now();
        let lasts = Lasts::from(now);
        Rows::new(&inner.path, rows, &mut tx).assure(run, self.guard.fence, &self.known, &kinds).await?;
        let moved = move_counter(&mut tx, &self.guard, kinds.len(), state, lasts.until).await;
        let Some(last) = moved.map_err(failed)? else {
            let error = lost(&mut tx, &run.to_string()).await;
            return Err(error);
        };
        wal::confirm_within(&mut tx).await.map_err(failed)?;
        let events = number(run, now, last, kinds);
        write_events(&mut tx, rows, &events).await.map_err(failed)?;
        change(&mut tx, millis(now)).await.map_err(failed)?;
        let renewed = Rows::new(&inner.path, rows, &mut tx).renew(run, &events).await?;
        tx.commit().await.map_err(failed)?;
        if let Some(announcement) = announcement {
            announcement.end();
        }
        crash::committed();
        drop(connection);
        *self.guard.lasts() = lasts;
        self.state = state;
        self.known.learn(renewed);
        for (seq, step) in steps {
            let index = seq.get() as usize - 1;
            self.steps[index] = step;
        }
        Ok(events)
    }

    /// What the tables of transitions make of these events.
    fn after(&self, kinds: &[EventKind]) -> Result<(RunState, Vec<(Seq, StepState)>), WriteError> {
        let mut state = self.state;
        let mut changed: Vec<(Seq, StepState)> = Vec::new();
        for kind in kinds {
            state = state.after(kind)?;
            let Some(seq) = kind.step() else { continue };
            let Some(stored) = self.steps.get(seq.get() as usize - 1) else { continue };
            let before =
                changed.iter().rev().find(|(other, _)| *other == seq).map_or(*stored, |(_, step)| *step);
            changed.push((seq, before.after(kind)?));
        }
        Ok((state, changed))
    }
}

/// Moves the run's event counter by `n` under the lease's fence, and lets the lease last until then: each commit renews
/// it. `None` when the fence is no longer ours.
async fn move_counter(
    tx: &mut SqliteConnection,
    guard: &LeaseGuard,
    n: usize,
    state: RunState,
    until: i64,
) -> Result<Option<i64>, sqlx::Error> {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    let (run, fence, state) = (guard.run.to_string(), guard.fence.get(), state.as_str());
    sqlx::query_scalar!(
        "UPDATE runs SET last_event = last_event + ?1, state = ?2, lease_until = ?5
         WHERE id = ?3 AND fence = ?4 AND holder IS NOT NULL
         RETURNING last_event",
        n,
        state,
        run,
        fence,
        until
    )
    .fetch_optional(tx)
    .await
}

/// Numbers events so that the last of them has the number `last`.
pub(super) fn number(run: RunId, at: Timestamp, last: i64, kinds: Vec<EventKind>) -> Vec<Event> {
    let first = u32::try_from(last).unwrap_or(u32::MAX) + 1 - u32::try_from(kinds.len()).unwrap_or(0);
    (first..).zip(kinds).map(|(n, kind)| Event { run, n, at, kind }).collect()
}

pub(super) async fn write_events(
    tx: &mut SqliteConnection,
    rows: &Authenticator,
    events: &[Event],
) -> Result<(), sqlx::Error> {
    for event in events {
        let (run, at, kind) = (event.run.to_string(), millis(event.at), text(&event.kind));
        let mac = of_event(rows, &run, event.n, at, &kind);
        let mac = mac.as_slice();
        sqlx::query!(
            "INSERT INTO events (run_id, n, at, kind, mac) VALUES (?1, ?2, ?3, ?4, ?5)",
            run,
            event.n,
            at,
            kind,
            mac
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// The direction as the journal holds it.
pub(super) fn direction(text: &str) -> Result<Direction, JournalError> {
    Place("runs", "direction").json(&format!("\"{text}\""))
}
