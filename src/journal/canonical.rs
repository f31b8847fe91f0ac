//! The rows of a run in their canonical form: which columns a row's code covers, and in which order.
//!
//! The invariant: a code covers everything on which a decision depends, except the lease, which the heartbeat moves.
//! The order stays unchanged for as long as there are journals.

use std::collections::BTreeMap;

use super::mac::{Authenticator, Cell, Mac};

/// The standing of a run.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) direction: String,
    pub(super) has_succeeded: i64,
    pub(super) error: Option<String>,
    pub(super) finished_at: Option<i64>,
    pub(super) fence: i64,
    pub(super) last_event: i64,
    pub(super) origin_mac: Option<Vec<u8>>,
    pub(super) facts_mac: Option<Vec<u8>>,
    pub(super) targets_mac: Option<Vec<u8>>,
    pub(super) mac: Option<Vec<u8>>,
}

impl Head {
    pub(super) fn cells(&self) -> [Cell<'_>; 11] {
        [
            (&self.id).into(),
            (&self.state).into(),
            (&self.direction).into(),
            self.has_succeeded.into(),
            self.error.as_ref().into(),
            self.finished_at.into(),
            self.fence.into(),
            self.last_event.into(),
            self.origin_mac.as_ref().into(),
            self.facts_mac.as_ref().into(),
            self.targets_mac.as_ref().into(),
        ]
    }
}

/// What a run was started with.
pub(super) struct Origin {
    pub(super) id: String,
    pub(super) number: i64,
    pub(super) workflow: String,
    pub(super) workflow_version: i64,
    pub(super) name: String,
    pub(super) input: String,
    pub(super) context: String,
    pub(super) on_failure: String,
    pub(super) created_at: i64,
    pub(super) is_of_before: i64,
}

impl Origin {
    pub(super) fn cells(&self) -> [Cell<'_>; 10] {
        [
            (&self.id).into(),
            self.number.into(),
            self.workflow_version.into(),
            (&self.workflow).into(),
            (&self.name).into(),
            (&self.input).into(),
            (&self.context).into(),
            (&self.on_failure).into(),
            self.created_at.into(),
            self.is_of_before.into(),
        ]
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct StepRow {
    pub(super) seq: i64,
    pub(super) identity: Option<String>,
    pub(super) activity: String,
    pub(super) subject: Option<String>,
    pub(super) effect: String,
    pub(super) input: String,
    pub(super) input_digest: String,
    pub(super) status: String,
    pub(super) attempt: i64,
    pub(super) output: Option<String>,
    pub(super) failure: Option<String>,
    pub(super) begun_at: i64,
    pub(super) finished_at: Option<i64>,
    pub(super) retry_since: Option<i64>,
    pub(super) next_attempt_at: Option<i64>,
    pub(super) undo_status: Option<String>,
    pub(super) undo_attempt: i64,
    pub(super) undo_failure: Option<String>,
    pub(super) undo_begun_at: Option<i64>,
    pub(super) undo_finished_at: Option<i64>,
    pub(super) undo_retry_since: Option<i64>,
    pub(super) undo_next_attempt_at: Option<i64>,
    pub(super) as_of: Option<i64>,
    pub(super) mac: Option<Vec<u8>>,
}

impl StepRow {
    /// A row of an older version has no identity, and keeps the code that it had.
    pub(super) fn cells<'r>(&'r self, run: &'r String) -> Vec<Cell<'r>> {
        let identity = self.identity.as_ref().map(Cell::from);
        let cells = [
            run.into(),
            self.seq.into(),
            (&self.activity).into(),
            self.subject.as_ref().into(),
            (&self.effect).into(),
            (&self.input).into(),
            (&self.input_digest).into(),
            (&self.status).into(),
            self.attempt.into(),
            self.output.as_ref().into(),
            self.failure.as_ref().into(),
            self.begun_at.into(),
            self.finished_at.into(),
            self.retry_since.into(),
            self.next_attempt_at.into(),
            self.undo_status.as_ref().into(),
            self.undo_attempt.into(),
            self.undo_failure.as_ref().into(),
            self.undo_begun_at.into(),
            self.undo_finished_at.into(),
            self.undo_retry_since.into(),
            self.undo_next_attempt_at.into(),
            self.as_of.into(),
        ];
        cells.into_iter().chain(identity).collect()
    }

    pub(super) fn place(&self, run: &str) -> String {
        format!("step {} ({}) of run {run}", self.seq, self.activity)
    }
}

pub(super) struct EventRow {
    pub(super) n: i64,
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) mac: Option<Vec<u8>>,
}

impl EventRow {
    pub(super) fn cells<'r>(&'r self, run: &'r String) -> [Cell<'r>; 4] {
        [run.into(), self.n.into(), self.at.into(), (&self.kind).into()]
    }
}

/// The code of an event that is about to be written.
pub(super) fn of_event(rows: &Authenticator, run: &String, n: u32, at: i64, kind: &String) -> Mac {
    rows.mac("events", &[run.into(), i64::from(n).into(), at.into(), kind.into()])
}

/// The facts and the targets of a run. Each of the two sets has one code.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    pub(super) facts: BTreeMap<String, String>,
    pub(super) targets: BTreeMap<String, String>,
}

impl Sets {
    pub(super) fn macs(&self, rows: &Authenticator, run: &String) -> (Mac, Mac) {
        let mac = |table, set: &BTreeMap<String, String>| {
            let cells = set.iter().flat_map(|(name, value)| [Cell::from(name), Cell::from(value)]);
            let row: Vec<Cell<'_>> = std::iter::once(Cell::from(run)).chain(cells).collect();
            rows.mac(table, &row)
        };
        (mac("facts", &self.facts), mac("targets", &self.targets))
    }
}

/// The targets that are held, each with its run.
pub(super) fn held_cells(held: &[(String, String)]) -> Vec<Cell<'_>> {
    held.iter().flat_map(|(target, run)| [Cell::from(target), Cell::from(run)]).collect()
}
