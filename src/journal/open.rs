//! Opens the journal's file: permissions, file system, settings, schema.
//!
//! The invariant: a connection leaves this file only after every setting was read back, because SQLite silently ignores
//! a misspelt pragma (docs/design/journal.md).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::error::JournalError;
use super::inspect::Inspection;
use super::lock::{self, Lock, lock_folder, opening_file};
use super::patience::Patience;
use super::sqlite::{BUSY_TIMEOUT, of_sqlx};
use super::wal;
use crate::clock::Clock;
use crate::file::{expect_regular, folder_of};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// "dply" in ASCII. It distinguishes our files from other databases.
const APPLICATION_ID: i64 = 0x6470_6c79;

/// A journal's file that was just opened.
pub(super) struct Opened {
    pub(super) connection: SqliteConnection,
    /// Dropping it lets the next process open the file.
    pub(super) lock: Lock,
    /// Whether the schema was created or migrated.
    pub(super) is_migrated: bool,
    pub(super) inspection: Inspection,
}

/// Opens the journal. Creates and migrates the file if needed.
pub(super) async fn open(path: &Path, clock: Clock) -> Result<Opened, JournalError> {
    prepare_file(path)?;
    // Without the lock, two first starts at once would both create the schema.
    let lock = lock_for_opening(path, clock).await?;
    if let Err(error) = lock::sweep(&lock_folder(path)) {
        tracing::info!(%error, "the lock files of killed processes stay");
    }
    let inspection = Inspection::of(path, clock.now());
    let mut patience = Patience::lasting(Patience::WITHOUT_A_LEASE, clock);
    loop {
        match open_under_lock(path, clock).await {
            Ok((connection, is_migrated)) => {
                return Ok(Opened { connection, lock, is_migrated, inspection });
            }
            Err(error) => patience.after(error).await?,
        }
    }
}

async fn open_under_lock(path: &Path, clock: Clock) -> Result<(SqliteConnection, bool), JournalError> {
    let log = wal::Found::beside(path);
    let mut connection = connect(path).await?;
    let checked = async {
        check_identity(&mut connection, path).await?;
        let is_migrated = migrate(&mut connection, path).await?;
        read_back(&mut connection).await?;
        log.check(&mut connection, path, clock).await?;
        Ok(is_migrated)
    }
    .await;
    match checked {
        Ok(is_migrated) => Ok((connection, is_migrated)),
        Err(error) => {
            // Closed, so that no empty log stays beside a file that had none.
            drop(connection.close().await);
            Err(error)
        }
    }
}

fn prepare_file(path: &Path) -> Result<(), JournalError> {
    let failed = |source| JournalError::Open { path: path.to_owned(), source };
    let folder = folder_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    refuse_network_file_system(folder, path)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        // The -wal and -shm files inherit the mode of the database.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::metadata(path).map_err(failed)?;
            expect_regular(&metadata).map_err(failed)?;
            if metadata.permissions().readonly() {
                return Err(JournalError::ReadOnly { path: path.to_owned() });
            }
        }
        Err(error) => return Err(of_io(path, error)),
    }
    DirBuilder::new().recursive(true).mode(0o700).create(lock_folder(path)).map_err(failed)
}

fn of_io(path: &Path, source: io::Error) -> JournalError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalError::Full { path },
        io::ErrorKind::ReadOnlyFilesystem => JournalError::ReadOnly { path },
        _ => JournalError::Open { path, source },
    }
}

/// The magic numbers of network file systems (`statfs(2)`).
#[cfg(target_os = "linux")]
const NETWORKED: [(u64, &str); 8] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
];

