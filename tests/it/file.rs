//! The journal's file, read and changed without deployctl; and the file as the version before wrote it.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};

use crate::harness::World;

pub(crate) const JOURNAL: &str = ".local/state/deployctl/journal.db";
pub(crate) const KEY: &str = ".local/state/deployctl/journal.db.key";

/// Runs `act` on the file.
pub(crate) fn with<T>(world: &World, act: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(world.path(JOURNAL)).foreign_keys(false);
        let mut connection = options.connect().await.expect("the file opens");
        let done = act(&mut connection).await;
        connection.close().await.expect("it closes");
        done
    })
}

/// Executes a statement, and returns how many rows it changed.
pub(crate) fn execute(world: &World, statement: &str) -> u64 {
    let statement = AssertSqlSafe(statement.to_owned());
    with(world, async |file| sqlx::query(statement).execute(file).await.expect("executed").rows_affected())
}

/// The only text that a query finds.
pub(crate) fn text(world: &World, query: &str) -> String {
    let query = AssertSqlSafe(query.to_owned());
    with(world, async |file| sqlx::query_scalar(query).fetch_one(file).await.expect("found"))
}

/// The journal's file and those of its log, byte for byte.
pub(crate) fn bytes(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    ["", "-wal", ".key", ".key.new"]
        .iter()
        .map(|ending| world.path(&format!("{JOURNAL}{ending}")))
        .filter_map(|path| Some((path.clone(), std::fs::read(path).ok()?)))
        .collect()
}

/// Turns the file into what the version before would have written: its schema, and sealed texts that are bound only to their
/// run.
pub(crate) fn as_of_before(world: &World) {
    let key = std::fs::read_to_string(world.path(KEY)).expect("the key");
    let key = STANDARD.decode(key.trim()).expect("base64");
    let cipher = XChaCha20Poly1305::new(key.as_slice().into());
    with(world, async |file| {
        let runs: Vec<(String, String)> =
            sqlx::query_as("SELECT id, input FROM runs").fetch_all(&mut *file).await.expect("runs");
        for (run, input) in runs {
            let input = sealed_as_before(&cipher, &run, &format!("the input of run {run}"), &input);
            let update = sqlx::query("UPDATE runs SET input = ?1 WHERE id = ?2").bind(input).bind(&run);
            update.execute(&mut *file).await.expect("updated");
        }
        let steps: Vec<(String, i64, String, Option<String>)> =
            sqlx::query_as("SELECT run_id, seq, input, output FROM steps")
                .fetch_all(&mut *file)
                .await
                .expect("steps");
        for (run, seq, input, output) in steps {
            let place = |column: &str| format!("the {column} of step {seq} of run {run}");
            let input = sealed_as_before(&cipher, &run, &place("input"), &input);
            let output = output.map(|output| sealed_as_before(&cipher, &run, &place("output"), &output));
            sqlx::query("UPDATE steps SET input = ?1, output = ?2 WHERE run_id = ?3 AND seq = ?4")
                .bind(input)
                .bind(output)
                .bind(&run)
                .bind(seq)
                .execute(&mut *file)
                .await
                .expect("updated");
        }
    });
    for statement in [
        "DROP TABLE canary",
        "DROP TABLE wal_mark",
        "ALTER TABLE runs DROP COLUMN is_of_before",
        "ALTER TABLE runs DROP COLUMN origin_mac",
        "ALTER TABLE runs DROP COLUMN facts_mac",
        "ALTER TABLE runs DROP COLUMN targets_mac",
        "ALTER TABLE runs DROP COLUMN mac",
        "ALTER TABLE steps DROP COLUMN as_of",
        "ALTER TABLE steps DROP COLUMN mac",
        "ALTER TABLE events DROP COLUMN mac",
        // The names of steps are in the tags of what they created, so they stay.
        "DELETE FROM _sqlx_migrations WHERE version BETWEEN 2 AND 4",
        "PRAGMA user_version = 1",
    ] {
        execute(world, statement);
    }
}

fn sealed_as_before(cipher: &XChaCha20Poly1305, run: &str, place: &str, text: &str) -> String {
    let mut json: Value = serde_json::from_str(text).expect("JSON");
    seal_as_before(cipher, run, place, &mut json);
    json.to_string()
}

fn seal_as_before(cipher: &XChaCha20Poly1305, run: &str, place: &str, json: &mut Value) {
    match json {
        Value::Object(map) => {
            if let Some(sealed) = map.get("$sealed").and_then(Value::as_str) {
                let Some(sealed) = sealed.strip_prefix("2.") else { return };
                let bytes = STANDARD.decode(sealed).expect("base64");
                let (nonce, sealed) = bytes.split_at(24);
                let nonce = XNonce::from_slice(nonce);
                let opened = cipher.decrypt(nonce, Payload { msg: sealed, aad: place.as_bytes() });
                let opened = opened.expect("it opens");
                let again = cipher.encrypt(nonce, Payload { msg: &opened, aad: run.as_bytes() });
                *json =
                    json!({"$sealed": STANDARD.encode([nonce.as_slice(), &again.expect("sealed")].concat())});
                return;
            }
            for (name, value) in map {
                seal_as_before(cipher, run, &format!("{place}/{name}"), value);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                seal_as_before(cipher, run, &format!("{place}/{n}"), item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
