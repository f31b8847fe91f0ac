//! A change as the statements that write it, with what is known once they are committed.

use sqlx::SqliteConnection;

use super::attest::{Rows, altered};
use super::batch::{Batch, also};
use super::canonical::{Head, StepRow, of_event};
use super::change::{Change, StepChange, Tenure};
use super::error::{JournalError, WriteError};
use super::guard::{Lasts, unless_lost};
use super::handle::Inner;
use super::known::{Known, Written};
use super::mac::{Authenticator, Mac};
use super::row::{millis, text};
use crate::run::{Event, Seq};

/// The statements of a change, and its result.
pub(super) struct Draft {
    pub(super) batch: Batch,
    pub(super) events: Vec<Event>,
    pub(super) written: Written,
    pub(super) lasts: Lasts,
}

impl Draft {
    /// Drafts a change of a run. Reads the rows of steps that are not at hand.
    ///
    /// # Errors
    /// [`JournalError::Altered`] when such a row is not the one that is known, and [`WriteError::LeaseLost`] when that is
    /// because another process has written it.
    pub(super) async fn of(
        inner: &Inner,
        connection: &mut SqliteConnection,
        change: &Change,
        known: &Known,
    ) -> Result<Self, WriteError> {
        let codes = &inner.unlocked().map_err(JournalError::from)?.rows;
        let run = change.run.to_string();
        let lasts = Lasts::from_now(inner.clock);
        let sets = known.sets_after(change);
        let (facts, targets) = sets.as_ref().unwrap_or(&known.sets).macs(codes, &run);
        let head = head_after(change, known, facts, targets);
        let mac = codes.mac("runs", &head.cells());
        let mut batch = Batch::default();
        write_head(&mut batch, change, known, &head, mac, lasts);
        let first = u32::try_from(known.last_event + 1).unwrap_or(u32::MAX);
        let numbered = (first..).zip(change.events.iter().cloned());
        let events: Vec<Event> =
            numbered.map(|(n, (at, kind))| Event { run: change.run, n, at, kind }).collect();
        for event in &events {
            write_event(&mut batch, codes, &run, event);
        }
        let mut steps = Vec::with_capacity(change.steps.len());
        for (seq, step) in &change.steps {
            let is_about_it = |event: &&Event| event.kind.step() == Some(*seq);
            let as_of = events.iter().rfind(is_about_it).map_or(0, |event| i64::from(event.n));
            let row = match (&step.new, known.step(*seq)) {
                (Some(_), _) => StepRow::new(*seq, step),
                (None, Some(row)) => row.clone(),
                (None, None) => {
                    match Rows::new(&inner.path, codes, connection).step(&run, *seq, known).await {
                        Ok(row) => row,
                        Err(error) => return Err(unless_lost(connection, change, error).await),
                    }
                }
            };
            steps.push(write_step(&mut batch, codes, &run, step, row.after(step, as_of), known.code(*seq)));
        }
        for (name, value) in &change.facts {
            also!(
                batch,
                "INSERT INTO facts (run_id, name, value) VALUES (?, ?, ?)
                 ON CONFLICT (run_id, name) DO UPDATE SET value = excluded.value",
                run,
                name,
                value
            );
        }
        let written = Written { head: mac, last_event: head.last_event, sets, steps };
        Ok(Self { batch, events, written, lasts })
    }
}

/// The run's row after a change.
fn head_after(change: &Change, known: &Known, facts: Mac, targets: Mac) -> Head {
    let standing = &change.standing;
    Head {
        id: change.run.to_string(),
        state: standing.state.as_str().to_owned(),
        direction: standing.direction.as_str().to_owned(),
        has_succeeded: standing.has_succeeded.into(),
        error: standing.error.as_ref().map(text),
        finished_at: standing.finished_at.map(millis),
        fence: change.next_fence().get(),
        last_event: known.last_event + i64::try_from(change.events.len()).unwrap_or(i64::MAX),
        origin_mac: Some(known.origin.to_vec()),
        facts_mac: Some(facts.to_vec()),
        targets_mac: Some(targets.to_vec()),
        mac: None,
    }
}

