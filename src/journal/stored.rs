//! The content of a JSON column: sealed values under a name of ours, and all other names, escaped if they look like
//! ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::run::{MASK, marker};

/// The key of the one-entry map that stands for a sealed value in a column.
pub(super) const SEALED: &str = "$sealed";
/// The same for a value that is not sealed. It occurs only inside a sealed text, and never in a column.
pub(super) const CONFIDENTIAL: &str = "$confidential";
/// The beginning of a text that is bound to its place. Texts of older versions lack it, and are bound only to their
/// run.
pub(super) const BOUND: &str = "2.";
/// The minimum length of a sealed value: the nonce and the tag of XChaCha20-Poly1305.
const SEALED_BYTES_LEAST: usize = 24 + 16;

/// The sealed text that `map` stands for.
///
/// A journal of an older version holds users' names unescaped, so a value that cannot be a sealed text is one of the
/// user's.
pub(super) fn sealed_text(map: &Map<String, Value>) -> Option<&str> {
    let text = map.get(SEALED)?.as_str().filter(|_| map.len() == 1)?;
    let is_sealed =
        text.starts_with(BOUND) || STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= SEALED_BYTES_LEAST);
    is_sealed.then_some(text)
}

/// How the values inside a stored text are sealed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forms {
    /// A value is bound to its place.
    pub(super) is_bound: bool,
    /// A value is bound only to its run, as in older versions.
    pub(super) is_of_before: bool,
}

/// Finds out how the values inside a stored text are sealed.
pub(super) fn forms(json: &Value) -> Forms {
    let all = |values: &mut dyn Iterator<Item = &Value>| {
        values.map(forms).fold(Forms::default(), |all, one| Forms {
            is_bound: all.is_bound || one.is_bound,
            is_of_before: all.is_of_before || one.is_of_before,
        })
    };
    match json {
        Value::Object(map) => match sealed_text(map) {
            Some(text) => {
                let is_bound = text.starts_with(BOUND);
                Forms { is_bound, is_of_before: !is_bound }
            }
            None => all(&mut map.values()),
        },
        Value::Array(items) => all(&mut items.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Forms::default(),
    }
}

/// Whether `name` is one of ours, after any number of dollars.
fn looks_like_ours(name: &str) -> bool {
    let bare = name.trim_start_matches('$');
    bare.len() < name.len() && [SEALED, CONFIDENTIAL].iter().any(|ours| bare == &ours[1..])
}

/// The stored form of a name of a user or of the cloud.
pub(super) fn escaped(name: String) -> String {
    if looks_like_ours(&name) { format!("${name}") } else { name }
}

/// The reverse of [`escaped`].
pub(super) fn unescaped(stored: String) -> String {
    match stored.strip_prefix('$') {
        Some(name) if looks_like_ours(name) => name.to_owned(),
        Some(_) | None => stored,
    }
}

/// Replaces this process's name for confidential values by the name that is the same in every process. For a
/// confidential value inside another one.
pub(super) fn neutral(json: Value) -> Value {
    renamed(json, &|name| if name == marker() { CONFIDENTIAL.to_owned() } else { escaped(name) })
}

/// The reverse of [`neutral`].
pub(super) fn restored(json: Value) -> Value {
    renamed(json, &|name| if name == CONFIDENTIAL { marker().to_owned() } else { unescaped(name) })
}

fn renamed(json: Value, rename: &impl Fn(String) -> String) -> Value {
    match json {
        Value::Object(map) => {
            let entries = map.into_iter().map(|(name, value)| (rename(name), renamed(value, rename)));
            Value::Object(entries.collect())
        }
        Value::Array(items) => items.into_iter().map(|item| renamed(item, rename)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json,
    }
}

/// A stored text for readers without the key: sealed values are masked.
pub(super) fn masked(json: Value) -> Value {
    match json {
        Value::Object(map) if sealed_text(&map).is_some() => Value::String(MASK.to_owned()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(stored, value)| (unescaped(stored), masked(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json,
    }
}
