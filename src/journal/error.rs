//! What can go wrong with the journal, each in the words of what to do about it.

use std::io;
use std::path::PathBuf;

use super::seal::SealError;
use crate::run::{Direction, Failure, Holder, IllegalTransition, Keep, RunId, RunState, Target, Timestamp};

/// The journal cannot be read or written: this program's own trouble, exit 1.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or the file cannot be made or opened.
    #[error("cannot open the journal {}", path.display())]
    Open {
        /// The journal.
        path: PathBuf,
        /// Why.
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
    /// The file is somebody else's database, or no database.
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
        /// What `quick_check` or SQLite said.
        detail: String,
    },
    /// It was copied, or put back, without the log in which its last commits are.
    #[error(
        "the journal {} is not whole: a run went on in {}, which is missing beside it or is another file's",
        path.display(),
        log.display()
    )]
    WithoutLog {
        /// The journal.
        path: PathBuf,
        /// Its log.
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
    /// The file or its folder may not be written.
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
        /// What it is instead.
        found: String,
    },
    /// Any other refusal of SQLite's.
    #[error("SQLite failed on the journal {}", path.display())]
    Sqlite {
        /// The journal.
        path: PathBuf,
        /// What it said.
        source: sqlx::Error,
    },
    /// A row holds something that this program never wrote.
    #[error("the journal holds an unreadable {table}.{column}: {detail}")]
    Decode {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with the value.
        detail: String,
    },
    /// A row is not as this program wrote it last.
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
    /// Another process took the run over: this one must stop at once.
    #[error("another process took over this run")]
    LeaseLost {
        /// Who, when it still holds it.
        to: Option<Holder>,
    },
    /// Another run that is not over holds what this one is to hold.
    #[error("{} is held by run {} ({})", .0.target, .0.run, .0.state)]
    TargetHeld(TargetHeld),
    /// A defect of ours: the event may not happen in this state.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The journal itself failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why a target cannot be held: another run that is not over holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHeld {
    /// What is held.
    pub target: Target,
    /// Who holds it.
    pub run: RunId,
    /// Where that run stands.
    pub state: RunState,
}

/// Why a run could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An earlier run of the same target is not over.
    #[error("{} is held by run {} ({})", .0.target, .0.run, .0.state)]
    TargetHeld(TargetHeld),
    /// What the workflow is given cannot be stored and read again.
    #[error("{0}")]
    Unfit(Failure),
    /// The journal failed.
    #[error(transparent)]
    Write(WriteError),
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

/// Why a run could not be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// A live process advances it.
    #[error("run {run} is being advanced by {by}")]
    Held {
        /// The run.
        run: RunId,
        /// Who advances it.
        by: Holder,
        /// Until when, unless it renews.
        until: Timestamp,
    },
    /// It was to be taken from a process that is alive on this machine.
    #[error(
        "run {run} is being advanced by {by}, which is alive on this machine: --force-lease is for a process that is gone"
    )]
    Alive {
        /// The run.
        run: RunId,
        /// Who advances it.
        by: Holder,
    },
    /// A process of this machine has let it go, but is not at the end of a change that cannot be broken off.
    #[error("a process of this machine is not at the end of a change of run {run} yet")]
    Busy {
        /// The run.
        run: RunId,
        /// The file whose lock it holds.
        lock: PathBuf,
    },
    /// Its target has been taken by another run since.
    #[error("{} is held by run {} ({})", .0.target, .0.run, .0.state)]
    TargetHeld(TargetHeld),
    /// A later run replaced what this one made: going back past it would leave two versions serving.
    #[error("run {run} is superseded by run {by}, which came later and replaced its instance")]
    Superseded {
        /// The run.
        run: RunId,
        /// The later run.
        by: RunId,
        /// Where the later run stands.
        state: RunState,
    },
    /// A person is ending it, or has ended it, for one of its sides.
    #[error("run {run} was abandoned, to keep its {} side, and is {state}", keep.as_str())]
    Abandoned {
        /// The run.
        run: RunId,
        /// The side that is kept.
        keep: Keep,
        /// Where it stands.
        state: RunState,
    },
    /// It is to be tried again, and has not stopped at a step on its way forwards.
    #[error("run {run} is {state}: no step of it has failed that could be tried again")]
    NothingToRetry {
        /// The run.
        run: RunId,
        /// Where it stands.
        state: RunState,
        /// Which way it goes.
        direction: Direction,
    },
    /// There is nothing to do for this run in this direction.
    #[error("run {run} is {state}")]
    Over {
        /// The run.
        run: RunId,
        /// Where it stands.
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

/// Why a person's word about a step was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The run has no such step.
    #[error("run {run} has no step {step}")]
    NoSuchStep {
        /// The run.
        run: RunId,
        /// What was asked for.
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
