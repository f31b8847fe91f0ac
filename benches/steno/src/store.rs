//! A store for steno in SQLite, as durable as deployctl's journal: WAL, `synchronous=FULL`, one commit for each event.

use std::path::Path;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use steno::{SagaCachedState, SagaCreateParams, SagaId, SagaNodeEvent, SecStore};
use tokio::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Store(Mutex<SqliteConnection>);

impl Store {
    pub(crate) async fn open(path: &Path) -> anyhow::Result<Self> {
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        for table in [
            "CREATE TABLE IF NOT EXISTS saga (id TEXT PRIMARY KEY, dag TEXT NOT NULL, state TEXT NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS event (saga TEXT NOT NULL, n INTEGER NOT NULL, event TEXT NOT NULL,
             PRIMARY KEY (saga, n)) STRICT, WITHOUT ROWID",
        ] {
            sqlx::query(table).execute(&mut connection).await?;
        }
        Ok(Self(Mutex::new(connection)))
    }

    /// The sagas that are not done, with their events.
    pub(crate) async fn open_sagas(
        &self,
    ) -> anyhow::Result<Vec<(SagaId, serde_json::Value, Vec<SagaNodeEvent>)>> {
        let mut connection = self.0.lock().await;
        let found: Vec<(String, String)> = sqlx::query_as("SELECT id, dag FROM saga WHERE state <> 'done'")
            .fetch_all(&mut *connection)
            .await?;
        let mut sagas = Vec::new();
        for (id, dag) in found {
            let events: Vec<(String,)> = sqlx::query_as("SELECT event FROM event WHERE saga = ? ORDER BY n")
                .bind(&id)
                .fetch_all(&mut *connection)
                .await?;
            let events: Result<_, _> = events.iter().map(|(event,)| serde_json::from_str(event)).collect();
            sagas.push((id.parse()?, serde_json::from_str(&dag)?, events?));
        }
        Ok(sagas)
    }
}

#[async_trait]
impl SecStore for Store {
    async fn saga_create(&self, new: SagaCreateParams) -> anyhow::Result<()> {
        sqlx::query("INSERT INTO saga (id, dag, state) VALUES (?, ?, ?)")
            .bind(new.id.to_string())
            .bind(new.dag.to_string())
            .bind(new.state.to_string())
            .execute(&mut *self.0.lock().await)
            .await?;
        Ok(())
    }

    // steno gives a store no way to report an error here.
    async fn record_event(&self, event: SagaNodeEvent) {
        let text = serde_json::to_string(&event).expect("events serialise");
        sqlx::query(
            "INSERT INTO event (saga, n, event)
             SELECT ?1, coalesce(max(n), 0) + 1, ?2 FROM event WHERE saga = ?1",
        )
        .bind(event.saga_id.to_string())
        .bind(text)
        .execute(&mut *self.0.lock().await)
        .await
        .expect("the event is stored");
    }

    async fn saga_update(&self, id: SagaId, update: SagaCachedState) {
        sqlx::query("UPDATE saga SET state = ? WHERE id = ?")
            .bind(update.to_string())
            .bind(id.to_string())
            .execute(&mut *self.0.lock().await)
            .await
            .expect("the state is stored");
    }
}
