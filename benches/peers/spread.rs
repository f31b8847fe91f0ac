//! Durations and ratios in numbers: the middle, the ends, and how they are written.

use std::time::Duration;

/// Measured values, in milliseconds or as ratios.
#[derive(Clone, Debug)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        assert!(!values.is_empty(), "something was measured");
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(crate) fn of_durations<'d>(durations: impl IntoIterator<Item = &'d Duration>) -> Self {
        Self::of(durations.into_iter().map(|duration| millis(*duration)))
    }

    /// The value below which this many of a thousand are.
    fn quantile(&self, of_thousand: usize) -> f64 {
        self.0[(self.0.len() - 1) * of_thousand / 1000]
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(500)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.quantile(990)
    }

    pub(crate) fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far fewer values than a float can count")]
        let n = self.0.len() as f64;
        self.0.iter().sum::<f64>() / n
    }

    pub(crate) fn min(&self) -> f64 {
        self.0[0]
    }

    pub(crate) fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    /// The middle and, behind it, the ends.
    pub(crate) fn with_ends(&self) -> String {
        format!("{} ({} to {})", number(self.median()), number(self.min()), number(self.max()))
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A number with about three digits that count.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// Whether a figure reaches its goal, in a word.
pub(crate) fn reached(is_reached: bool) -> String {
    if is_reached { "yes" } else { "**no**" }.to_owned()
}
