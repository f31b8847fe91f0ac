//! Numbers that keep what they were, and how each is printed.

/// A number that is neither 64 bits wide nor a double: Clojure's `BigInt`, `BigDecimal` and `Ratio`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exact {
    /// As `str` prints it.
    pub(super) text: String,
    pub(super) kind: ExactKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExactKind {
    Whole,
    Decimal,
    Ratio,
}

impl Exact {
    /// As `str` prints it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// As `pr-str` prints it: what reads as the same number.
    pub(super) fn printed(&self) -> String {
        let suffix = match self.kind {
            ExactKind::Whole => "N",
            ExactKind::Decimal => "M",
            ExactKind::Ratio => "",
        };
        format!("{}{suffix}", self.text)
    }

    /// What it is, for an error.
    pub(super) const fn name(&self) -> &'static str {
        match self.kind {
            ExactKind::Whole => "a number too large to mean anything here",
            ExactKind::Decimal => "a decimal number too large to mean anything here",
            ExactKind::Ratio => "a ratio: write a decimal number",
        }
    }
}

/// A double as Java prints it (`Double.toString`): the fewest digits that read as the same number, with an exponent
/// below a thousandth and from ten million on.
pub(super) fn double(value: f64) -> String {
    // The one number whose second digit Java writes although the first tells it.
    if value.abs().to_bits() == 1 {
        return format!("{}4.9E-324", if value < 0.0 { "-" } else { "" });
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) || !value.is_finite() {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}
