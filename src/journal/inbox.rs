//! What persons ask of a run that any process may drive.
//!
//! The invariant: whoever has the journal's key may leave a signal, and nothing else, without the run's lease. Only the process
//! that has the lease says what came of it, by an event. So a signal is answered at most once, whoever takes the run over.

use sqlx::SqliteConnection;

use super::attest::altered;
use super::error::{JournalError, WriteError};
use super::guard::LeaseGuard;
use super::handle::{Inner, Journal};
use super::lease::Lease;
use super::mac::{Authenticator, Mac};
use super::patience::begin;
use super::row::{Column, millis};
use super::wal;
use crate::run::{Event, EventKind, Holder, RunId, Sent, Signal};

/// A row of the inbox.
struct SignalRow {
    run_id: String,
    n: i64,
    signal: String,
    by: String,
    at: i64,
    reason: Option<String>,
    mac: Vec<u8>,
}

impl SignalRow {
    fn code(&self, codes: &Authenticator) -> Mac {
        let Self { run_id, n, signal, by, at, reason, .. } = self;
        let cells =
            [run_id.into(), (*n).into(), signal.into(), by.into(), (*at).into(), reason.as_ref().into()];
        codes.mac("signals", &cells)
    }

    /// Makes sure that the row is as it was written.
    fn verified(self, codes: &Authenticator) -> Result<Self, JournalError> {
        if self.code(codes).as_slice() == self.mac {
            Ok(self)
        } else {
            Err(altered("signals", format!("signal {} of run {}", self.n, self.run_id)))
        }
    }

    fn into_sent(self) -> Result<Sent, JournalError> {
        let column = |name| Column("signals", name);
        Ok(Sent {
            n: column("n").number(self.n)?,
            signal: column("signal").parse(&self.signal)?,
            by: self.by,
            at: column("at").time(self.at)?,
            reason: self.reason,
        })
    }
}

impl Journal {
    /// Leaves a signal for a run, and returns its number. The process that drives the run takes it up within a second or two.
    pub async fn send(
        &self,
        run: RunId,
        signal: Signal,
        by: &Holder,
        reason: Option<&str>,
    ) -> Result<u32, JournalError> {
        let inner = &self.0;
        let codes = &inner.unlocked()?.rows;
        let patience = inner.patience();
        let mut connection = inner.writing(&patience).await;
        let mut tx = begin!(&inner.path, connection, patience);
        let run_id = run.to_string();
        let last = sqlx::query_scalar!(
            r#"SELECT coalesce(max(n), 0) AS "n!: i64" FROM signals WHERE run_id = ?1"#,
            run_id
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| inner.failed(error))?;
        let row = SignalRow {
            run_id,
            n: last + 1,
            signal: signal.as_str().to_owned(),
            by: by.person(),
            at: millis(inner.clock.now()),
            reason: reason.map(ToOwned::to_owned),
            mac: Vec::new(),
        };
        let mac = row.code(codes);
        let mac = mac.as_slice();
        sqlx::query!(
            "INSERT INTO signals (run_id, n, signal, by, at, reason, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            row.run_id,
            row.n,
            row.signal,
            row.by,
            row.at,
            row.reason,
            mac
        )
        .execute(&mut *tx)
        .await
        .map_err(|error| inner.failed(error))?;
        tx.commit().await.map_err(|error| inner.failed(error))?;
        wal::settle(inner, &mut connection).await;
        Ok(row.into_sent()?.n)
    }

    /// What the process that drives a run has said of a signal; `None` if it has said nothing yet.
    pub async fn answer_to(&self, run: RunId, n: u32) -> Result<Option<EventKind>, JournalError> {
        let events = self.events_after(run, 0).await?;
        let is_the_answer = |kind: &EventKind| matches!(kind, EventKind::Signalled { n: of, .. } if *of == n);
        Ok(events.into_iter().map(|event| event.kind).find(is_the_answer))
    }
}

impl LeaseGuard {
    /// The signals after number `n` that were left for the run, in order.
    pub(crate) async fn signals_after(&self, n: u32) -> Result<Vec<Sent>, JournalError> {
        let inner = self.inner();
        let rows = rows_after(inner, &mut *inner.connection().await, &self.run.to_string(), n).await?;
        rows.into_iter().map(SignalRow::into_sent).collect()
    }

    /// The number of the last signal that a process has answered; 0 if there is none. It reads every event of the run.
    pub(crate) async fn last_answered(&self) -> Result<u32, JournalError> {
        let inner = self.inner();
        let mut connection = inner.connection().await;
        let run = self.run.to_string();
        let last = sqlx::query_scalar!(
            r#"SELECT max(json_extract(kind, '$.signalled.n')) AS "n: i64" FROM events WHERE run_id = ?1"#,
            run
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| inner.failed(error))?;
        Column("events", "kind").number(last.unwrap_or(0))
    }
}

impl Lease {
    /// Commits what became of a signal.
    pub(crate) async fn answer(
        &self,
        sent: &Sent,
        refused: Option<String>,
    ) -> Result<Vec<Event>, WriteError> {
        let Sent { n, signal, by, reason, .. } = sent.clone();
        self.write([EventKind::Signalled { n, signal, reason, by, refused }]).await
    }
}

/// The signals of a run after number `n`, in order, as they were written.
async fn rows_after(
    inner: &Inner,
    connection: &mut SqliteConnection,
    run: &str,
    n: u32,
) -> Result<Vec<SignalRow>, JournalError> {
    let codes = &inner.unlocked()?.rows;
    let rows = sqlx::query_as!(
        SignalRow,
        "SELECT run_id, n, signal, by, at, reason, mac FROM signals WHERE run_id = ?1 AND n > ?2 ORDER BY n",
        run,
        n
    )
    .fetch_all(connection)
    .await
    .map_err(|error| inner.failed(error))?;
    rows.into_iter().map(|row| row.verified(codes)).collect()
}

/// Gives the signals of a run codes of another key.
pub(super) async fn attest_anew(
    inner: &Inner,
    tx: &mut SqliteConnection,
    run: &str,
    new: &Authenticator,
) -> Result<(), JournalError> {
    for row in rows_after(inner, tx, run, 0).await? {
        let mac = row.code(new);
        let mac = mac.as_slice();
        sqlx::query!("UPDATE signals SET mac = ?1 WHERE run_id = ?2 AND n = ?3", mac, row.run_id, row.n)
            .execute(&mut *tx)
            .await
            .map_err(|error| inner.failed(error))?;
    }
    Ok(())
}
