//! A value as the journal keeps it, opened. It stays a text until somebody needs it, because a run may have many large
//! values, and a process needs one at a time.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::JournalError;
use super::row::Column;
use super::seal::{Sealer, Spot};

/// The text of a JSON value, opened. It may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept(String);

impl Kept {
    /// Parses the value.
    ///
    /// # Errors
    /// When the text does not fit `T`, with the place in it.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
    ) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&self.0))
    }

    /// The text of a column, as it is stored.
    pub(super) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The same value, opened.
    pub(super) fn opened(self, sealer: &Sealer, spot: Spot) -> Result<Self, JournalError> {
        // The names that mark sealed values, or look like them, all begin with a dollar.
        if !self.0.contains("\"$") {
            return Ok(self);
        }
        Ok(Self(sealer.open(self.json(spot.column)?, spot)?.to_string()))
    }

    /// The value as JSON.
    pub(super) fn json(&self, column: &'static str) -> Result<Value, JournalError> {
        Column("steps", column).json(&self.0)
    }
}

/// Hides the text.
impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}
