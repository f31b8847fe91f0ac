//! Translates SQLite's errors into what the user can do about them.

use std::path::Path;
use std::time::Duration;

use super::error::JournalError;

/// How long SQLite waits for another process's write. Ours take milliseconds; `patience` does the longer waits.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Translates an error of SQLite for the user.
pub(super) fn of_sqlx(path: &Path, source: sqlx::Error) -> JournalError {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const READ_ONLY: u32 = 8;
    const CORRUPT: u32 = 11;
    const FULL: u32 = 13;
    const CANNOT_OPEN: u32 = 14;
    const NOT_A_DATABASE: u32 = 26;
    // The low byte of an extended code is the primary one (sqlite.org/rescode.html).
    let code = source
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff);
    let path = path.to_owned();
    match code {
        Some(BUSY | LOCKED) => JournalError::Locked { path },
        Some(READ_ONLY | CANNOT_OPEN) => JournalError::ReadOnly { path },
        Some(FULL) => JournalError::Full { path },
        Some(CORRUPT) => JournalError::Damaged { path, detail: source.to_string() },
        Some(NOT_A_DATABASE) => JournalError::NotOurs { path },
        Some(_) | None => JournalError::Sqlite { path, source },
    }
}
