//! Looks for damage in the journal's file, beside everything else, and always before this process changes anything.
//!
//! Reading a whole file takes seconds once it holds the runs of years. So that is done only when something else may have
//! written the file since this program did, or when the machine was started again; and for the latter at most once a
//! day. How this program left the file stands in a note beside it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::error::JournalError;
use super::handle::Inner;
use super::held::boot_id;
use super::lock::lock_folder;
use super::open;
use super::row::text;
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
    last: std::sync::Mutex<Option<(String, Timestamp)>>,
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
        Self { last: std::sync::Mutex::new(last), verdict: OnceCell::new(), is_begun: AtomicBool::new(false) }
    }

    // A std mutex suffices, because it is never held across an await.
    fn last(&self) -> std::sync::MutexGuard<'_, Option<(String, Timestamp)>> {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes how this process leaves the file, unless it is still to be inspected.
    pub(super) fn note(&self, journal: &Path) {
        let Some((boot_id, inspected_at)) = self.last().clone() else { return };
        let noted = Shape::of(journal)
            .and_then(|file| fs::write(note_file(journal), text(&Note { boot_id, inspected_at, file })));
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
    lock_folder(journal).join("left")
}

impl Inner {
    /// Makes sure that the file is sound, if that is still to be found out.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] with what SQLite finds.
    pub(super) async fn inspected(&self) -> Result<(), JournalError> {
        const SOUND: &str = "ok";
        if self.inspection.last().is_some() {
            return Ok(());
        }
        let inspect = || open::quick_check(&self.path);
        let verdict = self.inspection.verdict.get_or_try_init(inspect).await?;
        if verdict != SOUND {
            return Err(JournalError::Damaged { path: self.path.clone(), detail: verdict.clone() });
        }
        *self.inspection.last() = Some((boot_id(), self.clock.now()));
        Ok(())
    }

    /// Begins the inspection, if one is due, on a thread that nothing else waits for.
    pub(super) fn inspect_beside(self: &Arc<Self>) {
        if self.inspection.last().is_some() || self.inspection.is_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let inner = Arc::clone(self);
        let begun = self.heart.handle().map(|handle| {
            handle.spawn(async move {
                // Whoever wants to change something asks again, and hears of it.
                if let Err(error) = inner.inspected().await {
                    tracing::warn!(%error, "the journal was inspected");
                }
            })
        });
        if let Err(error) = begun {
            tracing::info!(%error, "the journal is inspected before the next change");
        }
    }
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
