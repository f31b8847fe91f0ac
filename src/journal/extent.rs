//! What is authenticated of all runs together: how many there are, and which targets are held.
//!
//! The invariant: a process that starts or takes a run knows that no run is missing, that every target which some run
//! holds is still held, and that the newest runs stand where they were left. All of that costs the same however many
//! runs there are. A process that goes back past later runs verifies every run: which one supersedes which depends on
//! all of them.

use super::attest::{Rows, altered};
use super::canonical::{Head, held_cells};
use super::error::JournalError;
use super::mac::Cell;
use super::sqlite::of_sqlx;

/// The runs whose standing, facts and targets are verified.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    /// So many of the newest.
    Newest(u32),
    /// Every run.
    All,
}

impl Scope {
    /// The runs that a process verifies before it starts or takes one.
    pub(super) const USUAL: Self = Self::Newest(64);
}

impl Rows<'_> {
    /// Makes sure that no run is missing, that what is held is held, and that the runs of this scope stand where they
    /// were left. What another run may do depends on them.
    pub(super) async fn check_runs(&mut self, scope: Scope) -> Result<(), JournalError> {
        let extent = sqlx::query!(
            r#"SELECT sealed, n_runs, held.mac AS "held: Vec<u8>", canary.mac, (SELECT count(*) FROM runs) AS "n_now!: i64",
                   (SELECT coalesce(max(number), 0) FROM runs) AS "newest!: i64"
               FROM canary LEFT JOIN held ON held.one = canary.one"#
        )
        .fetch_one(&mut *self.tx)
        .await
        .map_err(|error| of_sqlx(self.path, error))?;
        let cells = cells(&extent.sealed, extent.n_runs, extent.held.as_ref());
        if !self.codes.is_mac("canary", &cells, extent.mac.as_deref()) {
            return Err(altered("canary", "the number of runs"));
        }
        if Some(extent.n_now) != extent.n_runs {
            let n_runs = extent.n_runs.unwrap_or_default();
            return Err(altered("runs", format!("there are {} where there were {n_runs}", extent.n_now)));
        }
        let from = match (scope, &extent.held) {
            (Scope::Newest(n), Some(_)) => extent.newest - i64::from(n) + 1,
            // What a version before wrote last says nothing of what is held.
            (Scope::All, _) | (_, None) => 0,
        };
        let mut sets = self.sets(from, i64::MAX).await?;
        for head in self.heads_since(from).await? {
            self.check_head(&head)?;
            self.check_sets(&head, &sets.remove(&head.id).unwrap_or_default())?;
        }
        match extent.held {
            // The runs come first, because they say whose target it is.
            Some(held) if self.held().await? != held => Err(altered("targets", "those that are held")),
            Some(_) | None => Ok(()),
        }
    }

    async fn heads_since(&mut self, number: i64) -> Result<Vec<Head>, JournalError> {
        sqlx::query_as!(
            Head,
            "SELECT id, state, direction, has_succeeded, error, finished_at, fence, last_event, origin_mac, facts_mac,
                 targets_mac, mac
             FROM runs WHERE number >= ?1",
            number
        )
        .fetch_all(&mut *self.tx)
        .await
        .map_err(|error| of_sqlx(self.path, error))
    }

    /// The code of all targets that are held.
    async fn held(&mut self) -> Result<Vec<u8>, JournalError> {
        let held = sqlx::query!("SELECT target, run_id FROM targets WHERE held = 1 ORDER BY target")
            .fetch_all(&mut *self.tx)
            .await
            .map_err(|error| of_sqlx(self.path, error))?;
        let held: Vec<(String, String)> = held.into_iter().map(|row| (row.target, row.run_id)).collect();
        Ok(self.codes.mac("held", &held_cells(&held)).to_vec())
    }

    /// Records how many runs there are, and which targets are held.
    pub(super) async fn write_extent(&mut self) -> Result<(), JournalError> {
        let failed = |error| of_sqlx(self.path, error);
        let held = self.held().await?;
        let now = sqlx::query!(r#"SELECT sealed, (SELECT count(*) FROM runs) AS "n_runs!: i64" FROM canary"#)
            .fetch_one(&mut *self.tx)
            .await
            .map_err(failed)?;
        let mac = self.codes.mac("canary", &cells(&now.sealed, Some(now.n_runs), Some(&held)));
        let code = mac.as_slice();
        sqlx::query!("UPDATE canary SET n_runs = ?1, mac = ?2", now.n_runs, code)
            .execute(&mut *self.tx)
            .await
            .map_err(failed)?;
        sqlx::query!("INSERT OR REPLACE INTO held (one, mac) VALUES (1, ?1)", held)
            .execute(&mut *self.tx)
            .await
            .map_err(failed)?;
        Ok(())
    }
}

/// What the canary's code covers. A version before had no code of what is held.
fn cells<'c>(sealed: &'c String, n_runs: Option<i64>, held: Option<&'c Vec<u8>>) -> Vec<Cell<'c>> {
    let cells = [sealed.into(), n_runs.into()];
    cells.into_iter().chain(held.map(Cell::from)).collect()
}
