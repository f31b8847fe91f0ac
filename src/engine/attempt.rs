//! The one retry loop and its parts: an attempt, the decision after a failed attempt, and the wait between attempts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::entry::Entry;
use super::ground::Ground;
use super::stop::Stop;
use crate::clock::Clock;
use crate::retry::RetryPolicy;
use crate::run::{Effect, Failure, FailureKind, Timestamp};

/// The longest delay that a failure can ask for. If a failure asks for more, it is better to suspend the run.
const RETRY_AFTER_MOST: Duration = Duration::from_mins(2);

/// An operation that is attempted. It is a trait instead of a closure because a run's future must be `Send`, and a
/// bound cannot demand that of an async closure's future.
pub(super) trait Attempt: Send {
    type Output: Send;

    /// The time limit of one attempt.
    fn limit(&self) -> Option<Duration> {
        None
    }

    /// Makes one attempt.
    fn attempt(&mut self) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// Hears of each failure that is followed by another attempt, before the wait: with the number of that attempt and
    /// the delay until it begins.
    fn retrying(
        &mut self,
        failure: &Failure,
        number: u32,
        delay: Duration,
    ) -> impl Future<Output = Result<(), Stop>> + Send;
}

/// Makes one attempt. When the user interrupts, a read or a wait is dropped at once. A mutation first has a grace
/// period, so that its answer is read and checkpointed. A mutation that hangs is left in doubt.
async fn once<W: Sync, T: Attempt>(
    ground: &Ground<'_, W>,
    effect: Effect,
    tried: &mut T,
) -> Result<Result<T::Output, Failure>, Stop> {
    let grace = match effect {
        Effect::Read | Effect::Wait => Duration::ZERO,
        Effect::Mutation => ground.grace,
    };
    let limit = tried.limit();
    let overdue = async {
        ground.cancel.cancelled().await;
        if !grace.is_zero() {
            ground.clock.sleep(grace).await;
        }
    };
    tokio::select! {
        biased;
        () = overdue => Err(Stop::Interrupted),
        done = within(ground.clock, limit, tried.attempt()) => match done {
            // When the user interrupts, a pause inside a mutation or a compensation returns an error, which is not a
            // failure of the step.
            Err(_) if ground.cancel.is_cancelled() => Err(Stop::Interrupted),
            done => Ok(done),
        },
    }
}

/// Drops an attempt that exceeds its limit. Its outcome is unknown, as if the answer had been lost.
async fn within<O>(
    clock: Clock,
    limit: Option<Duration>,
    attempt: impl Future<Output = Result<O, Failure>>,
) -> Result<O, Failure> {
    let Some(limit) = limit else { return attempt.await };
    tokio::select! {
        biased;
        done = attempt => done,
        () = clock.sleep(limit) => {
            Err(Failure::transient("waiting for its end", format!("it has taken longer than {limit:?}")))
        }
    }
}

/// Waits until the attempt that an earlier process planned is due.
pub(super) async fn wait_until<W: Sync>(ground: &Ground<'_, W>, at: Timestamp) -> Result<(), Stop> {
    wait(ground, due_in(ground.clock, at)).await
}

/// The time until then, but never more than the longest possible delay, because the clock may have been set back since.
fn due_in(clock: Clock, at: Timestamp) -> Duration {
    clock.until(at).min(RETRY_AFTER_MOST)
}

/// Waits between two attempts, unless the user interrupts.
async fn wait<W: Sync>(ground: &Ground<'_, W>, delay: Duration) -> Result<(), Stop> {
    ground.at("waiting to try again").await;
    tokio::select! {
        biased;
        () = ground.cancel.cancelled() => Err(Stop::Interrupted),
        () = ground.clock.sleep(delay) => Ok(()),
    }
}

/// The decision after a failed attempt.
#[derive(Debug, PartialEq, Eq)]
enum Gave {
    /// Make another attempt after this delay.
    Delay(Duration),
    /// Make no other attempt: the failure is permanent, or the budget is spent.
    Up,
}

/// How the attempts of one step ended.
pub(super) enum Ended<O> {
    /// One succeeded, with this result.
    Done(O),
    /// One failed in a way that every other attempt would repeat.
    Refused(Failure),
    /// The budget is spent.
    Spent(Failure),
    /// One failed in a way that only somebody else can fix.
    Blocked(Failure),
}

impl<O> Ended<O> {
    /// The result of a step that only looks, without a journal.
    pub(super) fn of_a_look(self) -> Result<O, Stop> {
        match self {
            Self::Done(output) => Ok(output),
            Self::Refused(failure) | Self::Blocked(failure) => Err(Stop::Failed(failure)),
            Self::Spent(failure) if failure.kind == FailureKind::Missing => Err(Stop::Failed(failure)),
            Self::Spent(failure) => Err(Stop::Suspended(failure)),
        }
    }
}

/// Counts the attempts of one step and knows their budget.
pub(super) struct Attempts<'p> {
    policy: &'p RetryPolicy,
    clock: Clock,
    number: u32,
    n_failed: u32,
    since: Option<Timestamp>,
    spent: Option<&'p AtomicBool>,
}

