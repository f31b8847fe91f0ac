//! Verifies, before a run is taken, that its rows are as this program last wrote them.

use std::collections::BTreeMap;

use super::attest::{NEVER_TAKEN_UP, Rows, altered, head_of, note};
use super::canonical::{Head, Origin, Sets, StepRow};
use super::error::JournalError;
use super::known::Known;
use super::row::Column;
use super::sqlite::of_sqlx;
use super::step::{StoredStep, folded, stored};
use super::told::Telling;
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

    pub(super) fn check_head(&self, head: &Head) -> Result<(), JournalError> {
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
    pub(super) async fn check(&mut self, run: RunId) -> Result<Checked, JournalError> {
        let id = run.to_string();
        let mut told = Telling::of(&id);
        let (head, origin, steps, known) = self.checked(run, &mut told).await?;
        if origin.is_of_before == NEVER_TAKEN_UP {
            return Err(altered("runs", format!("run {run}: nothing shows that this program wrote it")));
        }
        let steps = stored(steps)?;
        told.expect(&head, steps.iter().map(folded).collect())?;
        Ok(Checked { known, steps })
    }

    /// Makes sure that every row of a run is as it was last written.
    pub(super) async fn check_rows(&mut self, run: RunId) -> Result<(), JournalError> {
        let id = run.to_string();
        self.checked(run, &mut Telling::of(&id)).await.map(drop)
    }

    async fn checked(
        &mut self,
        run: RunId,
        told: &mut Telling<'_>,
    ) -> Result<(Head, Origin, Vec<StepRow>, Known), JournalError> {
        let id = run.to_string();
        let head = head_of(self.tx, self.path, &id).await?.ok_or(JournalError::NoSuchRun(run))?;
        self.check_head(&head)?;
        let origin = self.origin(&id).await?;
        if !self.codes.is_mac("origin", &origin.cells(), head.origin_mac.as_deref()) {
            return Err(altered(
                "runs",
                format!("what run {id} was started with: its input, context or name"),
            ));
        }
        let sets = self.sets_of(&id).await?;
        self.check_sets(&head, &sets)?;
        let last = self.check_events(&id, head.last_event, told).await?;
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
        let known = Known {
            head: Some(self.codes.mac("runs", &head.cells())),
            origin: self.codes.mac("origin", &origin.cells()),
            last_event: head.last_event,
            sets,
            steps: steps.iter().filter_map(|row| row.mac.as_deref()?.try_into().ok()).collect(),
            ..Known::default()
        };
        Ok((head, origin, steps, known))
    }

    /// Verifies the events and has them told. Returns the number of the last event about each step.
    async fn check_events(
        &mut self,
        id: &String,
        n_last: i64,
        told: &mut Telling<'_>,
    ) -> Result<BTreeMap<i64, i64>, JournalError> {
        let events = self.events(id).await?;
        let mut last = BTreeMap::new();
        for (event, expected) in events.iter().zip(1..) {
            if event.n != expected {
                return Err(altered("events", format!("event {expected} of run {id} is missing")));
            }
            if !self.codes.is_mac("events", &event.cells(id), event.mac.as_deref()) {
                return Err(altered("events", format!("event {expected} of run {id}")));
            }
            let kind = note(&mut last, event)?;
            told.follow(event.n, event.at, &kind)?;
        }
        if events.last().map_or(0, |event| event.n) != n_last {
            return Err(altered("events", format!("the last of run {id} is not number {n_last}")));
        }
        Ok(last)
    }
}

/// A run whose rows are as this program last wrote them.
pub(super) struct Checked {
    pub(super) known: Known,
    /// Its steps. Confidential values are still sealed.
    pub(super) steps: Vec<StoredStep>,
}
