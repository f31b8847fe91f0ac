//! The lease: the right to advance one run, and the only handle by which a run is written.
//!
//! The invariant: every write is one `BEGIN IMMEDIATE` transaction that applies one change under the run's fence. If
//! the fence has moved on, the lease was lost, and nothing is written.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};

use super::apply::{apply, apply_alone, commit};
use super::attest::Rows;
use super::change::{Change, Standing, Tenure};
use super::error::{JournalError, WriteError};
use super::extent::Scope;
use super::guard::LeaseGuard;
use super::handle::Inner;
use super::known::Known;
use super::lock::Lock;
use super::patience::begin;
use super::wal;
use crate::run::{
    Event, EventKind, Failure, IllegalTransition, RunId, RunState, Seq, StepStanding, Target, UndoStatus,
};

/// The right of this process to advance one run. Release it by [`Lease::release`]; a dropped lease only expires.
///
/// Two changes of which nothing leaves the process in between are one commit. So what a step has done is committed with
/// what follows, or by [`Lease::flush`] after a moment in which nothing follows.
#[derive(Debug)]
#[must_use = "a lease that is not released keeps others waiting until it runs out"]
pub struct Lease {
    pub(super) inner: Arc<Inner>,
    pub(super) guard: LeaseGuard,
    // An async mutex, because a write holds it across awaits.
    desk: Mutex<Desk>,
    /// Tells that something waits to be committed.
    left: Notify,
    // The kernel frees the lock when the process dies, however it dies. The lock is shared with code that blocks a
    // thread, which cannot be cancelled.
    _lock: Arc<Lock>,
}

/// What this process knows of the run that it advances.
#[derive(Debug)]
struct Desk {
    standing: Standing,
    known: Known,
    /// What has happened and is not committed yet.
    pending: Option<Change>,
}

impl Lease {
    pub(super) fn new(
        inner: &Arc<Inner>,
        guard: LeaseGuard,
        standing: Standing,
        known: Known,
        lock: Arc<Lock>,
    ) -> Self {
        let desk = Mutex::new(Desk { standing, known, pending: None });
        Self { inner: Arc::clone(inner), guard, desk, left: Notify::new(), _lock: lock }
    }

    /// The run that this lease advances.
    pub const fn run(&self) -> RunId {
        self.guard.run
    }

    /// The number of the next step.
    pub(super) async fn next(&self) -> Seq {
        let desk = self.desk.lock().await;
        Seq::new(u32::try_from(desk.standing.steps.len() + 1).unwrap_or(0))
            .expect("a run has fewer than 2^32 steps")
    }

    /// The steps that are undone.
    pub(super) async fn undone(&self) -> Vec<Seq> {
        let desk = self.desk.lock().await;
        let is_undone = |step: &StepStanding| step.state.undo == Some(UndoStatus::Completed);
        let steps = desk.standing.steps.iter().zip(1..).filter(|(step, _)| is_undone(step));
        steps.filter_map(|(_, n)| Seq::new(n)).collect()
    }

    /// A handle that renews this lease and checks that this process still has it.
    pub fn guard(&self) -> LeaseGuard {
        self.guard.clone()
    }

    /// Commits that the run failed.
    pub async fn fail_run(&self, failure: &Failure) -> Result<Vec<Event>, WriteError> {
        self.write([EventKind::RunFailed { failure: failure.clone() }]).await
    }

    /// Commits that the run waits for a person, because its processes die in this step.
    pub async fn give_up(&self, seq: Seq, failure: &Failure) -> Result<Vec<Event>, WriteError> {
        self.write([EventKind::RunStuck { seq, failure: failure.clone() }]).await
    }

    /// Turns the run round: it goes backwards from now on.
    pub async fn turn_back(&self) -> Result<Vec<Event>, WriteError> {
        self.write([EventKind::RollbackStarted]).await
    }

    /// Holds one more target until the run ends.
    ///
    /// # Errors
    /// [`WriteError::TargetHeld`] when another run holds it and is not over.
    pub async fn hold(&self, target: &Target) -> Result<Vec<Event>, WriteError> {
        // If the target is held, what happened before is committed nevertheless.
        let mut told = self.flush().await?;
        let holds = |change: &mut Change| {
            change.holds.push(target.clone());
            Ok(())
        };
        told.extend(self.write_with([], holds).await?);
        Ok(told)
    }

    /// Commits that the retry budget is spent, and gives the lease back.
    pub async fn suspend(self, failure: &Failure) -> Result<Vec<Event>, WriteError> {
        self.write_last([EventKind::RunSuspended { failure: failure.clone() }], |_| {}).await
    }

    /// Commits that a person stopped the process, and gives the lease back.
    pub async fn interrupt(self) -> Result<Vec<Event>, WriteError> {
        self.write_last([EventKind::RunInterrupted], |_| {}).await
    }

    /// Commits that the run is over, lets its targets go, and gives the lease back.
    pub async fn finish(self, state: RunState) -> Result<Vec<Event>, WriteError> {
        self.write_last([EventKind::RunFinished { state }], |change| change.lets_go = true).await
    }

    /// Gives the lease back. The run keeps its state and its targets.
    pub async fn release(self) -> Result<Vec<Event>, WriteError> {
        let told = self.flush().await?;
        let (run, fence) = (self.run().to_string(), self.guard.fence.get());
        let mut patience = self.guard.patience();
        let mut connection = self.inner.writing(&patience).await;
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
        Ok(told)
    }