impl<'p> Attempts<'p> {
    /// The attempts of this entry into a step or its compensation.
    pub(super) const fn of<W>(ground: &'p Ground<'_, W>, entry: &Entry) -> Self {
        Self::new(&ground.retry, ground.clock, entry.attempt, entry.retry_since)
    }

    /// The attempts from `number` on. `since` is the time of this step's first failure in an earlier process.
    pub(super) const fn new(
        policy: &'p RetryPolicy,
        clock: Clock,
        number: u32,
        since: Option<Timestamp>,
    ) -> Self {
        Self { policy, clock, number, n_failed: 0, since, spent: None }
    }

    /// Adds a flag by which a part of an attempt spends the budget.
    pub(super) const fn or_spent(self, spent: &'p AtomicBool) -> Self {
        Self { spent: Some(spent), ..self }
    }

    /// Makes attempts until one succeeds or no other may follow.
    pub(super) async fn make<W: Sync, T: Attempt>(
        mut self,
        ground: &Ground<'_, W>,
        effect: Effect,
        tried: &mut T,
    ) -> Result<Ended<T::Output>, Stop> {
        loop {
            let failure = match once(ground, effect, tried).await? {
                Ok(output) => return Ok(Ended::Done(output)),
                Err(failure) => failure,
            };
            match self.after(&failure)? {
                Gave::Delay(delay) => {
                    tried.retrying(&failure, self.number, delay).await?;
                    wait(ground, delay).await?;
                }
                Gave::Up if failure.kind == FailureKind::Permanent || failure.is_held() => {
                    return Ok(Ended::Refused(failure));
                }
                Gave::Up if failure.kind == FailureKind::Blocked => return Ok(Ended::Blocked(failure)),
                Gave::Up if failure.waits().is_some() => return Err(Stop::Suspended(failure)),
                Gave::Up => return Ok(Ended::Spent(failure)),
            }
        }
    }

    /// Decides what follows `failure`.
    fn after(&mut self, failure: &Failure) -> Result<Gave, Stop> {
        let retry_after = match failure.kind {
            FailureKind::Transient { retry_after } => retry_after,
            FailureKind::Missing => None,
            FailureKind::Permanent
            | FailureKind::Blocked
            | FailureKind::Held { .. }
            | FailureKind::Gate
            | FailureKind::Paused => return Ok(Gave::Up),
            FailureKind::TakenOver => return Err(Stop::TakenOver(failure.clone())),
            FailureKind::Ours => return Err(Stop::Ours(failure.clone())),
        };
        let now = self.clock.now();
        let since = *self.since.get_or_insert(now);
        self.n_failed += 1;
        let own = self.policy.delay_after(self.n_failed);
        let delay = own.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MOST));
        let elapsed = (now - since).to_std().unwrap_or_default();
        let is_spent = self.spent.is_some_and(|spent| spent.load(Ordering::Relaxed));
        if is_spent || elapsed + delay > self.policy.max_elapsed {
            return Ok(Gave::Up);
        }
        self.number += 1;
        Ok(Gave::Delay(delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(max_elapsed: Duration) -> RetryPolicy {
        RetryPolicy { max_elapsed, ..RetryPolicy::default() }
    }

    #[test]
    fn the_servers_delay_is_a_lower_bound_and_has_a_limit() {
        let policy = policy(Duration::from_hours(1));
        let asks = |seconds| Failure {
            kind: FailureKind::Transient { retry_after: Some(Duration::from_secs(seconds)) },
            ..Failure::transient("reading", "429")
        };
        let mut attempts = Attempts::new(&policy, Clock::system(), 1, None);
        assert_eq!(attempts.after(&asks(7)).expect("transient"), Gave::Delay(Duration::from_secs(7)));
        assert_eq!(attempts.after(&asks(100_000)).expect("transient"), Gave::Delay(RETRY_AFTER_MOST));
        assert_eq!(attempts.number, 3);
    }

    #[test]
    fn the_budget_counts_from_the_first_failure_of_an_earlier_process() {
        let policy = policy(Duration::from_mins(10));
        let clock = Clock::system();
        let failure = Failure::transient("reading", "503");
        let long_ago = clock.now() - Duration::from_mins(11);
        let mut attempts = Attempts::new(&policy, clock, 5, Some(long_ago));
        assert_eq!(attempts.after(&failure).expect("transient"), Gave::Up);
        let mut anew = Attempts::new(&policy, clock, 5, None);
        assert!(matches!(anew.after(&failure).expect("transient"), Gave::Delay(_)));
    }

    #[test]
    fn a_permanent_failure_is_not_repeated_and_a_defect_stops_everything() {
        let policy = policy(Duration::from_mins(10));
        let mut attempts = Attempts::new(&policy, Clock::system(), 1, None);
        assert_eq!(attempts.after(&Failure::permanent("a", "b")).expect("permanent"), Gave::Up);
        assert!(matches!(attempts.after(&Failure::ours("a", "b")), Err(Stop::Ours(_))));
    }

    #[test]
    fn an_attempt_that_was_planned_is_waited_for_within_reason() {
        let clock = Clock::system();
        for (planned, least, most) in [(30, 29, 30), (86_400, 120, 120), (-5, 0, 0)] {
            let due = due_in(clock, clock.now() + chrono::TimeDelta::seconds(planned)).as_secs();
            assert!((least..=most).contains(&due), "{planned}: {due}");
        }
    }
}
