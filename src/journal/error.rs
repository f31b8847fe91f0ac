//! The errors of the journal. Each says what the user can do about it.

use std::io;
use std::path::PathBuf;

use super::seal::SealError;
use crate::run::{Direction, Failure, Holder, IllegalTransition, Keep, RunId, RunState, Target, Timestamp};

/// The journal cannot be read or written. The trouble is on this machine: exit 1.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or the file cannot be created or opened.
    #[error("cannot open the journal {}", path.display())]
    Open {
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// SQLite on a network file system loses locks and commits (sqlite.org/wal.html).
    #[error("the journal {} lies on a network file system ({kind}), where SQLite cannot keep it safe", path.display())]
    NetworkFileSystem {
        /// The journal.
        path: PathBuf,
        /// The file system's name.
        kind: &'static str,
    },
    /// The file is another program's database, or no database.
    #[error("{} is not a journal of this program", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version of this program.
    #[error("the journal {} was written by a newer version (schema {found}, this one knows {known})", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The file's schema version.
        found: i64,
        /// The newest schema version that this binary knows.
        known: i64,
    },
    /// The file is damaged.
    #[error("the journal {} is damaged: {detail}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The message of `quick_check` or of SQLite.
        detail: String,
    },
    /// The journal was copied, or put back, without the log that holds its last commits.
    #[error(
        "the journal {} is not whole: a run went on in {}, which is missing beside it or is another file's",
        path.display(),
        log.display()
    )]
    WithoutLog {
        /// The journal.
        path: PathBuf,
        /// The journal's log.
        log: PathBuf,
    },
    /// There is no room to write.
    #[error("the disk that holds the journal {} is full", path.display())]
    Full {
        /// The journal.
        path: PathBuf,
    },
    /// Another process keeps the file locked.
    #[error("the journal {} is locked by another process", path.display())]
    Locked {
        /// The journal.
        path: PathBuf,
    },
    /// The file or its folder is not writable.
    #[error("the journal {} cannot be written: it is read-only for this user", path.display())]
    ReadOnly {
        /// The journal.
        path: PathBuf,
    },
    /// A setting did not take effect.
    #[error("SQLite ignored `PRAGMA {pragma}` on the journal: it is {found}")]
    Pragma {
        /// The setting.
        pragma: &'static str,
        /// The value that it has instead.
        found: String,
    },
    /// Any other error of SQLite.
    #[error("SQLite failed on the journal {}", path.display())]
    Sqlite {
        /// The journal.
        path: PathBuf,
        /// The error.
        source: sqlx::Error,
    },
    /// A row holds a value that this program never wrote.
    #[error("the journal holds an unreadable {table}.{column}: {detail}")]
    Decode {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with the value.
        detail: String,
    },
    /// A row is not as this program last wrote it.
    #[error("the journal was changed by something else than this program: table {table}, {place}")]
    Altered {
        /// The table.
        table: &'static str,
        /// The row, or what is missing.
        place: String,
    },
    /// There is no such run.
    #[error("the journal holds no run {0}")]
    NoSuchRun(RunId),
    /// A value could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Why a write of a run was refused.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another process took over the run. This process must stop at once.
    #[error("another process took over this run")]
    LeaseLost {
        /// The process that took it over, if it still holds it.
        to: Option<Holder>,
    },
    /// Another run holds a target that this run asks for, and is not over.
    #[error("{} is held by run {} ({})", .0.target, .0.run, .0.state)]
    TargetHeld(TargetHeld),
    /// A defect of this program: the event is illegal in this state.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The journal itself failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why a target cannot be held: another run holds it and is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHeld {
    /// The target.
    pub target: Target,
    /// The run that holds it.
    pub run: RunId,
    /// The state of that run.
    pub state: RunState,
}

/// Why a run could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An earlier run holds the target and is not over.
    #[error("{} is held by run {} ({})", .0.target, .0.run, .0.state)]
    TargetHeld(TargetHeld),
    /// The workflow's input cannot be stored and read back.
    #[error("{0}")]
    Unfit(Failure),
    /// The journal failed.
    #[error(transparent)]
    Write(WriteError),
}

