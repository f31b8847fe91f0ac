//! How a process gets the lease of a run after the run's process ended or died.
//!
//! The lease has two halves. A lock file per run, which the kernel frees within a millisecond of a `kill -9`, decides
//! among the processes of one machine. The holder and the expiry in the row decide everything else. The fence in the
//! row keeps a take-over safe even where both are wrong.

use std::sync::Arc;

use sqlx::SqliteConnection;

use super::abandon::Abandonment;
use super::apply::{apply, commit};
use super::attest::Rows;
use super::change::{Change, Standing, Tenure};
use super::check::Checked;
use super::error::{JournalError, TakeError, WriteError};
use super::extent::Scope;
use super::guard::LeaseGuard;
use super::handle::Claim;
use super::handle::{Inner, Journal};
use super::held::{LeaseRow, lease_row, lock_anew, lock_patiently};
use super::known::Known;
use super::lease::Lease;
use super::lock::Lock;
use super::patience::begin;
use super::read::History;
use super::step::StoredStep;
use super::{abandon, kin, retry, target, wal};
use crate::run::{
    Direction, Event, EventKind, Facts, Holder, Keep, OnFailure, RunId, RunState, StepStanding,
};

/// The direction in which a run is taken.
#[derive(Clone, Debug)]
pub enum Take {
    /// On from its last checkpoint, in the direction in which it was going.
    Resume,
    /// Backwards.
    Rollback,
    /// Forwards once more, from the step at which it failed or is stuck.
    Retry,
    /// To its end, for one of its sides.
    Abandon(Abandonment),
}

/// A run that may be taken: its standing, its previous holder, its steps and the codes of its rows.
pub(super) struct Takeable {
    pub(super) row: LeaseRow,
    pub(super) from: Option<Holder>,
    pub(super) known: Known,
    pub(super) steps: Vec<StoredStep>,
}

impl Takeable {
    /// Makes sure that no other process advances the run, that its rows are as they were written, and that so are the
    /// other runs of this scope.
    ///
    /// # Errors
    /// [`TakeError::Held`] while a live process drives it.
    pub(super) async fn find(
        inner: &Inner,
        tx: &mut SqliteConnection,
        run: RunId,
        lock: Option<&Lock>,
        claim: Claim,
        scope: Scope,
    ) -> Result<Self, TakeError> {
        let unlocked = inner.unlocked().map_err(JournalError::from)?;
        unlocked.assure(tx, &inner.path, scope).await?;
        let mut row = lease_row(inner, tx, run).await?;
        let from = row.let_go(inner, run, lock, claim)?;
        let Checked { known, steps } = Rows::new(&inner.path, &unlocked.rows, tx).check(run).await?;
        Ok(Self { row, from, known, steps })
    }
}

impl Journal {
    /// Takes a run after announcing that, for some time, commits will be in the log alone. If nothing was taken, the
    /// log is settled again.
    pub(super) async fn announced<T, E>(&self, taking: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let announcement = wal::announce(&self.0, &mut *self.0.writing(&self.0.patience()).await).await;
        let taken = taking.await;
        if taken.is_ok() || wal::settle(&self.0, &mut *self.0.writing(&self.0.patience()).await).await {
            announcement.end();
        }
        taken
    }

    /// Takes a run that another process drove before, and adds `facts` to what is known of it.
    ///
    /// # Errors
    /// [`TakeError::Held`] while a live process drives it; [`TakeError::Over`] when nothing is left to do;
    /// [`TakeError::Superseded`] for a rollback past a later success.
    pub async fn take(
        &self,
        run: RunId,
        way: Take,
        holder: &Holder,
        facts: Facts,
    ) -> Result<(Lease, History, Vec<Event>), TakeError> {
        self.announced(self.take_announced(run, way, holder, facts)).await
    }

