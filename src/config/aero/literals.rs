//! `#inst` and `#uuid`, EDN's own tags: their texts are checked as Clojure checks them, and stay texts.

use std::str::Chars;

use chrono::NaiveDate;

use super::values::required_text;
use crate::config::node::Node;
use crate::config::problem::Problem;

/// How many digits the parts of a UUID have.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// A UUID as Java prints it: in lower case, with its leading zeros.
pub(super) fn uuid(form: &Node) -> Result<String, Problem> {
    let text = required_text(form)?;
    let groups: Vec<&str> = text.split('-').collect();
    let is_right = |group: &str, width: usize| {
        (1..=width).contains(&group.len()) && group.chars().all(|c| c.is_ascii_hexdigit())
    };
    if groups.len() != GROUPS.len() || !groups.iter().zip(GROUPS).all(|(group, width)| is_right(group, width))
    {
        return Err(form.problem("", "#uuid expects one such as 0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"));
    }
    let groups: Vec<String> =
        groups.iter().zip(GROUPS).map(|(group, width)| format!("{group:0>width$}")).collect();
    Ok(groups.join("-").to_ascii_lowercase())
}

/// An instant as it is written: a year, and as many further parts as are given (`clojure.instant`).
pub(super) fn instant(form: &Node) -> Result<String, Problem> {
    let text = required_text(form)?;
    match is_instant(text) {
        Some(true) => Ok(text.to_owned()),
        Some(false) | None => {
            Err(form
                .problem("", "#inst expects a time such as 2026-01-31T12:00:00Z, or the beginning of one"))
        }
    }
}

fn is_instant(text: &str) -> Option<bool> {
    let mut rest = text.chars();
    let year = number(&mut rest, 4)?;
    let (mut month, mut day, mut hour, mut minute, mut second) = (1, 1, 0, 0, 0);
    // Each part requires the one before it.
    let parts =
        [('-', &mut month), ('-', &mut day), ('T', &mut hour), (':', &mut minute), (':', &mut second)];
    let mut n_parts = 0;
    for (separator, part) in parts {
        // A `-` may also begin the offset. Then a `:` follows the number.
        let is_offset = separator == '-' && rest.as_str().get(3..4) == Some(":");
        if !rest.as_str().starts_with(separator) || is_offset {
            break;
        }
        rest.next();
        *part = number(&mut rest, 2)?;
        n_parts += 1;
    }
    if n_parts == 5 && rest.as_str().starts_with('.') {
        rest.next();
        let digits = rest.as_str().find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.as_str().len());
        if digits == 0 {
            return None;
        }
        rest = rest.as_str()[digits..].chars();
    }
    let is_date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day).is_some();
    let is_time = hour < 24 && minute < 60 && second <= if minute == 59 { 60 } else { 59 };
    Some(is_date && is_time && is_offset(rest.as_str())?)
}

/// The text after the time: nothing, `Z`, or hours and minutes.
fn is_offset(text: &str) -> Option<bool> {
    if matches!(text, "" | "Z") {
        return Some(true);
    }
    let mut rest = text.strip_prefix(['+', '-'])?.chars();
    let hours = number(&mut rest, 2)?;
    let is_divided = rest.next()? == ':';
    let minutes = number(&mut rest, 2)?;
    Some(is_divided && hours < 24 && minutes < 60 && rest.as_str().is_empty())
}

/// A number of exactly `n_digits` digits.
fn number(text: &mut Chars<'_>, n_digits: usize) -> Option<u32> {
    let mut value = 0;
    for _ in 0..n_digits {
        value = value * 10 + text.next()?.to_digit(10)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::node::Tree;
    use crate::config::problem::Position;

    fn node(text: &str) -> Node {
        Node::new(Tree::Str(text.to_owned()), Position::default())
    }

    #[test]
    fn an_instant_is_checked_as_clojure_does() {
        for text in [
            "2026",
            "2026-01",
            "2026-01-31",
            "2026-01-31T12",
            "2026-01-31T12:30",
            "2026-01-31T12:30:59",
            "2026-01-31T12:59:60",
            "2026-01-31T12:30:59.123456789Z",
            "2026-01-31T12:30:59.1+02:00",
            "2026Z",
            "2026-02:00",
            "2024-02-29",
        ] {
            assert_eq!(instant(&node(text)).as_deref(), Ok(text));
        }
        for text in [
            "",
            "now",
            "26",
            "2026-13",
            "2026-00",
            "2026-02-29",
            "2026-1-1",
            "2026-01-31T24",
            "2026-01-31T12:60",
            "2026-01-31T12:30:60",
            "2026-01-31T12:30:59.",
            "2026-01-31T12:30:59.Z",
            "2026-01-31 12:30",
            "2026z",
            "2026-01-31T12:30:59+0200",
            "2026-01-31T12:30:59+25:00",
            "2026-01-31T12:30:59Zx",
            "é026",
        ] {
            assert!(instant(&node(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_uuid_is_checked_and_printed_as_java_does() {
        for (text, expected) in [
            ("0A1B2C3D-0a1b-0a1b-0a1b-0a1b2c3d4e5f", Some("0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f")),
            ("1-1-1-1-1", Some("00000001-0001-0001-0001-000000000001")),
            ("0f0f", None),
            ("", None),
            ("1-1-1-1", None),
            ("1-1-1-1-1-1", None),
            ("1-1--1-1", None),
            ("g-1-1-1-1", None),
        ] {
            assert_eq!(uuid(&node(text)).ok().as_deref(), expected, "{text}");
        }
    }
}
