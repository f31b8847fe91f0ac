//! The floor: what a step costs that is nothing but commits, with the library and the settings of the journal.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};

use crate::told::{OUTPUT, Told};

async fn open(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let mut connection = options.connect().await.expect("the file opens");
    let table =
        "CREATE TABLE step (run INTEGER NOT NULL, seq INTEGER NOT NULL, input TEXT NOT NULL, output TEXT,
                 PRIMARY KEY (run, seq)) STRICT, WITHOUT ROWID";
    sqlx::query(table).execute(&mut connection).await.expect("created");
    connection
}

/// Prints the times between `n` steps of one commit.
pub(crate) async fn one_commit(file: &Path, n: u32) {
    let (mut connection, told) = (open(file).await, Told::default());
    for seq in 0..n {
        let row = sqlx::query("INSERT INTO step (run, seq, input, output) VALUES (1, ?, ?, ?)");
        let output = told.execute().await;
        let done = row.bind(seq).bind(OUTPUT.repeat(2)).bind(output).execute(&mut connection).await;
        done.expect("committed");
    }
    told.print_gaps();
}

/// Prints the times between `n` steps of two commits, one before the step and one after it.
pub(crate) async fn two_commits(file: &Path, n: u32) {
    let (mut connection, told) = (open(file).await, Told::default());
    for seq in 0..n {
        let begun = sqlx::query("INSERT INTO step (run, seq, input) VALUES (1, ?, ?)");
        begun.bind(seq).bind(OUTPUT.repeat(2)).execute(&mut connection).await.expect("committed");
        let output = told.execute().await;
        let done = sqlx::query("UPDATE step SET output = ? WHERE run = 1 AND seq = ?");
        done.bind(output).bind(seq).execute(&mut connection).await.expect("committed");
    }
    told.print_gaps();
}
