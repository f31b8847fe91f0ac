//! What of a value is secret by itself: its lines and words, what is assigned in it, the password within a URL, what it
//! reads as.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::views::{percent_decoded, text_of};

/// Words that are values of many a variable and tell nothing; without them no message could be read.
const TELLING_NOTHING: [&str; 14] = [
    "true", "false", "null", "none", "info", "warn", "warning", "error", "debug", "trace", "http", "https",
    "auto", "default",
];
/// How far what a value reads as is taken apart again.
const DEPTH: usize = 3;
/// A word of a text of several lines is a secret only from this length on; most of them are prose.
const WORD_OF_PROSE: usize = 12;
/// The same for one that has a digit in it.
const TOKEN_OF_PROSE: usize = 8;
/// So long a part of a path is a token: `https://hooks.example/services/T0…`.
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
        // The names in JSON are no secrets; what it holds is told by reading it.
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

/// What parts of a command line, of a connection string, of a query and of JSON stand between.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            ';' | ',' | '&' | '|' | '?' | '#' | '"' | '\'' | '`' | '(' | ')' | '{' | '}' | '<' | '>'
        )
}

/// What is assigned: `KEY=value`, `key: value`, `--key=value`.
fn assigned(text: &str) -> impl Iterator<Item = &str> {
    let by_equals = text.split_once('=').map(|(_, value)| unquoted(value));
    let by_colon = text.split_once(':').map(|(_, value)| unquoted(value));
    let by_colon = by_colon.filter(|value| !value.starts_with("//"));
    [by_equals, by_colon].into_iter().flatten()
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// The password before the `@` of a URL or of a data source's name, and the tokens of a URL's path.
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

/// The password within each URL of a text that is no secret itself.
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