    async fn take_announced(
        &self,
        run: RunId,
        way: Take,
        holder: &Holder,
        facts: Facts,
    ) -> Result<(Lease, History, Vec<Event>), TakeError> {
        let inner = &self.0;
        let lock = lock_patiently(inner, run).await?;
        let patience = inner.patience();
        let mut connection = inner.writing(&patience).await;
        let mut tx = begin!(&inner.path, connection, patience);
        // How far a run may go back depends on every other run.
        let scope = if matches!(way, Take::Rollback) { Scope::All } else { Scope::USUAL };
        let found = Takeable::find(inner, &mut tx, run, lock.as_ref(), self.1, scope).await?;
        let Takeable { row, from, mut known, mut steps } = found;
        let before = row.standing.state;
        let taken = EventKind::LeaseTaken { from, by: holder.clone(), fence: row.fence.next() };
        let turned = turned(self, &mut tx, run, &row, way, holder).await?;
        let standings: Vec<StepStanding> = steps.iter().map(StoredStep::standing).collect();
        let mut change = Change::new(run, row.fence, row.standing, inner.clock.now());
        for event in std::iter::once(taken).chain(turned) {
            change = change.and(event, &standings).map_err(WriteError::from)?;
        }
        change.tenure = Tenure::Taken(holder.clone());
        change.facts = facts;
        change.holds = target::ever_held(inner, &mut tx, run).await?;
        let applied = apply(inner, &mut tx, &change, &known).await?;
        for (seq, changed) in &change.steps {
            if let Some(step) = steps.get_mut(seq.get() as usize - 1) {
                step.stands(changed.standing.clone());
            }
        }
        let history = History::load(inner, &mut tx, run, before, steps).await?;
        commit(inner, tx).await?;
        drop(connection);
        // The lock is replaced only after the commit: a stopped process that continues must find its lock as long as it
        // can renew its lease.
        let lock = Arc::new(lock_anew(inner, run, lock)?);
        known.learn(applied.written);
        let guard = LeaseGuard::new(inner, run, change.next_fence(), applied.lasts, &lock);
        let steps = history.steps.iter().map(StoredStep::standing).collect();
        let standing = Standing { run: change.standing, steps };
        let lease = Lease::new(inner, guard, standing, known, lock);
        Ok((lease, history, applied.events))
    }
}

/// The event besides the taking, if the run turns round, is retried or is ended.
async fn turned(
    journal: &Journal,
    tx: &mut SqliteConnection,
    run: RunId,
    row: &LeaseRow,
    way: Take,
    holder: &Holder,
) -> Result<Option<EventKind>, TakeError> {
    let inner = &journal.0;
    let state = row.standing.state;
    // The process died after the failure, before it began the rollback that the run asks for.
    let was_to_go_back = state == RunState::Failed && row.on_failure == OnFailure::Rollback;
    if !was_to_go_back || matches!(way, Take::Abandon(_) | Take::Retry) {
        check_way(tx, journal, run, &way, state).await?;
    }
    Ok(match way {
        Take::Rollback => Some(EventKind::RollbackStarted),
        Take::Resume if row.standing.direction == Direction::Backward || was_to_go_back => {
            Some(EventKind::RollbackStarted)
        }
        Take::Resume => None,
        Take::Retry => Some(EventKind::RunRetried {
            seq: retry::at(inner, tx, run, &row.standing).await?,
            by: holder.person(),
        }),
        Take::Abandon(Abandonment { keep, reason }) => Some(EventKind::RunAbandoned {
            keep,
            from: abandon::ends_from(inner, tx, run, keep).await?,
            reason,
            by: holder.person(),
        }),
    })
}

/// Whether a run in `state` can be taken in this way.
async fn check_way(
    tx: &mut SqliteConnection,
    journal: &Journal,
    run: RunId,
    way: &Take,
    state: RunState,
) -> Result<(), TakeError> {
    let inner = &journal.0;
    let over = Err(TakeError::Over { run, state });
    if !matches!(way, Take::Abandon(_))
        && let Some(abandoned) = abandon::abandoned(inner, tx, run).await?
    {
        // If the new side is half taken away, the way back is to take everything back.
        let is_on_the_way_back = abandoned.keep == Keep::Old && state != RunState::RolledBack;
        if !(matches!(way, Take::Rollback) && is_on_the_way_back) {
            return Err(TakeError::Abandoned { run, keep: abandoned.keep, state });
        }
    }
    match (way, state) {
        (Take::Resume, RunState::Running | RunState::Suspended | RunState::RollingBack) => Ok(()),
        (Take::Resume, RunState::Failed | RunState::Stuck | RunState::Succeeded | RunState::RolledBack)
        | (Take::Rollback, RunState::RolledBack)
        | (Take::Retry | Take::Abandon(_), RunState::Succeeded | RunState::RolledBack) => over,
        // `retry::at` decides whether there is a step to retry.
        (Take::Retry, _) => Ok(()),
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
            match kin::superseding(inner, journal.2, tx, run).await? {
                Some(by) => Err(TakeError::Superseded { run, by: by.run, state: by.state }),
                None => Ok(()),
            }
        }
    }
}