#[cfg(target_os = "linux")]
fn refuse_network_file_system(folder: &Path, path: &Path) -> Result<(), JournalError> {
    let found = rustix::fs::statfs(folder)
        .map_err(|error| JournalError::Open { path: path.to_owned(), source: error.into() })?;
    // The field's type differs between targets; the numbers fit in 32 bits.
    #[expect(clippy::cast_sign_loss, reason = "a magic number is a bit pattern, not a quantity")]
    let magic = found.f_type as u64 & 0xffff_ffff;
    match networked(magic) {
        Some(kind) => Err(JournalError::NetworkFileSystem { path: path.to_owned(), kind }),
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn networked(magic: u64) -> Option<&'static str> {
    NETWORKED.iter().find(|(networked, _)| *networked == magic).map(|(_, kind)| *kind)
}

#[cfg(not(target_os = "linux"))]
fn refuse_network_file_system(_folder: &Path, _path: &Path) -> Result<(), JournalError> {
    Ok(())
}

/// Takes the lock for opening, however long other processes hold it. Callers with a user in front of them say that they
/// wait.
pub(super) async fn lock_for_opening(path: &Path, clock: Clock) -> Result<Lock, JournalError> {
    /// The time between two tries. Opening takes milliseconds.
    const BETWEEN: Duration = Duration::from_millis(10);
    let file = opening_file(path);
    loop {
        match Lock::take(&file).map_err(|source| of_io(path, source))? {
            Some(lock) => return Ok(lock),
            None => clock.sleep(BETWEEN).await,
        }
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, JournalError> {
    SqliteConnectOptions::from_str("sqlite:")
        .expect("the scheme alone is a valid address")
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // The log is written into the file at times when the file cannot then pass for the whole journal: `wal`.
        .pragma("wal_autocheckpoint", "0")
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|source| of_sqlx(path, source))
}

/// A new file gets our mark. A file with another mark, or with tables and no mark, is not ours.
async fn check_identity(connection: &mut SqliteConnection, path: &Path) -> Result<(), JournalError> {
    let failed = |source| of_sqlx(path, source);
    let id: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(failed)?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    let n_objects: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if id != 0 || n_objects != 0 {
        return Err(JournalError::NotOurs { path: path.to_owned() });
    }
    // A pragma takes no parameters.
    let statement = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
    sqlx::query(statement).execute(connection).await.map_err(failed)?;
    Ok(())
}

/// Migrates the schema. Returns whether it was out of date.
async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<bool, JournalError> {
    let failed = |source| of_sqlx(path, source);
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    if found > known {
        return Err(JournalError::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(false);
    }
    MIGRATIONS.run_direct(None, &mut *connection, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(source)
        | sqlx::migrate::MigrateError::ExecuteMigration(source, _) => of_sqlx(path, source),
        other => JournalError::Damaged { path: path.to_owned(), detail: other.to_string() },
    })?;
    let statement = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {known}"));
    sqlx::query(statement).execute(connection).await.map_err(failed)?;
    Ok(true)
}

async fn read_back(connection: &mut SqliteConnection) -> Result<(), JournalError> {
    for (pragma, statement, wanted) in [
        ("journal_mode", "PRAGMA journal_mode", "wal"),
        ("synchronous", "PRAGMA synchronous", "2"),
        ("foreign_keys", "PRAGMA foreign_keys", "1"),
        ("busy_timeout", "PRAGMA busy_timeout", "2000"),
        ("wal_autocheckpoint", "PRAGMA wal_autocheckpoint", "0"),
    ] {
        let row = sqlx::query(statement).fetch_one(&mut *connection).await;
        let found = row.as_ref().map_or_else(ToString::to_string, pragma_text);
        if found != wanted {
            return Err(JournalError::Pragma { pragma, found });
        }
    }
    Ok(())
}

fn pragma_text(row: &sqlx::sqlite::SqliteRow) -> String {
    use sqlx::Row as _;
    let as_text: Result<String, _> = row.try_get_unchecked(0);
    as_text.unwrap_or_else(|error| error.to_string())
}

/// Closes the connection, which writes the WAL into the file.
pub(super) async fn close(connection: SqliteConnection, path: &Path) -> Result<(), JournalError> {
    connection.close().await.map_err(|source| of_sqlx(path, source))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::networked;

    #[test]
    fn file_systems_of_networks_are_known_by_their_numbers() {
        // EXT4, TMPFS, XFS and BTRFS, from linux/magic.h: file systems of this machine.
        for magic in [0xef53, 0x0102_1994, 0x5846_5342, 0x9123_683e] {
            assert_eq!(networked(magic), None);
        }
        for (magic, kind) in
            [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0x6573_5546, "FUSE"), (0x0102_1997, "9p")]
        {
            assert_eq!(networked(magic), Some(kind));
        }
    }
}
