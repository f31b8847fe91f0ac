//! What stands in a column of JSON: sealed values under a name of ours, and everybody else's names, escaped where they
//! look like ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::run::{MASK, marker};

/// The key of the one-entry map that stands for a sealed value in a column.
pub(super) const SEALED: &str = "$sealed";
/// The same for one that is not sealed: within a sealed text, and never in a column.
pub(super) const CONFIDENTIAL: &str = "$confidential";
/// How a text begins that is bound to its place. One of before has no such beginning and is bound to its run alone.
pub(super) const BOUND: &str = "2.";
/// What a sealed value has at least: the nonce and the tag of XChaCha20-Poly1305.
const SEALED_BYTES_LEAST: usize = 24 + 16;

/// The sealed text that `map` stands for.
///
/// A journal of before holds users' own names as they are: what cannot be a sealed text is one of those.
pub(super) fn sealed_text(map: &Map<String, Value>) -> Option<&str> {
    let text = map.get(SEALED)?.as_str().filter(|_| map.len() == 1)?;
    let is_sealed =
        text.starts_with(BOUND) || STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= SEALED_BYTES_LEAST);
    is_sealed.then_some(text)
}

/// How what is sealed within a stored text is sealed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forms {
    /// Something is bound to its place.
    pub(super) is_bound: bool,
    /// Something is bound to its run alone, as it was before.
    pub(super) is_of_before: bool,
}

/// How what is sealed within a stored text is sealed.
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

/// Whether `name` is one of ours, behind any number of dollars.
fn looks_like_ours(name: &str) -> bool {
    let bare = name.trim_start_matches('$');
    bare.len() < name.len() && [SEALED, CONFIDENTIAL].iter().any(|ours| bare == &ours[1..])
}

/// The form in which a name of a user's or the cloud's is stored.
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

/// `json` with the name that confidential values have in every process in place of this process's own, for what is
/// confidential within something that is.
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

/// A stored text for those who read without the key: the mask in place of sealed values.
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
