//! What a lease writes about steps: intents, results, failures, and their undoing.
//!
//! The invariant: an intent is committed before any request of its step leaves, and a result in one transaction
//! with the event that tells of it.

use std::time::Duration;

use serde_json::Value;
use sqlx::SqliteConnection;

use super::StoredStep;
use super::error::{JournalError, WriteError};
use super::lease::Lease;
use super::row::{effect_text, later, text};
use super::seal::Spot;
use crate::run::{Direction, Effect, Event, EventKind, Facts, Failure, Resolution, Seq, StepState};

/// A step whose intent is about to be committed.
#[derive(Clone, Debug)]
pub struct NewStep {
    /// The activity's name.
    pub activity: String,
    /// What it acts on.
    pub subject: Option<String>,
    /// What it does to the world.
    pub effect: Effect,
    /// The activity itself; its confidential values are sealed before they are stored.
    pub input: Value,
    /// Of the input without its secrets.
    pub input_digest: String,
}

/// What is committed when a step completes.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// The result; its confidential values are sealed before they are stored.
    pub output: Value,
    /// What came of it, in a few words.
    pub note: Option<String>,
    /// Facts for later steps, compensations and reports.
    pub facts: Facts,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Whether the step was in doubt and turned out to have happened.
    pub adopted: bool,
}

impl Lease {
    /// Commits the intent of the next step, before any request of it leaves.
    pub async fn begin(&mut self, step: &NewStep) -> Result<Event, WriteError> {
        let number = u32::try_from(self.steps.len() + 1).unwrap_or(0);
        let seq = Seq::new(number).expect("a run has fewer than 2^32 steps");
        let kind = EventKind::StepBegun {
            seq,
            name: step.activity.clone(),
            subject: step.subject.clone(),
            effect: step.effect,
            attempt: 1,
        };
        let spot = Spot { run: self.run(), seq: Some(seq), column: "input" };
        let input = self.inner.sealer().map_err(JournalError::from)?.seal(step.input.clone(), spot);
        let (run, effect, input) = (self.run().to_string(), effect_text(step.effect), input.to_string());
        let event = self
            .commit(kind, async |tx, now| {
                sqlx::query!(
                    "INSERT INTO steps (run_id, seq, activity, subject, effect, input, input_digest, status, attempt, begun_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'begun', 1, ?8)",
                    run, number, step.activity, step.subject, effect, input, step.input_digest, now
                )
                .execute(tx)
                .await
            })
            .await?;
        self.steps.push(StepState::BEGUN);
        Ok(event)
    }

    /// Commits the intent to go on with a recorded step, or to undo it, before any request of that leaves. Forgetting what
    /// failed before gives it a whole budget of retries.
    pub async fn take_up(
        &mut self,
        step: &StoredStep,
        direction: Direction,
        forget_retries: bool,
    ) -> Result<Event, WriteError> {
        let (seq, attempt) = (step.seq, step.attempts(direction) + 1);
        let (name, subject) = (step.activity.clone(), step.subject.clone());
        let (run, number) = (self.run().to_string(), seq.get());
        match direction {
            Direction::Forward => {
                let kind = EventKind::StepBegun { seq, name, subject, effect: step.effect, attempt };
                self.commit(kind, async |tx, _| {
                    sqlx::query!(
                        "UPDATE steps SET attempt = ?1, retry_since = iif(?2, NULL, retry_since)
                         WHERE run_id = ?3 AND seq = ?4",
                        attempt,
                        forget_retries,
                        run,
                        number
                    )
                    .execute(tx)
                    .await
                })
                .await
            }
            Direction::Backward => {
                let kind = EventKind::UndoBegun { seq, name, subject, attempt };
                self.commit(kind, async |tx, now| {
                    sqlx::query!(
                        "UPDATE steps SET undo_status = 'begun', undo_attempt = ?1, undo_begun_at = coalesce(undo_begun_at, ?2),
                             undo_finished_at = NULL, undo_retry_since = iif(?3, NULL, undo_retry_since)
                         WHERE run_id = ?4 AND seq = ?5",
                        attempt, now, forget_retries, run, number
                    )
                    .execute(tx)
                    .await
                })
                .await
            }
        }
    }

    /// Commits that an attempt failed, and when the next may be made.
    pub async fn retrying(
        &mut self,
        seq: Seq,
        direction: Direction,
        failure: &Failure,
        attempt: u32,
        delay: Duration,
    ) -> Result<Event, WriteError> {
        let (run, number, error) = (self.run().to_string(), seq.get(), text(failure));
        let failure = failure.clone();
        match direction {
            Direction::Forward => {
                let kind = EventKind::StepRetrying { seq, failure, attempt, delay };
                self.commit(kind, async |tx, now| {
                    let next = later(now, delay);
                    sqlx::query!(
                        "UPDATE steps SET attempt = ?1, failure = ?2, next_attempt_at = ?3, retry_since = coalesce(retry_since, ?4)
                         WHERE run_id = ?5 AND seq = ?6",
                        attempt, error, next, now, run, number
                    )
                    .execute(tx)
                    .await
                })
                .await
            }
            Direction::Backward => {
                let kind = EventKind::UndoRetrying { seq, failure, attempt, delay };
                self.commit(kind, async |tx, now| {
                    let next = later(now, delay);
                    sqlx::query!(
                        "UPDATE steps SET undo_attempt = ?1, undo_failure = ?2, undo_next_attempt_at = ?3,
                             undo_retry_since = coalesce(undo_retry_since, ?4)
                         WHERE run_id = ?5 AND seq = ?6",
                        attempt,
                        error,
                        next,
                        now,
                        run,
                        number
                    )
                    .execute(tx)
                    .await
                })
                .await
            }
        }
    }

