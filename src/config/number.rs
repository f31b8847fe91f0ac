//! Reads and prints numbers as Clojure does. A number within a text is part of a name: `#join ["httpd:" 2.0]` is another
//! image than `httpd:2`. A number therefore keeps its exact form until it becomes JSON.

use super::exact::{Exact, ExactKind};
use super::node::Tree;

/// The most digits of a whole number, so that a file full of digits is an error and not an endless computation.
const DIGITS_LIMIT: usize = 1_000;

/// Whether a word should be a number: it begins with a digit, or with a sign and a digit.
pub(super) fn is_meant(word: &str) -> bool {
    word.strip_prefix(['+', '-']).unwrap_or(word).starts_with(|c: char| c.is_ascii_digit())
}

/// Reads a number: integers in every radix, decimals, both with their suffix for "big", and ratios.
pub(super) fn read(word: &str) -> Result<Tree, String> {
    let (is_negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    if let Some((numerator, denominator)) = digits.split_once('/') {
        return ratio(is_negative, numerator, denominator).ok_or_else(|| format!("`{word}` is not a number"));
    }
    if let Some((radix, body, is_big)) = whole(digits) {
        if body.len() > DIGITS_LIMIT {
            return Err(format!("a number of more than {DIGITS_LIMIT} digits means nothing here"));
        }
        let is_right = !body.is_empty() && body.chars().all(|c| c.is_digit(radix));
        let text = decimal_digits(body, radix);
        let text = if is_negative && text != "0" { format!("-{text}") } else { text };
        let read = match text.parse() {
            Ok(value) if !is_big => Tree::Int(value),
            Ok(_) | Err(_) => Tree::Exact(Exact { text, kind: ExactKind::Whole }),
        };
        return if is_right { Ok(read) } else { Err(format!("`{word}` is not a number")) };
    }
    let (fraction, is_big) = digits.strip_suffix('M').map_or((digits, false), |digits| (digits, true));
    let parts = decimal(fraction).ok_or_else(|| format!("`{word}` is not a number"))?;
    if is_big {
        let text = parts.printed(is_negative).ok_or_else(|| format!("`{word}` is not a number"))?;
        return Ok(Tree::Exact(Exact { text, kind: ExactKind::Decimal }));
    }
    let value: Option<f64> = fraction.parse().ok().filter(|value: &f64| value.is_finite());
    let value = value.ok_or_else(|| format!("`{word}` is a number too large to mean anything here"))?;
    Ok(Tree::Float(if is_negative { -value } else { value }))
}

/// The radix and the digits of an integer, and whether it is a big one. The caller refuses digits that the radix does not
/// have: `08` is not a decimal number.
fn whole(digits: &str) -> Option<(u32, &str, bool)> {
    if let Some((radix, body)) = digits.split_once(['r', 'R']) {
        let radix = radix.parse().ok().filter(|radix| (2..=36).contains(radix) && !digits.starts_with('0'));
        // An `N` after a radix is one of its digits, or an error. An empty body is refused later.
        return Some(radix.map_or((10, "", false), |radix| (radix, body, false)));
    }
    let (body, is_big) = digits.strip_suffix('N').map_or((digits, false), |digits| (digits, true));
    if let Some(body) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        return Some((16, body, is_big));
    }
    if !body.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let is_octal = body.len() > 1 && body.starts_with('0');
    Some(if is_octal { (8, &body[1..], is_big) } else { (10, body, is_big) })
}

