//! When to retry: a policy that is data. The engine does the waiting, in the only retry loop of the program.
//!
//! This is the only file that uses `backoff`, a crate that is no longer maintained (see deny.toml).

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;
use serde::{Deserialize, Serialize};

/// The delays between failed attempts, and how long the attempts go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RetryPolicy {
    /// The upper bound of the first delay.
    pub initial_interval: Duration,
    /// The upper bound of any delay.
    pub max_interval: Duration,
    /// The factor by which the upper bound grows from one delay to the next.
    pub multiplier: f64,
    /// How long the attempts go on after the first failure.
    pub max_elapsed: Duration,
}

impl Default for RetryPolicy {
    /// Delays of up to 1, 2, 4 … 30 s, for ten minutes in all.
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            multiplier: 2.0,
            max_elapsed: Duration::from_mins(10),
        }
    }
}

impl RetryPolicy {
    /// Replaces zero delays by the defaults: a run of an older version may have been set not to wait.
    pub fn wait_at_all(&mut self) {
        let default = Self::default();
        for (delay, default) in [
            (&mut self.initial_interval, default.initial_interval),
            (&mut self.max_interval, default.max_interval),
        ] {
            if delay.is_zero() {
                *delay = default;
            }
        }
    }

    /// The delay after failed attempt number `attempt` (from 1), with full jitter: a random time from zero up to the
    /// bound, so that many clients which failed together do not return together.
    pub fn delay_after(&self, attempt: u32) -> Duration {
        // With a factor of 1, `backoff` spreads a delay from zero to twice its interval. With half the bound as the
        // interval, that is full jitter.
        let mut backoff = ExponentialBackoffBuilder::new()
            .with_initial_interval(self.initial_interval / 2)
            .with_max_interval(self.max_interval / 2)
            .with_multiplier(self.multiplier)
            .with_randomization_factor(1.0)
            .with_max_elapsed_time(None)
            .build();
        // After this many doublings, every delay has the same bound.
        let n_skipped = attempt.clamp(1, 64) - 1;
        for _ in 0..n_skipped {
            backoff.next_backoff();
        }
        backoff.next_backoff().unwrap_or(self.max_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_told_not_to_wait_waits_by_default() {
        let mut policy = RetryPolicy {
            initial_interval: Duration::ZERO,
            max_interval: Duration::from_secs(7),
            ..RetryPolicy::default()
        };
        policy.wait_at_all();
        assert_eq!(policy.initial_interval, RetryPolicy::default().initial_interval);
        assert_eq!(policy.max_interval, Duration::from_secs(7));
    }

    #[test]
    fn delays_grow_to_the_bound_and_are_spread_over_all_of_it() {
        let policy = RetryPolicy::default();
        for (attempt, bound) in [(1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (1000, 30.0)] {
            let delays: Vec<f64> = (0..300).map(|_| policy.delay_after(attempt).as_secs_f64()).collect();
            let longest = delays.iter().copied().fold(0.0, f64::max);
            let shortest = delays.iter().copied().fold(f64::MAX, f64::min);
            assert!(longest <= bound + 1e-6, "attempt {attempt}: {longest}");
            assert!(longest > bound * 0.8, "attempt {attempt}: never near its bound, at most {longest}");
            assert!(shortest < bound * 0.2, "attempt {attempt}: never short, at least {shortest}");
        }
    }
}
