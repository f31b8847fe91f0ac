//! Reseals the values of a run.

use std::path::Path;

use serde_json::Value;
use sqlx::SqliteConnection;

use super::error::JournalError;
use super::row::Column;
use super::seal::{SealError, Sealer, Spot};
use super::sqlite::of_sqlx;
use crate::run::RunId;

/// Reseals from one key to another.
pub(super) struct Resealing<'s> {
    pub(super) path: &'s Path,
    pub(super) old: &'s Sealer,
    pub(super) new: &'s Sealer,
}

impl Resealing<'_> {
    /// Reseals one run. Returns false when a value in it does not open with the old key.
    pub(super) async fn run(&self, tx: &mut SqliteConnection, run: RunId) -> Result<bool, JournalError> {
        let failed = |error| of_sqlx(self.path, error);
        let id = run.to_string();
        let input = sqlx::query_scalar!("SELECT input FROM runs WHERE id = ?1", id)
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;
        let steps = sqlx::query!("SELECT seq, input, output FROM steps WHERE run_id = ?1", id)
            .fetch_all(&mut *tx)
            .await
            .map_err(failed)?;
        let Some(input) = self.text(&input, Spot { run, seq: None, column: "input" })? else {
            return Ok(false);
        };
        let mut texts = Vec::with_capacity(steps.len());
        for step in steps {
            let seq = Column("steps", "seq").seq(step.seq)?;
            let spot = |column| Spot { run, seq: Some(seq), column };
            let Some(input) = self.text(&step.input, spot("input"))? else { return Ok(false) };
            let output = match step.output {
                Some(output) => match self.text(&output, spot("output"))? {
                    Some(output) => Some(output),
                    None => return Ok(false),
                },
                None => None,
            };
            texts.push((step.seq, input, output));
        }
        sqlx::query!("UPDATE runs SET input = ?1 WHERE id = ?2", input, id)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        for (seq, input, output) in texts {
            sqlx::query!(
                "UPDATE steps SET input = ?1, output = ?2 WHERE run_id = ?3 AND seq = ?4",
                input,
                output,
                id,
                seq
            )
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        }
        Ok(true)
    }

    /// Reseals the text of one column. Returns `None` when it does not open.
    fn text(&self, stored: &str, spot: Spot) -> Result<Option<String>, JournalError> {
        let stored: Value = Column("steps", spot.column).json(stored)?;
        match self.old.open(stored, spot) {
            Ok(opened) => Ok(Some(self.new.seal(opened, spot).to_string())),
            Err(SealError::Unopened { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
