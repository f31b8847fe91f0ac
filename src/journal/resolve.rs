//! What a person did to the step on which a run is stuck: recorded, under a lease that turns nothing.

use std::sync::Arc;

use super::attest::Rows;
use super::error::{JournalError, ResolveError, TakeError};
use super::held::{Claim, lease_row, lock_patiently};
use super::lease::{Lease, LeaseGuard};
use super::patience::begin;
use super::row::{after, text};
use super::take::LEASE_LENGTH;
use super::{Journal, wal};
use crate::crash;
use crate::run::{
    Event, EventKind, Facts, Holder, Resolution, RunId, RunRecord, RunState, Seq, StepRecord, StepState,
    UndoStatus,
};

impl Journal {
    /// The step by this number or name, on which a run is stuck.
    pub async fn stuck_at(&self, run: RunId, step: &str) -> Result<Seq, ResolveError> {
        Ok(stuck_at(&self.run(run).await.map_err(TakeError::from)?, step)?.seq)
    }

    /// Records what a person did to the step on which a run is stuck, with what the undos of earlier steps must know of it.
    pub async fn resolve(
        &self,
        run: RunId,
        step: &str,
        resolution: Resolution,
        reason: &str,
        facts: &Facts,
        holder: &Holder,
    ) -> Result<Event, ResolveError> {
        let record = self.run(run).await.map_err(TakeError::from)?;
        let wanted = stuck_at(&record, step)?;
        let mut lease = self.take_stuck(run, &record.steps, holder).await?;
        let kind = EventKind::StepResolved {
            seq: wanted.seq,
            resolution,
            reason: reason.to_owned(),
            by: format!("{}@{}", holder.user, holder.host),
        };
        let event = lease.resolve(kind, wanted.seq, facts).await?;
        lease.release().await?;
        Ok(event)
    }

    /// Takes the lease of a stuck run without turning it: only a word about it is to be written.
    async fn take_stuck(
        &self,
        run: RunId,
        steps: &[StepRecord],
        holder: &Holder,
    ) -> Result<Lease, TakeError> {
        self.announced(self.take_stuck_announced(run, steps, holder)).await
    }

    async fn take_stuck_announced(
        &self,
        run: RunId,
        steps: &[StepRecord],
        holder: &Holder,
    ) -> Result<Lease, TakeError> {
        let inner = &self.0;
        let lock = lock_patiently(inner, run).await?;
        let failed = |error| inner.failed(error);
        let mut connection = inner.connection.lock().await;
        let mut tx = begin!(&inner.path, connection, inner.patience());
        wal::confirm_within(&mut tx).await.map_err(failed)?;
        let unlocked = inner.unlocked().map_err(JournalError::from)?;
        unlocked.assure(&mut tx, &inner.path).await?;
        let mut row = lease_row(inner, &mut tx, run).await?;
        let now = inner.clock.now();
        row.let_go(run, lock.as_ref(), Claim::Respects, holder, now)?;
        let mut known = Rows::new(&inner.path, &unlocked.rows, &mut tx).check(run).await?;
        let (id, until, fence, holder) =
            (run.to_string(), after(now, LEASE_LENGTH), row.next_fence.get(), text(holder));
        sqlx::query!(
            "UPDATE runs SET fence = ?1, holder = ?2, lease_until = ?3 WHERE id = ?4",
            fence,
            holder,
            until,
            id
        )
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        known.learn(Rows::new(&inner.path, &unlocked.rows, &mut tx).renew(run, &[]).await?);
        tx.commit().await.map_err(failed)?;
        crash::committed();
        drop(connection);
        let states = steps
            .iter()
            .map(|step| StepState {
                status: step.status,
                undo: step.compensation.as_ref().map(|undo| undo.status),
            })
            .collect();
        let guard = LeaseGuard::new(inner, run, row.next_fence, until);
        Ok(Lease { inner: Arc::clone(inner), guard, state: row.state, steps: states, known, _lock: lock })
    }
}

/// Whether a person means this step: by its number, its name, or both its name and its subject, which the history cuts.
fn is_called(step: &StepRecord, text: &str) -> bool {
    let is_its_subject = |text: &str| {
        let subject = step.subject.as_deref().unwrap_or_default();
        text == subject || text.strip_prefix('…').is_some_and(|end| !end.is_empty() && subject.ends_with(end))
    };
    let rest = text.strip_prefix(&step.name);
    rest == Some("")
        || rest.and_then(|rest| rest.strip_prefix(' ')).is_some_and(is_its_subject)
        || text == step.seq.to_string()
}

fn stuck_at<'r>(record: &'r RunRecord, step: &str) -> Result<&'r StepRecord, ResolveError> {
    let run = record.id;
    let is_stuck =
        |step: &StepRecord| step.compensation.as_ref().is_some_and(|undo| undo.status == UndoStatus::Failed);
    let mut wanted: Vec<&StepRecord> =
        record.steps.iter().filter(|candidate| is_called(candidate, step)).collect();
    // Of several with one name, the one that is stuck is meant.
    wanted.sort_by_key(|step| (is_stuck(step), step.seq));
    let wanted = wanted.pop().ok_or_else(|| ResolveError::NoSuchStep { run, step: step.to_owned() })?;
    if record.state != RunState::Stuck || !is_stuck(wanted) {
        return Err(ResolveError::NotStuck { run, step: format!("{} ({})", wanted.seq, wanted.name) });
    }
    Ok(wanted)
}
