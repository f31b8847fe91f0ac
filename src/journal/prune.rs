//! Deletes runs that nobody needs any more, with everything that the journal holds of them.
//!
//! The invariant: the runs that stay can be rolled back exactly as before. So the newest success on each target stays,
//! and so does every run that came after a run that stays and changed the same things.

use std::collections::BTreeSet;

use super::apply::commit;
use super::attest::Rows;
use super::error::JournalError;
use super::extent::Scope;
use super::handle::Journal;
use super::held::lock;
use super::kin::{self, Kin};
use super::patience::begin;
use super::row::{Column, millis};
use super::wal;
use crate::run::{RunId, RunState, Timestamp};

/// How many runs are deleted in one transaction. Other processes have their turn in between.
const AT_ONCE: usize = 200;

impl Journal {
    /// The runs that ended before `time` and that no rollback needs, except for the `n_newest` newest runs.
    pub async fn obsolete(&self, time: Timestamp, n_newest: u32) -> Result<Vec<RunId>, JournalError> {
        let mut connection = self.0.connection().await;
        let all = kin::all(&self.0, self.2, &mut connection).await?;
        let before = millis(time);
        let over = sqlx::query_scalar!(
            "SELECT id FROM runs WHERE state IN ('succeeded', 'rolled-back') AND finished_at < ?1",
            before
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| self.0.failed(error))?;
        let over: Result<BTreeSet<RunId>, _> = over.iter().map(|id| Column("runs", "id").parse(id)).collect();
        Ok(obsolete(&all, &over?, n_newest as usize))
    }

    /// Deletes the runs that ended before `time` and that no rollback needs, and returns them. The file keeps its size
    /// and reuses the room.
    pub async fn delete_before(&self, time: Timestamp, n_newest: u32) -> Result<Vec<RunId>, JournalError> {
        let mut deleted = Vec::new();
        for runs in self.obsolete(time, n_newest).await?.chunks(AT_ONCE) {
            deleted.extend(self.delete(runs).await?);
        }
        Ok(deleted)
    }

    /// Deletes those of these runs that are still over, and returns them.
    async fn delete(&self, runs: &[RunId]) -> Result<Vec<RunId>, JournalError> {
        let inner = &self.0;
        let unlocked = inner.unlocked()?;
        let failed = |error| inner.failed(error);
        let patience = inner.patience();
        let mut connection = inner.writing(&patience).await;
        let mut tx = begin!(&inner.path, connection, patience);
        unlocked.assure(&mut tx, &inner.path, Scope::All).await?;
        let mut deleted = Vec::with_capacity(runs.len());
        for run in runs {
            let id = run.to_string();
            // It was over when it was looked at. From here on, nobody takes it: that needs this transaction's lock.
            let state = sqlx::query_scalar!("SELECT state FROM runs WHERE id = ?1", id)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failed)?;
            let state: Option<RunState> =
                state.map(|state| Column("runs", "state").parse(&state)).transpose()?;
            if !state.is_some_and(RunState::is_over) {
                continue;
            }
            macro_rules! delete {
                ($($sql:tt)+) => {$(
                    sqlx::query!($sql, id).execute(&mut *tx).await.map_err(failed)?;
                )+};
            }
            delete! {
                "DELETE FROM events WHERE run_id = ?1"
                "DELETE FROM steps WHERE run_id = ?1"
                "DELETE FROM facts WHERE run_id = ?1"
                "DELETE FROM targets WHERE run_id = ?1"
                "DELETE FROM signals WHERE run_id = ?1"
                "DELETE FROM runs WHERE id = ?1"
            }
            deleted.push(*run);
        }
        Rows::new(&inner.path, &unlocked.rows, &mut tx).write_extent().await?;
        wal::confirm_within(&mut tx).await.map_err(failed)?;
        commit(inner, tx).await?;
        for run in &deleted {
            // Taking and dropping the lock removes its file.
            drop(lock(inner, *run)?);
        }
        wal::settle(inner, &mut connection).await;
        Ok(deleted)
    }
}

/// Which of all runs, newest first, can be deleted: those of `over` to which nobody goes back, unless a run that stays
/// would go back past them.
fn obsolete(all: &[Kin], over: &BTreeSet<RunId>, n_newest: usize) -> Vec<RunId> {
    let (mut replaced, mut candidates) = (BTreeSet::new(), BTreeSet::new());
    for (index, kin) in all.iter().enumerate() {
        let is_success = kin.state == RunState::Succeeded;
        let is_newest = !kin.lasting().all(|target| replaced.contains(target));
        // The newest run of all always stays, because numbers go on from it.
        if index >= n_newest.max(1) && over.contains(&kin.run) && !(is_success && is_newest) {
            candidates.insert(kin.run);
        }
        if is_success {
            replaced.extend(kin.lasting());
        }
    }
    let (mut kept, mut gone) = (BTreeSet::new(), Vec::new());
    for kin in all.iter().rev() {
        if candidates.contains(&kin.run) && !kin.marks().any(|mark| kept.contains(mark)) {
            gone.push(kin.run);
        } else {
            kept.extend(kin.marks());
        }
    }
    gone
}
