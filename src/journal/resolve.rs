//! Records what a person did to the step on which a run is stuck, and does nothing else.

use super::apply::{apply, commit};
use super::change::{Change, Tenure};
use super::error::{ResolveError, TakeError, WriteError};
use super::extent::Scope;
use super::handle::Claim;
use super::handle::Journal;
use super::held::{LeaseRow, lock_patiently};
use super::patience::begin;
use super::step::StoredStep;
use super::take::Takeable;
use super::wal;
use crate::run::{
    Event, EventKind, Facts, Holder, Resolution, RunId, RunRecord, RunState, Seq, StepRecord, StepStanding,
    UndoStatus,
};

impl Journal {
    /// The step with this number or name, on which a run is stuck.
    pub async fn stuck_at(&self, run: RunId, step: &str) -> Result<Seq, ResolveError> {
        Ok(stuck_at(&self.run(run).await.map_err(TakeError::from)?, step)?.seq)
    }

    /// Records what a person did to the step on which a run is stuck, with the facts that the undos of earlier steps
    /// need.
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
        let resolved = EventKind::StepResolved {
            seq: wanted.seq,
            resolution,
            reason: reason.to_owned(),
            by: holder.person(),
        };
        Ok(self.announced(self.resolve_announced(run, resolved, facts)).await?)
    }

    /// Takes and releases the run in one commit: only the person's statement is written, and the run keeps its
    /// direction.
    async fn resolve_announced(
        &self,
        run: RunId,
        resolved: EventKind,
        facts: &Facts,
    ) -> Result<Event, TakeError> {
        let inner = &self.0;
        let lock = lock_patiently(inner, run).await?;
        let patience = inner.patience();
        let mut connection = inner.writing(&patience).await;
        let mut tx = begin!(&inner.path, connection, patience);
        let (claim, scope) = (Claim::Respects, Scope::USUAL);
        let found = Takeable::find(inner, &mut tx, run, lock.as_ref(), claim, scope).await?;
        let LeaseRow { fence, standing, .. } = found.row;
        let steps: Vec<StepStanding> = found.steps.iter().map(StoredStep::standing).collect();
        let change = Change::new(run, fence, standing, inner.clock.now()).and(resolved, &steps);
        let mut change = change.map_err(WriteError::from)?;
        change.tenure = Tenure::Revoked;
        change.facts = facts.clone();
        let mut applied = apply(inner, &mut tx, &change, &found.known).await?;
        commit(inner, tx).await?;
        drop(lock);
        wal::settle(inner, &mut connection).await;
        Ok(applied.events.remove(0))
    }
}

/// Whether a person means this step: by its number, its name, or its name and subject, which the history may cut.
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
    // If several steps have the name, the stuck one is meant.
    wanted.sort_by_key(|step| (is_stuck(step), step.seq));
    let wanted = wanted.pop().ok_or_else(|| ResolveError::NoSuchStep { run, step: step.to_owned() })?;
    if record.state != RunState::Stuck || !is_stuck(wanted) {
        return Err(ResolveError::NotStuck { run, step: format!("{} ({})", wanted.seq, wanted.name) });
    }
    Ok(wanted)
}
