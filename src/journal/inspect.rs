//! Looks for damage in the journal's file, beside everything else, and always before this process changes anything.
//!
//! Reading a whole file takes seconds once it holds the runs of years. So that is done only when something else may have
//! written the file since this program did, or when the machine was started again; and for the latter at most once a
//! day. How this program left the file stands in a note beside it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::OnceCell;

use super::error::JournalError;
use super::lock::{boot_id, opened};
use super::row::text;
use super::sqlite::{BUSY_TIMEOUT, of_sqlx};
use crate::clock::Clock;
use crate::run::Timestamp;

/// After a start of the machine, the file is inspected once in so many hours at most.
const HOURS_BETWEEN: i64 = 24;

/// The note of how this program left the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The boot in which the file was inspected.
    boot_id: String,
    inspected_at: Timestamp,
    file: Shape,
}

/// What changes when a file is written, or another one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Shape {
    fn of(journal: &Path) -> io::Result<Self> {
        let found = fs::metadata(journal)?;
        Ok(Self {
            inode: found.ino(),
            size: found.size(),
            seconds: found.mtime(),
            nanoseconds: found.mtime_nsec(),
        })
    }
}

/// Whether the file is still to be inspected by this process.
#[derive(Debug)]
pub(super) struct Inspection {
    /// When, and in which boot, the file was last inspected. `None` while an inspection is due.
    last: Mutex<Option<(String, Timestamp)>>,
    verdict: OnceCell<String>,
    is_begun: AtomicBool,
}

impl Inspection {
    /// Whether an inspection is due, from what is found before the file is opened.
    pub(super) fn of(journal: &Path, now: Timestamp) -> Self {
        let note = fs::read(note_file(journal)).ok();
        let note: Option<Note> = note.and_then(|note| serde_json::from_slice(&note).ok());
        let last = match (note, Shape::of(journal)) {
            // A file that is about to be created.
            (_, Ok(Shape { size: 0, .. })) => Some((boot_id(), now)),
            (Some(note), Ok(shape)) if !is_due(&note, shape, &boot_id(), now) => {
                Some((note.boot_id, note.inspected_at))
            }
            (_, Ok(_) | Err(_)) => None,
        };
        Self { last: Mutex::new(last), verdict: OnceCell::new(), is_begun: AtomicBool::new(false) }
    }

    // A std mutex suffices, because it is never held across an await.
    fn last(&self) -> MutexGuard<'_, Option<(String, Timestamp)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the file is still to be inspected.
    fn is_due(&self) -> bool {
        self.last().is_none()
    }

    /// Whether the caller is to begin the inspection.
    pub(super) fn is_to_begin(&self) -> bool {
        self.is_due() && !self.is_begun.swap(true, Ordering::Relaxed)
    }

    /// Makes sure that the file is sound, if that is still to be found out.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] with what SQLite finds.
    pub(super) async fn finish(&self, journal: &Path, clock: Clock) -> Result<(), JournalError> {
        const SOUND: &str = "ok";
        if !self.is_due() {
            return Ok(());
        }
        let verdict = self.verdict.get_or_try_init(|| quick_check(journal)).await?;
        if verdict != SOUND {
            return Err(JournalError::Damaged { path: journal.to_owned(), detail: verdict.clone() });
        }
        *self.last() = Some((boot_id(), clock.now()));
        Ok(())
    }

    /// Notes how this process leaves the file, unless it is still to be inspected.
    pub(super) fn note(&self, journal: &Path) {
        let Some((boot_id, inspected_at)) = self.last().clone() else { return };
        let noted = Shape::of(journal).and_then(|file| {
            let note = text(&Note { boot_id, inspected_at, file });
            let mut beside = opened(&note_file(journal), true)?;
            beside.set_len(0)?;
            beside.write_all(note.as_bytes())
        });
        if let Err(error) = noted {
            tracing::info!(%error, "how the journal was left is not noted; its file will be inspected");
        }
    }
}

fn is_due(note: &Note, shape: Shape, boot_id: &str, now: Timestamp) -> bool {
    let is_another_day = now - note.inspected_at >= TimeDelta::hours(HOURS_BETWEEN);
    shape != note.file || (boot_id != note.boot_id && is_another_day)
}

fn note_file(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".left");
    name.into()
}

/// What SQLite says of the file after reading all of it, on a connection of its own: `ok`, or the first damage.
async fn quick_check(path: &Path) -> Result<String, JournalError> {
    let failed = |source| of_sqlx(path, source);
    let mut connection = SqliteConnectOptions::from_str("sqlite:")
        .expect("the scheme alone is a valid address")
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    let verdict = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
    connection.close().await.map_err(failed)?;
    verdict.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_inspected_when_it_was_written_or_once_a_day_after_a_start_of_the_machine() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(9);
        let shape = Shape { inode: 1, size: 4096, seconds: 7, nanoseconds: 8 };
        let note = |hours| Note {
            boot_id: "one".to_owned(),
            inspected_at: now - TimeDelta::hours(hours),
            file: shape,
        };
        assert!(!is_due(&note(1_000), shape, "one", now), "it is as it was left");
        assert!(!is_due(&note(23), shape, "two", now), "it was inspected today");
        assert!(is_due(&note(24), shape, "two", now));
        for written in [
            Shape { inode: 2, ..shape },
            Shape { size: 8192, ..shape },
            Shape { seconds: 8, ..shape },
            Shape { nanoseconds: 9, ..shape },
        ] {
            assert!(is_due(&note(0), written, "one", now), "{written:?}");
        }
    }
}
