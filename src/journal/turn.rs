//! Whose turn it is to write: of many processes that write one journal, the one that has waited longest.
//!
//! SQLite lets a writer that finds the file locked sleep and ask again, up to a tenth of a second later, and whoever asks
//! at the right moment is next: of a hundred processes some wait for seconds. The kernel keeps those that wait for a lock
//! in a queue; it is the one on the folder of the lock files. Nothing depends on this lock but the order: SQLite's own decides, also about other programs.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use sqlx::SqliteConnection;
use tokio::sync::MutexGuard;

use super::handle::Inner;
use super::lock::lock_folder;
use super::patience::Patience;

/// The connection of a process whose turn it is.
pub(super) struct Writing<'w> {
    connection: MutexGuard<'w, SqliteConnection>,
    _turn: Option<Turn>,
}

impl Deref for Writing<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// The lock on the folder. The kernel frees it when the folder is closed.
struct Turn(#[expect(dead_code, reason = "it is there to be closed")] File);

impl Turn {
    /// Takes the turn if nobody has it.
    fn now(journal: &Path) -> io::Result<Option<Self>> {
        let file = File::open(lock_folder(journal))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits in the queue. It blocks its thread.
    fn queued(journal: &Path) -> io::Result<Self> {
        let file = File::open(lock_folder(journal))?;
        file.lock()?;
        Ok(Self(file))
    }

    /// Waits for the turn for as long as there is patience.
    async fn wait(inner: &Inner, patience: &Patience) -> io::Result<Option<Self>> {
        if let Some(turn) = Self::now(&inner.path)? {
            return Ok(Some(turn));
        }
        let path = inner.path.clone();
        let queued = inner.heart.handle()?.spawn_blocking(move || Self::queued(&path));
        tokio::select! {
            // A thread that nobody waits for any more takes its turn and ends it at once.
            turn = queued => turn.map_err(io::Error::other)?.map(Some),
            () = inner.clock.sleep(patience.left()) => Ok(None),
        }
    }
}

impl Inner {
    /// The connection, once it is this process's turn to write, or once there is no patience left to wait for it.
    pub(super) async fn writing(&self, patience: &Patience) -> Writing<'_> {
        let connection = self.connection().await;
        let turn = Turn::wait(self, patience).await;
        if let Err(error) = &turn {
            tracing::info!(%error, "the writers of the journal cannot queue");
        }
        Writing { connection, _turn: turn.ok().flatten() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_had_once_and_those_that_wait_get_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("journal.db");
        std::fs::create_dir(lock_folder(&journal)).expect("created");
        let turn = Turn::now(&journal).expect("asked").expect("nobody has it");
        assert!(Turn::now(&journal).expect("asked").is_none());
        std::thread::scope(|scope| {
            let queued = scope.spawn(|| Turn::queued(&journal).expect("its turn"));
            drop(turn);
            let theirs = queued.join().expect("it ends");
            assert!(Turn::now(&journal).expect("asked").is_none());
            drop(theirs);
        });
        assert!(Turn::now(&journal).expect("asked").is_some());
    }
}
