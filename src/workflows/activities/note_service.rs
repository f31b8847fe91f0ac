//! Notes when the new version has taken over all requests. What follows takes the old one away, and its users wait for none of it.

use serde::{Deserialize, Serialize};

use super::left::fact;
use crate::engine::{Activity, Cx, Read};
use crate::run::{Facts, Failure, stamp};
use crate::workflows::World;
use crate::workflows::kinship::IN_SERVICE_AT;

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::workflows) struct NoteService {}

impl Activity for NoteService {
    const NAME: &'static str = "note-service";
    type World = World;
    /// The time, as it is published.
    type Output = String;

    fn note(_: &String) -> Option<String> {
        Some("the new version serves from here on".to_owned())
    }

    fn facts(at: &String) -> Facts {
        fact(IN_SERVICE_AT, at)
    }

    async fn execute(&self, cx: &Cx<'_, World>) -> Result<String, Failure> {
        Ok(stamp(cx.clock.now()))
    }
}

impl Read for NoteService {}