/// Writes the run's row and the state of its lease, unless the fence has moved on, or the row is not the one that is known.
fn write_head(batch: &mut Batch, change: &Change, known: &Known, head: &Head, mac: Mac, lasts: Lasts) {
    let (is_ours, is_held) = match change.tenure {
        Tenure::Renewed => (true, true),
        Tenure::Ended => (true, false),
        Tenure::Taken(_) => (false, true),
        Tenure::Revoked => (false, false),
    };
    let until = is_held.then(|| lasts.until());
    let holder = match &change.tenure {
        Tenure::Taken(holder) => Some(text(holder)),
        Tenure::Renewed | Tenure::Ended | Tenure::Revoked => None,
    };
    let (fence, before, mac) = (change.fence.get(), known.head.as_ref().map(Mac::as_slice), mac.as_slice());
    also!(
        batch,
        "UPDATE runs SET state = ?, direction = ?, has_succeeded = ?, error = ?, finished_at = ?, fence = ?,
             holder = iif(?, coalesce(?, holder), NULL), lease_until = ?, last_event = ?, facts_mac = ?,
             targets_mac = ?, mac = ?
         WHERE id = ? AND fence = ? AND mac IS ? AND (holder IS NOT NULL OR NOT ?)",
        head.state,
        head.direction,
        head.has_succeeded,
        head.error,
        head.finished_at,
        head.fence,
        is_held,
        holder,
        until,
        head.last_event,
        head.facts_mac,
        head.targets_mac,
        mac,
        head.id,
        fence,
        before,
        is_ours
    );
}

fn write_event(batch: &mut Batch, codes: &Authenticator, run: &String, event: &Event) {
    let (at, kind) = (millis(event.at), text(&event.kind));
    let mac = of_event(codes, run, event.n, at, &kind);
    let mac = mac.as_slice();
    also!(
        batch,
        "INSERT INTO events (run_id, n, at, kind, mac) VALUES (?, ?, ?, ?, ?)",
        run,
        event.n,
        at,
        kind,
        mac
    );
}

/// Writes a step's row, unless it was written before and does not have the code that is known.
fn write_step(
    batch: &mut Batch,
    codes: &Authenticator,
    run: &String,
    step: &StepChange,
    row: StepRow,
    before: Option<Mac>,
) -> (StepRow, Mac) {
    let mac = codes.mac("steps", &row.cells(run));
    let (code, before) = (mac.as_slice(), before.as_ref().map(Mac::as_slice));
    if step.new.is_some() {
        also!(
            batch,
            "INSERT INTO steps (run_id, seq, identity, activity, subject, effect, input, input_digest, status, attempt,
                 begun_at, as_of, mac)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            run,
            row.seq,
            row.identity,
            row.activity,
            row.subject,
            row.effect,
            row.input,
            row.input_digest,
            row.status,
            row.attempt,
            row.begun_at,
            row.as_of,
            code
        );
        return (row, mac);
    }
    also!(
        batch,
        "UPDATE steps SET status = ?, attempt = ?, output = coalesce(?, output), failure = ?, finished_at = ?,
             retry_since = ?, next_attempt_at = ?, undo_status = ?, undo_attempt = ?, undo_begun_at = ?,
             undo_failure = ?, undo_finished_at = ?, undo_retry_since = ?, undo_next_attempt_at = ?,
             as_of = ?, mac = ?
         WHERE run_id = ? AND seq = ? AND mac IS ?",
        row.status,
        row.attempt,
        row.output,
        row.failure,
        row.finished_at,
        row.retry_since,
        row.next_attempt_at,
        row.undo_status,
        row.undo_attempt,
        row.undo_begun_at,
        row.undo_failure,
        row.undo_finished_at,
        row.undo_retry_since,
        row.undo_next_attempt_at,
        row.as_of,
        code,
        run,
        row.seq,
        before
    );
    (row, mac)
}

impl Rows<'_> {
    /// The row of a step, which must be the one that is known.
    async fn step(&mut self, run: &String, seq: Seq, known: &Known) -> Result<StepRow, JournalError> {
        let number = i64::from(seq.get());
        let row = self.steps(run, number, number).await?.pop();
        let row = row.ok_or_else(|| altered("steps", format!("step {seq} of run {run} is missing")))?;
        if Some(self.codes.mac("steps", &row.cells(run))) == known.code(seq) {
            Ok(row)
        } else {
            Err(altered("steps", row.place(run)))
        }
    }
}
