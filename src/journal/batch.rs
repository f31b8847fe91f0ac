//! Several statements as one command to SQLite, whose thread is woken once for all of them. Each wake-up costs more than a
//! statement.

use sqlx::encode::Encode;
use sqlx::sqlite::SqliteArguments;
use sqlx::types::Type;
use sqlx::{Arguments as _, AssertSqlSafe, Sqlite, SqliteConnection};

/// Statements that are executed one after the other, within a transaction. Each changes one row, or what is known of the
/// rows is wrong.
#[derive(Default)]
pub(super) struct Batch {
    sql: String,
    arguments: SqliteArguments,
    n_statements: u64,
    refused: Option<sqlx::Error>,
}

impl Batch {
    /// Adds a statement. Use [`also`], by which the compiler checks it against the schema.
    pub(super) fn add(&mut self, statement: &str) {
        self.sql.push_str(statement);
        self.sql.push(';');
        self.n_statements += 1;
    }

    /// Adds the next argument, of the statement that was added last.
    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, argument: T) {
        if let Err(error) = self.arguments.add(argument) {
            self.refused = Some(sqlx::Error::Encode(error));
        }
    }

    /// Executes the statements in a transaction of their own, which stays open after an error.
    ///
    /// The caller must not let the connection be used by others until it knows the result: if this future is dropped, the
    /// transaction may be open, and may be committed.
    pub(super) async fn commit(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let all = Self { sql: format!("BEGIN IMMEDIATE;{}COMMIT;", self.sql), ..self };
        all.execute(connection).await.map(drop)
    }

    /// Executes the statements. Returns whether each of them changed a row.
    pub(super) async fn execute(self, tx: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        // Its text is that of statements which the compiler has seen.
        let done = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments).execute(tx).await?;
        Ok(done.rows_affected() == self.n_statements)
    }
}

/// Adds a statement to a batch. Its parameters are `?`, because numbers would count through the whole batch.
macro_rules! also {
    ($batch:expr, $statement:literal $(, $argument:expr)* $(,)?) => {{
        // Never executed: it is there for the compiler, which checks statement and arguments.
        if false {
            let _checked = sqlx::query!($statement $(, $argument)*);
        }
        $batch.add($statement);
        $($batch.bind(&$argument);)*
    }};
}
pub(super) use also;
