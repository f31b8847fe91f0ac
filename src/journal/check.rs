//! Verifies, before a run is taken, that its rows are as this program last wrote them.

use std::collections::BTreeMap;

use super::attest::{Known, LAST_ID, NEVER_TAKEN_UP, Rows, altered, note};
use super::canonical::{Head, Origin, Sets};
use super::error::JournalError;
use super::row::Column;
use super::sqlite::of_sqlx;
use super::told;
use crate::run::RunId;

impl Rows<'_> {
    pub(super) fn check_sets(&self, head: &Head, sets: &Sets) -> Result<(), JournalError> {
        let (facts, targets) = sets.macs(self.codes, &head.id);
        if head.facts_mac.as_deref() != Some(facts.as_slice()) {
            return Err(altered("facts", format!("those of run {}", head.id)));
        }
        if head.targets_mac.as_deref() != Some(targets.as_slice()) {
            return Err(altered("targets", format!("those of run {}", head.id)));
        }
        Ok(())
    }

    /// Makes sure that no run is missing, and that the standing, the facts and the targets of each run are as they were
    /// written. What another run may do depends on them.
    pub(super) async fn check_runs(&mut self) -> Result<(), JournalError> {
        let extent = sqlx::query!("SELECT sealed, n_runs, mac FROM canary")
            .fetch_one(&mut *self.tx)
            .await
            .map_err(|error| of_sqlx(self.path, error))?;
        let cells = [(&extent.sealed).into(), extent.n_runs.into()];
        if !self.codes.is_mac("canary", &cells, extent.mac.as_deref()) {
            return Err(altered("canary", "the number of runs"));
        }
        let heads = self.heads("", LAST_ID).await?;
        if i64::try_from(heads.len()).ok() != extent.n_runs {
            let n_runs = extent.n_runs.unwrap_or_default();
            return Err(altered("runs", format!("there are {} where there were {n_runs}", heads.len())));
        }
        let mut sets = self.sets("", LAST_ID).await?;
        for head in &heads {
            self.check_head(head)?;
            self.check_sets(head, &sets.remove(&head.id).unwrap_or_default())?;
        }
        Ok(())
    }

    fn check_head(&self, head: &Head) -> Result<(), JournalError> {
        if self.codes.is_mac("runs", &head.cells(), head.mac.as_deref()) {
            Ok(())
        } else {
            Err(altered("runs", format!("run {}", head.id)))
        }
    }

    /// Verifies all rows of the runs that came after `run`. What those runs did decides whether `run` may be rolled
    /// back.
    pub(super) async fn check_later(&mut self, run: RunId) -> Result<(), JournalError> {
        let id = run.to_string();
        let later = sqlx::query_scalar!(
            "SELECT id FROM runs WHERE number > (SELECT number FROM runs WHERE id = ?1)",
            id
        )
        .fetch_all(&mut *self.tx)
        .await
        .map_err(|error| of_sqlx(self.path, error))?;
        for later in later {
            self.check_rows(Column("runs", "id").parse(&later)?).await?;
        }
        Ok(())
    }

    /// Makes sure that every row of a run is as it was last written, agrees with the run's events, and may be taken.
    ///
    /// # Errors
    /// [`JournalError::Altered`] with the table and the place.
    pub(super) async fn check(&mut self, run: RunId) -> Result<Known, JournalError> {
        let (known, origin) = self.checked(run).await?;
        if origin.is_of_before == NEVER_TAKEN_UP {
            return Err(altered("runs", format!("run {run}: nothing shows that this program wrote it")));
        }
        told::check(&mut *self.tx, self.path, run).await?;
        Ok(known)
    }

    /// Makes sure that every row of a run is as it was last written.
    pub(super) async fn check_rows(&mut self, run: RunId) -> Result<Known, JournalError> {
        Ok(self.checked(run).await?.0)
    }

    async fn checked(&mut self, run: RunId) -> Result<(Known, Origin), JournalError> {
        let id = run.to_string();
        let head = self.heads(&id, &id).await?.into_iter().next().ok_or(JournalError::NoSuchRun(run))?;
        self.check_head(&head)?;
        let origin = self.origin(&id).await?;
        if !self.codes.is_mac("origin", &origin.cells(), head.origin_mac.as_deref()) {
            return Err(altered(
                "runs",
                format!("what run {id} was started with: its input, context or name"),
            ));
        }
        let sets = self.sets(&id, &id).await?.remove(&id).unwrap_or_default();
        self.check_sets(&head, &sets)?;
        let last = self.check_events(&id, head.last_event).await?;
        let steps = self.steps(&id, 1, i64::MAX).await?;
        for (row, expected) in steps.iter().zip(1..) {
            if row.seq != expected {
                return Err(altered("steps", format!("step {expected} of run {id} is missing")));
            }
            let is_latest = row.as_of.is_some() && last.get(&row.seq) == row.as_of.as_ref();
            if !is_latest || !self.codes.is_mac("steps", &row.cells(&id), row.mac.as_deref()) {
                return Err(altered("steps", row.place(&id)));
            }
        }
        let n_steps = i64::try_from(steps.len()).unwrap_or(i64::MAX);
        if last.last_key_value().is_some_and(|(seq, _)| *seq > n_steps) {
            return Err(altered("steps", format!("step {} of run {id} is missing", n_steps + 1)));
        }
        let known = steps.iter().filter_map(|row| row.mac.as_deref()?.try_into().ok()).collect();
        Ok((Known { head: self.codes.mac("runs", &head.cells()), steps: known }, origin))
    }

    /// The number of the last event about each step.
    async fn check_events(&mut self, id: &String, n_last: i64) -> Result<BTreeMap<i64, i64>, JournalError> {
        let events = self.events(id).await?;
        let mut last = BTreeMap::new();
        for (event, expected) in events.iter().zip(1..) {
            if event.n != expected {
                return Err(altered("events", format!("event {expected} of run {id} is missing")));
            }
            if !self.codes.is_mac("events", &event.cells(id), event.mac.as_deref()) {
                return Err(altered("events", format!("event {expected} of run {id}")));
            }
            note(&mut last, event)?;
        }
        if events.last().map_or(0, |event| event.n) != n_last {
            return Err(altered("events", format!("the last of run {id} is not number {n_last}")));
        }
        Ok(last)
    }
}
