//! The waits between two reads of something that takes time.

use std::time::Duration;

/// The first wait, unless the longest is shorter.
const FIRST: Duration = Duration::from_secs(1);
/// Long before the usual end, a wait may be this many times the longest.
const FAR: u32 = 5;

/// The waits between looks. They start at a second, or less when the longest wait is shorter, and double up to the longest.
#[derive(Clone, Debug)]
pub struct Looks {
    next: Duration,
    longest: Duration,
    near: Option<Near>,
    waited: Duration,
}

/// The time in which an end is likely.
#[derive(Clone, Copy, Debug)]
struct Near {
    begins: Duration,
    ends: Duration,
    /// The waits in that time.
    step: Duration,
    /// The first wait. From then on a wait may be as long as the time waited so far.
    first: Duration,
}

/// How long something took: the end fell between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// It had not ended then.
    pub least: Duration,
    /// It had ended then.
    pub most: Duration,
}

impl Looks {
    /// Waits that are never longer than `longest`.
    pub fn at_most(longest: Duration) -> Self {
        Self { next: longest.min(FIRST), longest, near: None, waited: Duration::ZERO }
    }

    /// Waits for something that usually takes `usual`. Long before its usual end they may be longer than `longest`, but never
    /// longer than the time waited so far, so that an early end is seen early. Around the usual end they are shorter.
    pub fn around(usual: Duration, longest: Duration) -> Self {
        let first = (usual / 5).min(longest * FAR / 2);
        let step = (usual / 10).clamp(FIRST.min(longest) / 10, longest);
        let near = Near { begins: usual * 19 / 20, ends: usual * 6 / 5, step, first };
        Self { near: Some(near), ..Self::at_most(longest) }
    }

    /// Waits for something that took `took` the last time. Nothing is read before its end is near: the first read halves
    /// the time in which the end is likely, so that after a few such waits little time and few reads are lost.
    pub fn as_before(took: Took, longest: Duration) -> Self {
        let step = (took.most / 20).clamp(FIRST.min(longest) / 10, longest);
        let doubt = took.most.saturating_sub(took.least);
        let first = if doubt > took.most / 50 { took.least + doubt / 2 } else { took.most };
        let near = Near { begins: took.most, ends: took.most * 6 / 5, step, first };
        Self { near: Some(near), ..Self::at_most(longest) }
    }

    /// The waits that are left for something that began some time ago.
    #[must_use]
    pub fn begun(mut self, ago: Duration) -> Self {
        self.waited = ago;
        self
    }

    /// How long to wait before the first read of something that has only just begun. It counts as the first wait.
    pub fn head_start(&mut self) -> Duration {
        let wait = self.near.map(|near| near.first).unwrap_or_default();
        self.waited += wait;
        wait
    }
}

impl Iterator for Looks {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let own = self.next;
        self.next = (own * 2).min(self.longest);
        let wait = match self.near {
            Some(near) if self.waited < near.begins => {
                let far = self.waited.max(near.first).min(self.longest * FAR).max(own);
                far.min(near.begins.saturating_sub(self.waited))
            }
            Some(near) if self.waited < near.ends => near.step,
            Some(_) | None => own,
        };
        self.waited += wait;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    fn instants(looks: Looks, n: usize) -> Vec<f64> {
        let mut at = Duration::ZERO;
        let waits = looks.take(n).map(|wait| {
            at += wait;
            at.as_secs_f64()
        });
        waits.map(|at| (at * 10.0).round() / 10.0).collect()
    }

    #[test]
    fn looks_are_few_before_the_usual_end_and_close_around_it() {
        let create = Looks::around(Duration::from_secs(50), LONGEST);
        assert_eq!(instants(create, 9), [5.0, 10.0, 20.0, 30.0, 40.0, 47.5, 49.5, 51.5, 53.5]);
        let change = Looks::around(Duration::from_secs(10), LONGEST);
        assert_eq!(instants(change, 8), [2.0, 4.0, 8.0, 9.5, 10.5, 11.5, 12.5, 14.5]);
    }

    #[test]
    fn what_was_done_before_is_read_when_its_end_is_near() {
        let took = |least: f64, most: f64| Took {
            least: Duration::from_secs_f64(least),
            most: Duration::from_secs_f64(most),
        };
        let mut unsure = Looks::as_before(took(9.5, 10.5), LONGEST);
        assert_eq!(unsure.head_start(), Duration::from_secs(10));
        assert_eq!(instants(unsure, 4), [0.5, 1.0, 1.6, 2.1]);
        let mut sure = Looks::as_before(took(10.0, 10.1), LONGEST);
        assert_eq!(sure.head_start(), Duration::from_millis(10_100));
    }

    #[test]
    fn whoever_wants_looks_close_together_gets_them() {
        let longest = Duration::from_millis(10);
        let waits: Vec<Duration> = Looks::around(Duration::from_secs(50), longest).take(100).collect();
        assert!(waits.iter().all(|wait| *wait <= longest * FAR), "{waits:?}");
        assert_eq!(Looks::at_most(longest).take(3).collect::<Vec<_>>(), [longest; 3]);
        assert_eq!(instants(Looks::at_most(Duration::from_secs(5)), 4), [1.0, 3.0, 7.0, 12.0]);
    }
}