/// Converts digits of any radix to decimal digits, without leading zeros.
fn decimal_digits(body: &str, radix: u32) -> String {
    let mut decimal: Vec<u8> = vec![0];
    for digit in body.chars().filter_map(|c| c.to_digit(radix)) {
        let mut carry = digit;
        for place in &mut decimal {
            let value = u32::from(*place) * radix + carry;
            *place = u8::try_from(value % 10).unwrap_or_default();
            carry = value / 10;
        }
        while carry > 0 {
            decimal.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    decimal.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

/// A ratio in lowest terms. It is an integer if the division is exact.
fn ratio(is_negative: bool, numerator: &str, denominator: &str) -> Option<Tree> {
    let part = |text: &str| -> Option<i64> {
        text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let (numerator, denominator) = (part(numerator)?, part(denominator).filter(|part| *part > 0)?);
    let (mut divisor, mut rest) = (denominator, numerator);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let numerator = numerator / divisor * if is_negative { -1 } else { 1 };
    Some(match denominator / divisor {
        1 => Tree::Int(numerator),
        denominator => {
            Tree::Exact(Exact { text: format!("{numerator}/{denominator}"), kind: ExactKind::Ratio })
        }
    })
}

/// The parts of a decimal number.
struct Decimal {
    /// All digits, including those after the point.
    digits: String,
    /// How many of the digits are after the point. Negative if an exponent adds zeros at the end.
    scale: i64,
}

/// `12.5e-3`. Only the part before the point is required.
fn decimal(text: &str) -> Option<Decimal> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let is_right = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
            let exponent: i32 = is_right.then(|| exponent.parse().ok()).flatten()?;
            (number, i64::from(exponent))
        }
        None => (text, 0),
    };
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let is_right = !before.is_empty() && before.chars().chain(after.chars()).all(|c| c.is_ascii_digit());
    let scale = i64::try_from(after.len()).ok()? - exponent;
    is_right.then(|| Decimal { digits: format!("{before}{after}"), scale })
}

impl Decimal {
    /// The number as Java's `BigDecimal.toString` prints it: with trailing zeros, and with an exponent if the point would be
    /// far away.
    fn printed(&self, is_negative: bool) -> Option<String> {
        let digits = match self.digits.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        };
        let sign = if is_negative && digits != "0" { "-" } else { "" };
        let count = i64::try_from(digits.len()).ok()?;
        let exponent = count - 1 - self.scale;
        i32::try_from(self.scale).ok()?;
        if self.scale == 0 {
            return Some(format!("{sign}{digits}"));
        }
        if self.scale > 0 && exponent >= -6 {
            let places = usize::try_from(self.scale).ok()?;
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (before, after) = padded.split_at(padded.len() - places);
            return Some(format!("{sign}{before}.{after}"));
        }
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent = if exponent == 0 { String::new() } else { format!("E{exponent:+}") };
        Some(format!("{sign}{first}{point}{rest}{exponent}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{edn, node::Node, problem::Position};
    use super::*;
    use crate::config::exact::double;

    /// The results of Clojure's `edn/read-string`, `str` and `pr-str` for each word, recorded from Clojure itself.
    const TABLE: &str = include_str!("testdata/numbers.tsv");

    #[test]
    fn every_number_is_read_and_printed_as_clojure_does() {
        assert!(TABLE.lines().count() > 250);
        for line in TABLE.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let read = edn::read(columns[0], &Position::default());
            match (columns[1], &read) {
                ("!", read) => assert!(read.is_err(), "{line}: {read:?}"),
                ("(symbol)", Ok(Node { tree: Tree::Key(name), .. })) => assert_eq!(name, columns[0]),
                (text, Ok(node)) => {
                    assert_eq!(node.scalar_text().as_deref(), Some(text), "{line}");
                    assert_eq!(edn::print(node), columns[2], "{line}");
                }
                (_, Err(problem)) => panic!("{line}: {problem}"),
            }
        }
    }

    #[test]
    fn a_number_without_end_is_an_error() {
        assert!(read(&"9".repeat(100_000)).is_err());
        assert!(read("1e999999999999M").is_err());
        assert!(read("1e999").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_word_is_read_or_refused_and_what_is_printed_reads_the_same(word in "[+-]?[0-9][0-9a-fA-FxXrNMeE./+-]{0,12}") {
            if let Ok(tree) = read(&word) {
                let node = Node::new(tree, Position::default());
                let printed = edn::print(&node);
                let again = edn::read(&printed, &Position::default()).map(|node| edn::print(&node));
                proptest::prop_assert_eq!(again.ok(), Some(printed));
            }
        }

        #[test]
        fn a_double_reads_back_as_itself(bits in proptest::num::u64::ANY) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                proptest::prop_assert_eq!(double(value).parse::<f64>().ok(), Some(value));
            }
        }
    }
}
