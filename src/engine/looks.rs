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
    usual: Option<Duration>,
    /// Whether the usual duration is known, so that nothing is read before its end is near.
    is_known: bool,
    waited: Duration,
}

impl Looks {
    /// Waits that are never longer than `longest`.
    pub fn at_most(longest: Duration) -> Self {
        Self { next: longest.min(FIRST), longest, usual: None, is_known: false, waited: Duration::ZERO }
    }

    /// Waits for something that usually takes `usual`. Long before its usual end they may be longer than `longest`, but never
    /// longer than half of the time waited so far, so that an early end is seen early. Around the usual end they are shorter.
    pub fn around(usual: Duration, longest: Duration) -> Self {
        Self { usual: Some(usual), ..Self::at_most(longest) }
    }

    /// Waits for something that took `took` the last time: until its end is near, and then as [`Looks::around`] does. The
    /// first read comes after [`Looks::head_start`].
    pub fn as_before(took: Duration, longest: Duration) -> Self {
        Self { is_known: true, ..Self::around(took, longest) }
    }

    /// How long to wait before the first read: half of a known duration, and nothing where none is known.
    pub fn head_start(&mut self) -> Duration {
        let wait = self.usual.filter(|_| self.is_known).unwrap_or_default() / 2;
        self.waited += wait;
        wait
    }
}

impl Iterator for Looks {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let own = self.next;
        self.next = (own * 2).min(self.longest);
        let until = |instant: Duration| instant.saturating_sub(self.waited);
        let wait = match self.usual {
            Some(usual) if !until(usual * 9 / 10).is_zero() => {
                let far = own.max((self.waited / 2).min(self.longest * FAR));
                let soon = until(usual * 9 / 10);
                if self.is_known { soon } else { far.min(soon) }
            }
            Some(usual) if !until(usual * 12 / 10).is_zero() => {
                (usual / 10).clamp(FIRST.min(self.longest) / 10, self.longest)
            }
            Some(_) | None => own,
        };
        self.waited += wait;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        const LONGEST: Duration = Duration::from_secs(2);
        let create = Looks::around(Duration::from_secs(50), LONGEST);
        assert_eq!(
            instants(create, 12),
            [1.0, 3.0, 5.0, 7.5, 11.3, 16.9, 25.3, 35.3, 45.0, 47.0, 49.0, 51.0]
        );
        let change = Looks::around(Duration::from_secs(10), LONGEST);
        assert_eq!(instants(change, 9), [1.0, 3.0, 5.0, 7.5, 9.0, 10.0, 11.0, 12.0, 14.0]);
        // The first read comes after five seconds.
        let mut known = Looks::as_before(Duration::from_secs(10), LONGEST);
        assert_eq!(known.head_start(), Duration::from_secs(5));
        assert_eq!(instants(known, 4), [4.0, 5.0, 6.0, 7.0]);
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
