//! How values are stored in the journal and read back.
//!
//! The invariant: a run goes on with the values that its resume would read. So each value is encoded, and read back as
//! text, before it is kept. A value that does not survive this is refused, and the error names the place in it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Serializer, Track};

use crate::journal::Kept;
use crate::run::{Failure, marker};

/// A value that cannot be stored and read again.
#[derive(Debug, thiserror::Error)]
#[error("at `{path}`: {message}")]
pub(super) struct Unfit {
    path: String,
    message: String,
}

impl Unfit {
    fn at(path: &str, message: String) -> Self {
        // The rest of the path contains names of this process, and is confidential.
        let path = path.split(marker()).next().unwrap_or_default().trim_end_matches('.');
        Self { path: if path.is_empty() { ".".to_owned() } else { path.to_owned() }, message }
    }

    /// The failure of a run that cannot store this value.
    pub(super) fn failure(&self, what: &str) -> Failure {
        Failure::ours(format!("keeping {what}"), self.to_string())
    }
}

/// Encodes a value as it is stored.
pub(super) fn encode(value: &impl Serialize) -> Result<Value, Unfit> {
    let mut track = Track::new();
    let encoded = value.serialize(Serializer::new(serde_json::value::Serializer, &mut track));
    encoded.map_err(|error| Unfit::at(&track.path().to_string(), error.to_string()))
}

/// Decodes a stored value.
pub(super) fn decode<T: DeserializeOwned>(stored: &Value) -> Result<T, Unfit> {
    serde_path_to_error::deserialize(stored)
        .map_err(|error| Unfit::at(&error.path().to_string(), error.inner().to_string()))
}

/// Decodes a value that the journal keeps as text.
pub(super) fn read<T: DeserializeOwned>(kept: &Kept) -> Result<T, Unfit> {
    kept.read().map_err(|error| Unfit::at(&error.path().to_string(), error.inner().to_string()))
}

/// Encodes a value and decodes it again. Returns both.
pub(super) fn through<T: Serialize + DeserializeOwned>(value: &T) -> Result<(Value, T), Unfit> {
    let stored = encode(value)?;
    // It is read back as text, because JSON that is nested too deeply can be written but not read.
    let read: Value =
        serde_json::from_str(&stored.to_string()).map_err(|error| Unfit::at("", error.to_string()))?;
    let value = decode(&read)?;
    Ok((stored, value))
}

/// Sorts the keys of every map, so that the iteration order of a map makes no difference.
pub(super) fn sort(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.sort_keys();
            map.values_mut().for_each(sort);
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Inner {
        share: f64,
        #[serde(default)]
        by_place: BTreeMap<String, u128>,
    }

    fn outer(share: f64, count: u128) -> Outer {
        Outer { inner: vec![Inner { share, by_place: BTreeMap::from([("here".to_owned(), count)]) }] }
    }

    #[test]
    fn what_does_not_come_back_is_refused_with_its_place() {
        let refusal = |value| through::<Outer>(&value).expect_err("it is unfit").to_string();
        assert_eq!(refusal(outer(f64::NAN, 1)), "at `inner[0].share`: invalid type: null, expected f64");
        assert!(refusal(outer(0.5, u128::MAX)).starts_with("at `inner[0].by_place.here`: "));
        through(&outer(0.1 + 0.2, u128::from(u64::MAX))).expect("it is fit");
    }

    #[test]
    fn what_lies_too_deep_is_refused_before_it_is_written() {
        let deep = (0..130).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let refusal = through(&deep).expect_err("it is unfit").to_string();
        assert!(refusal.contains("recursion limit exceeded"), "{refusal}");
    }

    #[test]
    fn the_order_of_keys_is_one() {
        let mut value = serde_json::json!([{"b": {"d": 1, "c": 2}, "a": 3}]);
        sort(&mut value);
        assert_eq!(value.to_string(), r#"[{"a":3,"b":{"c":2,"d":1}}]"#);
    }
}
