//! A value as the journal keeps it, opened: a text that is taken apart when somebody needs it, since a run may have many
//! large ones, and a process needs one at a time.

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
    /// The value.
    ///
    /// # Errors
    /// With the place in it that is not as `T` wants it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&self.0))
    }

    /// What a column holds, as it is stored.
    pub(super) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The same, opened.
    pub(super) fn opened(self, sealer: &Sealer, spot: Spot) -> Result<Self, JournalError> {
        // What is sealed, or may be taken for it, has a name that begins with a dollar.
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

/// Not what it says.
impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}
