//! The write-ahead log beside the file: when it is written into the file, and how a file without its log is recognised.
//!
//! The invariant: while a run is advanced, the file alone never passes for the whole journal. Before a run is taken,
//! this is announced in the file itself. The next commit, which is in the log alone, confirms it. A file that announces
//! more than it confirms was copied without its log. When nobody advances a run any more, the log is written into the
//! file.
//!
//! Nothing here is an error of the run: a log that cannot be written into the file now stays beside it, where it is as
//! safe. SQLite writes it by itself when the last process closes the file (sqlite.org/wal.html).

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{Row as _, SqliteConnection};

use super::error::JournalError;
use super::handle::Inner;
use super::held::Hold;
use super::row::Column;
use super::sqlite::of_sqlx;
use crate::clock::Clock;

/// After this many commits of one process, the log is written into the file, so that it does not grow for ever.
const COMMITS_BETWEEN: u32 = 200;

const ANNOUNCEMENTS_MOST: u32 = 3;

/// The log of a journal.
pub(super) fn log_file(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Whether the file had a log before it was opened. Opening creates one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    is_there: bool,
}

impl Found {
    pub(super) fn beside(journal: &Path) -> Self {
        Self { is_there: log_file(journal).exists() }
    }

    /// Makes sure that the file has the log that it announces.
    ///
    /// # Errors
    /// [`JournalError::WithoutLog`] when there is no log, or when SQLite reads nothing from it because it belongs to
    /// another file.
    pub(super) async fn check(
        self,
        connection: &mut SqliteConnection,
        path: &Path,
        clock: Clock,
    ) -> Result<(), JournalError> {
        /// More than one look, because a live process may be emptying or restarting the log right now.
        const LOOKS: u32 = 10;
        const BETWEEN: Duration = Duration::from_millis(50);
        let failed = |error| of_sqlx(path, error);
        for _ in 0..LOOKS {
            if !is_announced(connection).await.map_err(failed)? {
                return Ok(());
            }
            if self.is_there && is_its_own(connection, path).await.map_err(failed)? {
                // A process was killed in between, or is alive. Nothing is missing, and the file must not seem
                // incomplete once it is closed.
                confirm(connection).await;
                return Ok(());
            }
            if !self.is_there {
                break;
            }
            clock.sleep(BETWEEN).await;
        }
        Err(JournalError::WithoutLog { path: path.to_owned(), log: log_file(path) })
    }
}

/// Whether SQLite reads anything from the log. The log is also empty right before the commit that is announced. While
/// another process works on the log, SQLite does not say; but no process works on the log of another file.
async fn is_its_own(connection: &mut SqliteConnection, path: &Path) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?;
    let (is_busy, n_frames): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(is_busy != 0 || n_frames != 0 || beginning(&log_file(path)).is_ok_and(|log| is_torn(&log)))
}

/// The header of a log, as far as it is there.
const HEADER: usize = 32;

fn beginning(log: &Path) -> io::Result<Vec<u8>> {
    let mut beginning = Vec::with_capacity(HEADER);
    fs::File::open(log)?.take(HEADER as u64).read_to_end(&mut beginning)?;
    Ok(beginning)
}

/// Whether a log in which SQLite finds no commit is one whose first commit was not written to its end, as when the process
/// died in the middle. The header of such a log is whole, or is not there to its end. That of a log that belongs to
/// another file is not (sqlite.org/fileformat2.html, 4.1 and 4.2).
fn is_torn(log: &[u8]) -> bool {
    const SUMMED: usize = 24;
    const MAGIC: u32 = 0x377f_0682;
    let Some(header) = log.get(..HEADER) else { return true };
    let big = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let word = |at: usize| if big(0) == MAGIC { big(at).swap_bytes() } else { big(at) };
    let (mut one, mut other) = (0_u32, 0_u32);
    for at in (0..SUMMED).step_by(8) {
        one = one.wrapping_add(word(at)).wrapping_add(other);
        other = other.wrapping_add(word(at + 4)).wrapping_add(one);
    }
    big(0) & !1 == MAGIC && (one, other) == (big(SUMMED), big(SUMMED + 4))
}

/// An announcement that is not confirmed yet. If it is dropped before that, because a caller does not wait for the
/// taking, the connection stays open until the process ends: the last connection to close deletes the log, and the file
/// would announce commits that are nowhere. A process that ends leaves the log behind, as a killed process does.
#[must_use = "what is announced is to be confirmed"]
pub(super) struct Announcement(Option<Arc<Inner>>);

