//! Converts rows to the words of a run, and back. A value that this program never wrote is an error that names its
//! place.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::JournalError;
use crate::run::{Seq, Timestamp};

/// A column's name, for errors about its content.
#[derive(Clone, Copy)]
pub(super) struct Column(pub(super) &'static str, pub(super) &'static str);

impl Column {
    pub(super) fn error(self, detail: impl Display) -> JournalError {
        JournalError::Decode { table: self.0, column: self.1, detail: detail.to_string() }
    }

    pub(super) fn json<T: DeserializeOwned>(self, text: &str) -> Result<T, JournalError> {
        serde_json::from_str(text).map_err(|error| self.error(error))
    }

    pub(super) fn json_or_none<T: DeserializeOwned>(
        self,
        text: Option<&str>,
    ) -> Result<Option<T>, JournalError> {
        text.map(|text| self.json(text)).transpose()
    }

    pub(super) fn parse<T: std::str::FromStr<Err: Display>>(self, text: &str) -> Result<T, JournalError> {
        text.parse().map_err(|error| self.error(error))
    }

    pub(super) fn time(self, millis: i64) -> Result<Timestamp, JournalError> {
        Timestamp::from_timestamp_millis(millis).ok_or_else(|| self.error("not a point in time"))
    }

    pub(super) fn time_or_none(self, millis: Option<i64>) -> Result<Option<Timestamp>, JournalError> {
        millis.map(|millis| self.time(millis)).transpose()
    }

    pub(super) fn number(self, number: i64) -> Result<u32, JournalError> {
        u32::try_from(number).map_err(|error| self.error(error))
    }

    pub(super) fn seq(self, number: i64) -> Result<Seq, JournalError> {
        Seq::new(self.number(number)?).ok_or_else(|| self.error("a step's number begins at 1"))
    }
}

/// The JSON text of one of our own types.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our types have string keys and no fallible serialisers")
}

pub(super) fn millis(at: Timestamp) -> i64 {
    at.timestamp_millis()
}

pub(super) fn after(at: Timestamp, delay: Duration) -> i64 {
    millis(at).saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX / 2))
}
