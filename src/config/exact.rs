//! Numbers that keep their exact type, and how each is printed.

/// A number that is neither a 64-bit integer nor a double: Clojure's `BigInt`, `BigDecimal` or `Ratio`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exact {
    /// The number as `str` prints it.
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
    /// The number as `str` prints it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The number as `pr-str` prints it: a text that reads as the same number.
    pub(super) fn printed(&self) -> String {
        let suffix = match self.kind {
            ExactKind::Whole => "N",
            ExactKind::Decimal => "M",
            ExactKind::Ratio => "",
        };
        format!("{}{suffix}", self.text)
    }

    /// The name of its type, for an error.
    pub(super) const fn name(&self) -> &'static str {
        match self.kind {
            ExactKind::Whole => "a number too large to mean anything here",
            ExactKind::Decimal => "a decimal number too large to mean anything here",
            ExactKind::Ratio => "a ratio: write a decimal number",
        }
    }
}

/// A double as Java prints it (`Double.toString`): the fewest digits that read as the same number, with an exponent below
/// 0.001 and from ten million upwards.
pub(super) fn double(value: f64) -> String {
    // The only number for which Java writes a second digit although the first is enough.
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