impl Announcement {
    /// Ends an announcement that a commit, or [`settle`], has confirmed.
    pub(super) fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        std::mem::forget(self.0.take());
    }
}

/// Announces, before a run is taken, that the log will hold commits that the file does not.
pub(super) async fn announce(inner: &Arc<Inner>, connection: &mut SqliteConnection) -> Announcement {
    let announcement = Announcement(Some(Arc::clone(inner)));
    inner.has_announced.store(true, Ordering::Relaxed);
    // Another process may confirm it before it is in the file.
    for _ in 0..ANNOUNCEMENTS_MOST {
        let announced =
            sqlx::query!("UPDATE wal_mark SET announced = announced + 1 WHERE announced = confirmed")
                .execute(&mut *connection)
                .await;
        if let Err(error) = announced {
            tracing::info!(%error, "the log is not announced");
            break;
        }
        checkpoint(inner, connection).await;
        if matches!(is_announced(connection).await, Ok(true)) {
            break;
        }
    }
    announcement
}

async fn is_announced(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM wal_mark WHERE announced > confirmed) AS "is_announced!: bool""#
    )
    .fetch_one(connection)
    .await
}

/// Counts a commit that is about to be made, and keeps the log short.
pub(super) async fn count_commit(
    inner: &Arc<Inner>,
    connection: &mut SqliteConnection,
) -> Option<Announcement> {
    let is_due = inner.n_commits.fetch_add(1, Ordering::Relaxed) % COMMITS_BETWEEN == COMMITS_BETWEEN - 1;
    if is_due { Some(announce(inner, connection).await) } else { None }
}

/// Confirms the announcement, as a part of a commit.
pub(super) async fn confirm_within(tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE wal_mark SET confirmed = announced WHERE confirmed < announced")
        .execute(tx)
        .await
        .map(drop)
}

/// Confirms the announcement without a commit. Returns whether that succeeded.
async fn confirm(connection: &mut SqliteConnection) -> bool {
    confirm_within(connection)
        .await
        .inspect_err(|error| tracing::info!(%error, "the log is not confirmed"))
        .is_ok()
}

/// Writes the log into the file if nobody advances a run. While somebody does, the file would seem to be complete
/// without its log. Returns whether nothing is announced any more.
pub(super) async fn settle(inner: &Inner, connection: &mut SqliteConnection) -> bool {
    let is_confirmed = confirm(connection).await;
    match is_at_rest(inner, connection).await {
        Ok(true) => checkpoint(inner, connection).await,
        Ok(false) => {}
        Err(error) => tracing::info!(%error, "the log stays beside the file"),
    }
    is_confirmed
}

async fn is_at_rest(inner: &Inner, connection: &mut SqliteConnection) -> Result<bool, JournalError> {
    let leased = sqlx::query!("SELECT id, holder, lease_until FROM runs WHERE holder IS NOT NULL")
        .fetch_all(connection)
        .await
        .map_err(|error| inner.failed(error))?;
    for row in leased {
        let run = Column("runs", "id").parse(&row.id)?;
        let hold = Hold::read(row.holder.as_deref(), row.lease_until)?;
        if hold.is_some_and(|hold| hold.is_alive(inner, run)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes as much of the log as other processes do not need, or all of it if there are none. Does not wait for anybody.
async fn checkpoint(inner: &Inner, connection: &mut SqliteConnection) {
    let without_waiting = async {
        sqlx::query("PRAGMA busy_timeout = 0").execute(&mut *connection).await?;
        let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await;
        let wait =
            sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {}", super::sqlite::BUSY_TIMEOUT.as_millis()));
        sqlx::query(wait).execute(&mut *connection).await?;
        done
    };
    if let Err(error) = without_waiting.await {
        tracing::info!(%error, "the log stays beside the file");
    }
    inner.inspection.note(&inner.path);
}

#[cfg(test)]
mod tests {
    use super::announce;
    use crate::clock::Clock;
    use crate::journal::{Journal, KeySource};

    #[tokio::test]
    async fn a_taking_that_nobody_waits_for_leaves_a_journal_that_is_whole() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("journal.db");
        // A thread of its own closes the connection at some later time.
        for _ in 0..20 {
            let journal = Journal::open(&path, KeySource::default(), Clock::system()).await.expect("whole");
            let announcement = announce(&journal.0, &mut *journal.0.connection.lock().await).await;
            drop(announcement);
        }
    }
}