#[cfg(test)]
impl JournalError {
    /// An error that SQLite has no number for, for tests outside of this room, where no SQL is.
    pub(crate) fn of_sqlite(path: PathBuf, said: &str) -> Self {
        Self::Sqlite { path, source: sqlx::Error::Protocol(said.to_owned()) }
    }
}

impl From<WriteError> for StartError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TargetHeld(held) => Self::TargetHeld(held),
            error @ (WriteError::LeaseLost { .. } | WriteError::Illegal(_) | WriteError::Journal(_)) => {
                Self::Write(error)
            }
        }
    }
}

impl From<JournalError> for StartError {
    fn from(error: JournalError) -> Self {
        Self::Write(error.into())
    }
}

/// Why a run could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// A live process advances the run.
    #[error("run {run} is being advanced by {by}")]
    Held {
        /// The run.
        run: RunId,
        /// The process that advances it.
        by: Holder,
        /// When its lease ends, unless it renews the lease.
        until: Timestamp,
    },
    /// The lease was to be taken from a process that is alive on this machine.
    #[error(
        "run {run} is being advanced by {by}, which is alive on this machine: --force-lease is for a process that is gone"
    )]
    Alive {
        /// The run.
        run: RunId,
        /// The process that advances it.
        by: Holder,
    },
    /// A process of this machine has released the run, but still carries out a change that cannot be cancelled.
    #[error("a process of this machine is not at the end of a change of run {run} yet")]
    Busy {
        /// The run.
        run: RunId,
        /// The file whose lock that process holds.
        lock: PathBuf,
    },
    /// Another run has taken the target since.
    #[error("{} is held by run {} ({})", .0.target, .0.run, .0.state)]
    TargetHeld(TargetHeld),
    /// A later run replaced what this one created. Going back past it would leave two versions serving.
    #[error("run {run} is superseded by run {by}, which came later and replaced its instance")]
    Superseded {
        /// The run.
        run: RunId,
        /// The later run.
        by: RunId,
        /// The state of the later run.
        state: RunState,
    },
    /// A person is ending the run, or has ended it, for one of its sides.
    #[error("run {run} was abandoned, to keep its {} side, and is {state}", keep.as_str())]
    Abandoned {
        /// The run.
        run: RunId,
        /// The side that is kept.
        keep: Keep,
        /// The state of the run.
        state: RunState,
    },
    /// The run was to be retried, but did not stop at a step on its way forwards.
    #[error("run {run} is {state}: no step of it has failed that could be tried again")]
    NothingToRetry {
        /// The run.
        run: RunId,
        /// The state of the run.
        state: RunState,
        /// The direction in which it goes.
        direction: Direction,
    },
    /// Nothing is left to do for this run in this direction.
    #[error("run {run} is {state}")]
    Over {
        /// The run.
        run: RunId,
        /// The state of the run.
        state: RunState,
    },
    /// The journal failed.
    #[error(transparent)]
    Write(WriteError),
}

impl From<WriteError> for TakeError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TargetHeld(held) => Self::TargetHeld(held),
            error @ (WriteError::LeaseLost { .. } | WriteError::Illegal(_) | WriteError::Journal(_)) => {
                Self::Write(error)
            }
        }
    }
}

impl From<JournalError> for TakeError {
    fn from(error: JournalError) -> Self {
        Self::Write(error.into())
    }
}

/// Why a person's statement about a step was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The run has no such step.
    #[error("run {run} has no step {step}")]
    NoSuchStep {
        /// The run.
        run: RunId,
        /// The step that was asked for.
        step: String,
    },
    /// The step is not stuck.
    #[error("step {step} of run {run} is not stuck: there is nothing to resolve")]
    NotStuck {
        /// The run.
        run: RunId,
        /// The step's number and name.
        step: String,
    },
    /// The run cannot be taken, or the journal failed.
    #[error(transparent)]
    Take(#[from] TakeError),
}

impl From<WriteError> for ResolveError {
    fn from(error: WriteError) -> Self {
        Self::Take(error.into())
    }
}