    /// Commits what has happened and is not committed yet. Returns its events.
    pub async fn flush(&self) -> Result<Vec<Event>, WriteError> {
        self.clear(&mut *self.desk.lock().await).await
    }

    /// Waits until something has waited for a moment to be committed.
    pub(crate) async fn idle(&self) {
        /// What a step does between its result and the next step takes less.
        const MOMENT: Duration = Duration::from_millis(5);
        self.left.notified().await;
        self.inner.clock.sleep(MOMENT).await;
    }

    /// Like [`Lease::flush`], unless a commit is under way that includes everything.
    pub(crate) async fn flush_if_idle(&self) -> Result<Vec<Event>, WriteError> {
        let Ok(mut desk) = self.desk.try_lock() else { return Ok(Vec::new()) };
        self.clear(&mut desk).await
    }

    async fn clear(&self, desk: &mut Desk) -> Result<Vec<Event>, WriteError> {
        match desk.pending.take() {
            Some(change) => self.commit(desk, change).await,
            None => Ok(Vec::new()),
        }
    }

    /// Whether a commit is under way.
    pub(crate) fn is_writing(&self) -> bool {
        self.desk.try_lock().is_err()
    }

    /// Commits that these events happen now, after everything that waits.
    pub(super) async fn write(
        &self,
        events: impl IntoIterator<Item = EventKind>,
    ) -> Result<Vec<Event>, WriteError> {
        self.write_with(events, |_| Ok(())).await
    }

    /// The same, for a change that is more than its events.
    pub(super) async fn write_with(
        &self,
        events: impl IntoIterator<Item = EventKind>,
        more: impl FnOnce(&mut Change) -> Result<(), IllegalTransition>,
    ) -> Result<Vec<Event>, WriteError> {
        let mut desk = self.desk.lock().await;
        let change = self.extended(&mut desk, events, more)?;
        self.commit(&mut desk, change).await
    }

    /// Notes that these events happen now. They are committed with what follows.
    pub(super) async fn defer(
        &self,
        events: impl IntoIterator<Item = EventKind>,
        more: impl FnOnce(&mut Change) -> Result<(), IllegalTransition>,
    ) -> Result<(), WriteError> {
        let mut desk = self.desk.lock().await;
        desk.pending = Some(self.extended(&mut desk, events, more)?);
        self.left.notify_one();
        Ok(())
    }

    /// What waits to be committed, and these events after it.
    fn extended(
        &self,
        desk: &mut Desk,
        events: impl IntoIterator<Item = EventKind>,
        more: impl FnOnce(&mut Change) -> Result<(), IllegalTransition>,
    ) -> Result<Change, IllegalTransition> {
        let (run, fence, now) = (self.guard.run, self.guard.fence, self.inner.clock.now());
        let Desk { standing, pending, .. } = desk;
        let mut change = match pending.take() {
            Some(pending) => pending.until(now),
            None => Change::new(run, fence, standing.run.clone(), now),
        };
        for event in events {
            change = change.and(event, &standing.steps)?;
        }
        more(&mut change)?;
        Ok(change)
    }

    /// Commits the last change that this process makes to the run.
    async fn write_last(
        self,
        events: impl IntoIterator<Item = EventKind>,
        more: impl FnOnce(&mut Change),
    ) -> Result<Vec<Event>, WriteError> {
        let last = |change: &mut Change| {
            change.tenure = Tenure::Ended;
            more(change);
            Ok(())
        };
        let told = self.write_with(events, last).await?;
        wal::settle(&self.inner, &mut *self.inner.writing(&self.guard.patience()).await).await;
        Ok(told)
    }

    async fn commit(&self, desk: &mut Desk, change: Change) -> Result<Vec<Event>, WriteError> {
        // Boxed, because a step's future includes the futures that it awaits.
        Box::pin(self.commit_now(desk, change)).await
    }

    async fn commit_now(&self, desk: &mut Desk, change: Change) -> Result<Vec<Event>, WriteError> {
        let inner = &self.inner;
        let patience = self.guard.patience();
        let mut connection = inner.writing(&patience).await;
        let announcement = wal::count_commit(inner, &mut connection).await;
        let applied = if change.moves_targets() {
            let mut tx = begin!(&inner.path, connection, patience);
            // Targets that somebody else has let go must not get a code of ours.
            let codes = &inner.unlocked().map_err(JournalError::from)?.rows;
            Rows::new(&inner.path, codes, &mut tx).check_runs(Scope::Newest(0)).await?;
            let applied = apply(inner, &mut tx, &change, &desk.known).await?;
            commit(inner, tx).await?;
            applied
        } else {
            let mut patience = patience;
            loop {
                match apply_alone(inner, &mut connection, &change, &desk.known).await {
                    Err(WriteError::Journal(error)) => patience.after(error).await?,
                    done => break done?,
                }
            }
        };
        if let Some(announcement) = announcement {
            announcement.end();
        }
        drop(connection);
        self.guard.lasts_until(applied.lasts);
        desk.known.learn(applied.written);
        desk.standing.follow(change);
        Ok(applied.events)
    }
}
