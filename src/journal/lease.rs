//! The lease: the right to advance one run, and the only handle by which a run is written.
//!
//! The invariant: every write is one `BEGIN IMMEDIATE` transaction that applies one change under the run's fence. If
//! the fence has moved on, the lease was lost, and nothing is written.

use std::sync::Arc;

use super::apply::{apply, commit};
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
use crate::run::{Event, EventKind, Failure, IllegalTransition, RunId, RunState, Seq, Target};

/// The right of this process to advance one run. Release it by [`Lease::release`]; a dropped lease only expires.
#[derive(Debug)]
#[must_use = "a lease that is not released keeps others waiting until it runs out"]
pub struct Lease {
    pub(super) inner: Arc<Inner>,
    pub(super) guard: LeaseGuard,
    pub(super) standing: Standing,
    pub(super) known: Known,
    // The kernel frees the lock when the process dies, however it dies. The lock is shared with code that blocks a
    // thread, which cannot be cancelled.
    pub(super) _lock: Arc<Lock>,
}

impl Lease {
    /// The run that this lease advances.
    pub const fn run(&self) -> RunId {
        self.guard.run
    }

    /// The run's state.
    pub const fn state(&self) -> RunState {
        self.standing.run.state
    }

    /// A handle that renews this lease and checks that this process still has it.
    pub fn guard(&self) -> LeaseGuard {
        self.guard.clone()
    }

    /// The change of the run in which these events happen now.
    pub(super) fn change(
        &self,
        events: impl IntoIterator<Item = EventKind>,
    ) -> Result<Change, IllegalTransition> {
        let Standing { run, steps } = &self.standing;
        let change = Change::new(self.guard.run, self.guard.fence, run.clone(), self.inner.clock.now());
        events.into_iter().try_fold(change, |change, event| change.and(event, steps))
    }

    /// Commits that the run failed.
    pub async fn fail_run(&mut self, failure: &Failure) -> Result<Event, WriteError> {
        let change = self.change([EventKind::RunFailed { failure: failure.clone() }])?;
        self.commit_one(change).await
    }

    /// Commits that the run waits for a person, because its processes die in this step.
    pub async fn give_up(&mut self, seq: Seq, failure: &Failure) -> Result<Event, WriteError> {
        let change = self.change([EventKind::RunStuck { seq, failure: failure.clone() }])?;
        self.commit_one(change).await
    }

    /// Turns the run round: it goes backwards from now on.
    pub async fn turn_back(&mut self) -> Result<Event, WriteError> {
        let change = self.change([EventKind::RollbackStarted])?;
        self.commit_one(change).await
    }

    /// Holds one more target until the run is over.
    ///
    /// # Errors
    /// [`WriteError::TargetHeld`] when another run holds it and is not over.
    pub async fn hold(&mut self, target: &Target) -> Result<(), WriteError> {
        let mut change = self.change([])?;
        change.holds.push(target.clone());
        self.commit(change).await.map(drop)
    }

    /// Commits that the retry budget is spent, and gives the lease back.
    pub async fn suspend(self, failure: &Failure) -> Result<Event, WriteError> {
        let change = self.change([EventKind::RunSuspended { failure: failure.clone() }])?;
        self.commit_last(change).await
    }

    /// Commits that a person stopped the process, and gives the lease back.
    pub async fn interrupt(self) -> Result<Event, WriteError> {
        let change = self.change([EventKind::RunInterrupted])?;
        self.commit_last(change).await
    }

    /// Commits that the run is over, lets its targets go, and gives the lease back.
    pub async fn finish(self, state: RunState) -> Result<Event, WriteError> {
        let mut change = self.change([EventKind::RunFinished { state }])?;
        change.lets_go = true;
        self.commit_last(change).await
    }

    /// Gives the lease back. The run keeps its state and its targets.
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

    /// Commits the last change that this process makes to the run.
    async fn commit_last(mut self, mut change: Change) -> Result<Event, WriteError> {
        change.tenure = Tenure::Ended;
        let event = self.commit_one(change).await?;
        wal::settle(&self.inner, &mut *self.inner.connection.lock().await).await;
        Ok(event)
    }

    /// Commits a change with one event.
    pub(super) async fn commit_one(&mut self, change: Change) -> Result<Event, WriteError> {
        Ok(self.commit(change).await?.remove(0))
    }

    pub(super) async fn commit(&mut self, change: Change) -> Result<Vec<Event>, WriteError> {
        // Boxed, because a step's future includes the futures that it awaits.
        Box::pin(self.write(change)).await
    }

    async fn write(&mut self, change: Change) -> Result<Vec<Event>, WriteError> {
        let inner = Arc::clone(&self.inner);
        let mut connection = self.inner.connection.lock().await;
        let announcement = wal::count_commit(&inner, &mut connection).await;
        let mut tx = begin!(&inner.path, connection, self.guard.patience());
        if change.moves_targets() {
            // Targets that somebody else has let go must not get a code of ours.
            let codes = &inner.unlocked().map_err(JournalError::from)?.rows;
            Rows::new(&inner.path, codes, &mut tx).check_runs(Scope::Newest(0)).await?;
        }
        let applied = apply(&inner, &mut tx, &change, &self.known).await?;
        commit(&inner, tx).await?;
        if let Some(announcement) = announcement {
            announcement.end();
        }
        drop(connection);
        self.guard.lasts_until(applied.lasts);
        self.known.learn(applied.written);
        self.standing.follow(change);
        Ok(applied.events)
    }
}
