//! The parts of a value that are secret by themselves: its lines and words, assigned values, the password in a URL, and
//! its decoded forms.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::views::{percent_decoded, text_of};

/// Words that are the values of many variables and reveal nothing. If they were masked, no message could be read.
const TELLING_NOTHING: [&str; 14] = [
    "true", "false", "null", "none", "info", "warn", "warning", "error", "debug", "trace", "http", "https",
    "auto", "default",
];
/// How many times decoded forms are taken apart again.
const DEPTH: usize = 3;
/// The minimum length of a word in a text of several lines to count as a secret. Most of these words are prose.
const WORD_OF_PROSE: usize = 12;
/// The same minimum for a word with a digit in it.
const TOKEN_OF_PROSE: usize = 8;
/// The minimum length of a part of a path to count as a token: `https://hooks.example/services/T0…`.
const PATH_TOKEN: usize = 16;

/// A value and its parts.
pub(super) fn of(value: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    collect(value, DEPTH, &mut parts);
    parts.retain(|part| {
        let part = part.trim();
        !TELLING_NOTHING.iter().any(|word| part.eq_ignore_ascii_case(word))
    });
    parts
}

fn collect(value: &str, depth: usize, parts: &mut BTreeSet<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let mut keep = |part: &str| {
        parts.insert(part.to_owned());
        parts.insert(part.trim().to_owned());
    };
    keep(value);
    let is_prose = value.trim().contains('\n');
    let mut inner: Vec<String> = Vec::new();
    let json: Option<Value> = Some(value)
        .filter(|value| value.trim_start().starts_with(['{', '[', '"']))
        .and_then(|value| serde_json::from_str(value).ok());
    for line in value.lines().map(str::trim) {
        keep(line);
        // The names in JSON are no secrets. Its values are found by parsing it.
        if json.is_some() {
            continue;
        }
        assigned(line).for_each(&mut keep);
        for word in line.split(is_separator).filter(|word| !word.is_empty()) {
            let is_name = word.ends_with([':', '=']);
            let is_token = word.len() >= TOKEN_OF_PROSE && word.contains(|c: char| c.is_ascii_digit());
            if !is_prose || !is_name && (is_token || word.len() >= WORD_OF_PROSE) {
                keep(word);
            }
            assigned(word).for_each(&mut keep);
            of_address(word, &mut keep);
        }
    }
    inner.extend(text_of(&percent_decoded(value.as_bytes())).filter(|decoded| decoded != value));
    if let Ok(bytes) = STANDARD.decode(value.trim())
        && value.len() >= 8
    {
        inner.extend(text_of(&bytes));
    }
    if let Some(json) = json {
        leaves(json, &mut inner);
    }
    for inner in inner {
        collect(&inner, depth, parts);
    }
}

/// Whether a character separates the parts of a command line, a connection string, a query or JSON.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            ';' | ',' | '&' | '|' | '?' | '#' | '"' | '\'' | '`' | '(' | ')' | '{' | '}' | '<' | '>'
        )
}

/// The assigned values: `KEY=value`, `key: value`, `--key=value`.
fn assigned(text: &str) -> impl Iterator<Item = &str> {
    let by_equals = text.split_once('=').map(|(_, value)| unquoted(value));
    let by_colon = text.split_once(':').map(|(_, value)| unquoted(value));
    let by_colon = by_colon.filter(|value| !value.starts_with("//"));
    [by_equals, by_colon].into_iter().flatten()
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// The password before the `@` of a URL or of a data source's name, and the tokens in a URL's path.
fn of_address(word: &str, keep: &mut impl FnMut(&str)) {
    let after_scheme = word.split_once("://").map(|(_, rest)| rest);
    if let Some((user, _)) = after_scheme.unwrap_or(word).rsplit_once('@') {
        let secret = user.split_once(':').map_or(user, |(_, password)| password);
        keep(secret);
        if let Some(decoded) = text_of(&percent_decoded(secret.as_bytes())) {
            keep(&decoded);
        }
    }
    let path = after_scheme.and_then(|rest| rest.split_once('/'));
    for segment in path.into_iter().flat_map(|(_, path)| path.split('/')) {
        let is_mixed = segment.contains(|c: char| c.is_ascii_digit())
            && segment.contains(|c: char| c.is_ascii_alphabetic());
        if segment.len() >= PATH_TOKEN && is_mixed {
            keep(segment);
        }
    }
}

/// The texts within JSON.
fn leaves(json: Value, found: &mut Vec<String>) {
    match json {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.into_iter().for_each(|item| leaves(item, found)),
        Value::Object(map) => map.into_iter().for_each(|(_, item)| leaves(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The password in each URL of a text that is not a secret itself.
pub fn passwords(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in text.split(char::is_whitespace).filter(|word| word.contains("://")) {
        let rest = word.split_once("://").map_or(word, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        if let Some((user, _)) = authority.rsplit_once('@') {
            found.push(user.split_once(':').map_or(user, |(_, password)| password).to_owned());
        }
    }
    found
}