    /// Checkpoints a step's result.
    pub async fn complete(&mut self, seq: Seq, done: Completion) -> Result<Vec<Event>, WriteError> {
        let spot = Spot { run: self.run(), seq: Some(seq), column: "output" };
        let output = self.inner.sealer().map_err(JournalError::from)?.seal(done.output, spot);
        let (run, number, output) = (self.run().to_string(), seq.get(), output.to_string());
        let mut kinds = Vec::new();
        if done.adopted {
            kinds.push(EventKind::StepAdopted { seq });
        }
        kinds.extend(done.warnings.into_iter().map(|message| EventKind::Warned { seq, message }));
        kinds.push(EventKind::StepCompleted { seq, note: done.note });
        self.commit_all(kinds, async |tx, now| {
            write_facts(&mut *tx, &run, &done.facts).await?;
            sqlx::query!(
                "UPDATE steps SET status = 'completed', output = ?1, failure = NULL, finished_at = ?2, next_attempt_at = NULL
                 WHERE run_id = ?3 AND seq = ?4",
                output, now, run, number
            )
            .execute(tx)
            .await
        })
        .await
    }

    /// Commits that a step failed for good, or that its compensation did: then the run is stuck.
    pub async fn fail(
        &mut self,
        seq: Seq,
        direction: Direction,
        failure: &Failure,
    ) -> Result<Event, WriteError> {
        let (run, number, error) = (self.run().to_string(), seq.get(), text(failure));
        let failure = failure.clone();
        match direction {
            Direction::Forward => {
                self.commit(EventKind::StepFailed { seq, failure }, async |tx, now| {
                    sqlx::query!(
                        "UPDATE steps SET status = 'failed', failure = ?1, finished_at = ?2, next_attempt_at = NULL
                         WHERE run_id = ?3 AND seq = ?4",
                        error,
                        now,
                        run,
                        number
                    )
                    .execute(tx)
                    .await
                })
                .await
            }
            Direction::Backward => {
                self.commit(EventKind::UndoFailed { seq, failure }, async |tx, now| {
                    sqlx::query!("UPDATE runs SET error = ?1 WHERE id = ?2", error, run)
                        .execute(&mut *tx)
                        .await?;
                    sqlx::query!(
                        "UPDATE steps SET undo_status = 'failed', undo_failure = ?1, undo_finished_at = ?2,
                             undo_next_attempt_at = NULL
                         WHERE run_id = ?3 AND seq = ?4",
                        error,
                        now,
                        run,
                        number
                    )
                    .execute(tx)
                    .await
                })
                .await
            }
        }
    }

    /// Checkpoints that a step is undone, with the facts that earlier compensations need and what the user should know.
    pub async fn complete_undo(
        &mut self,
        seq: Seq,
        facts: &Facts,
        warnings: Vec<String>,
    ) -> Result<Vec<Event>, WriteError> {
        let (run, number) = (self.run().to_string(), seq.get());
        let mut kinds: Vec<EventKind> =
            warnings.into_iter().map(|message| EventKind::Warned { seq, message }).collect();
        kinds.push(EventKind::UndoCompleted { seq });
        self.commit_all(kinds, async |tx, now| {
            write_facts(&mut *tx, &run, facts).await?;
            sqlx::query!(
                "UPDATE steps SET undo_status = 'completed', undo_failure = NULL, undo_finished_at = ?1,
                     undo_next_attempt_at = NULL
                 WHERE run_id = ?2 AND seq = ?3",
                now,
                run,
                number
            )
            .execute(tx)
            .await
        })
        .await
    }

    /// Checkpoints a part of a compensation: what follows is another request, with retries of its own.
    pub async fn advance_undo(
        &mut self,
        seq: Seq,
        facts: &Facts,
        warnings: Vec<String>,
        note: &str,
    ) -> Result<Vec<Event>, WriteError> {
        let (run, number) = (self.run().to_string(), seq.get());
        let mut kinds: Vec<EventKind> =
            warnings.into_iter().map(|message| EventKind::Warned { seq, message }).collect();
        kinds.push(EventKind::UndoAdvanced { seq, note: note.to_owned() });
        self.commit_all(kinds, async |tx, _| {
            write_facts(&mut *tx, &run, facts).await?;
            sqlx::query!(
                "UPDATE steps SET undo_failure = NULL, undo_retry_since = NULL, undo_next_attempt_at = NULL
                 WHERE run_id = ?1 AND seq = ?2",
                run,
                number
            )
            .execute(tx)
            .await
        })
        .await
    }

    /// Records what a person did to a stuck step, with the facts that earlier compensations need.
    pub(super) async fn resolve(
        &mut self,
        kind: EventKind,
        seq: Seq,
        facts: &Facts,
    ) -> Result<Event, WriteError> {
        let (run, number) = (self.run().to_string(), seq.get());
        let EventKind::StepResolved { resolution, .. } = kind else {
            unreachable!("only resolutions are recorded here")
        };
        let status = match resolution {
            Resolution::Done => "skipped",
            Resolution::Undone => "completed",
        };
        self.commit(kind, async |tx, now| {
            write_facts(&mut *tx, &run, facts).await?;
            sqlx::query!(
                "UPDATE steps SET undo_status = ?1, undo_finished_at = ?2 WHERE run_id = ?3 AND seq = ?4",
                status,
                now,
                run,
                number
            )
            .execute(tx)
            .await
        })
        .await
    }
}

async fn write_facts(tx: &mut SqliteConnection, run: &str, facts: &Facts) -> Result<(), sqlx::Error> {
    for (name, value) in facts {
        sqlx::query!(
            "INSERT INTO facts (run_id, name, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (run_id, name) DO UPDATE SET value = excluded.value",
            run,
            name,
            value
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
