//! A value that no log, error, screen or plain journal column may show.
//!
//! Three words, three ideas: a *confidential* value has a type which says that it is stored sealed; *secrets*
//! (`run::Secrets`) are texts to look for in the messages of others; to *mask* is to put [`MASK`] in the place of
//! either.
//!
//! The invariant: `Debug` masks, and the JSON form is a map with the single key [`marker`]. By this key the journal
//! finds what to seal before it is stored, and reporters find what to mask before it is shown. No name of a user or of
//! the cloud can be mistaken for it.

use std::fmt;
use std::sync::OnceLock;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::id::RunId;

/// The key of the one-entry JSON map that stands for a confidential value within this process.
///
/// # Design
/// Each process draws it anew and never stores it, so that no tag, environment variable or filter can have the same
/// name. With a fixed name, every type with a user's map would have to escape the map's keys when it is serialised.
pub fn marker() -> &'static str {
    static MARKER: OnceLock<String> = OnceLock::new();
    MARKER.get_or_init(|| format!("$confidential {}", RunId::random()))
}

/// The text shown in place of a confidential value.
pub const MASK: &str = "***";

/// A value that is stored only sealed and never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Confidential<T>(T);

impl<T> Confidential<T> {
    /// Marks `value` as confidential.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the request that needs it. The name makes each use stand out in a review.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Confidential<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl<T: Serialize> Serialize for Confidential<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(marker(), &self.0)])
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Confidential<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Map::deserialize(deserializer)?;
        let inner = map
            .remove(marker())
            .ok_or_else(|| D::Error::custom("expected a confidential value that has been unsealed"))?;
        serde_json::from_value(inner).map(Self).map_err(D::Error::custom)
    }
}

/// Replaces every confidential value inside `json` by the mask, at any depth.
pub fn mask(json: &mut Value) {
    match json {
        Value::Object(map) if map.contains_key(marker()) => *json = Value::String(MASK.to_owned()),
        Value::Object(map) => map.values_mut().for_each(mask),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn debug_and_mask_hide_what_the_round_trip_keeps() {
        let secret = Confidential::new(vec!["hunter2".to_owned()]);
        assert_eq!(format!("{secret:?}"), MASK);

        let mut stored = json!({"a": [serde_json::to_value(&secret).expect("strings serialise")]});
        let back: Confidential<Vec<String>> =
            serde_json::from_value(stored["a"][0].clone()).expect("what was written can be read");
        assert_eq!(back, secret);

        mask(&mut stored);
        assert_eq!(stored, json!({"a": [MASK]}));
    }
}
