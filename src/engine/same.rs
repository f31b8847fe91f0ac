//! Compares the step that a workflow asks for with the recorded one, and says what differs.
//!
//! The invariant: both are compared as this program reads them. So a field that an older version did not write, or that
//! no longer exists, makes no difference if the program has a default for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::activity::Activity;
use super::codec::{encode, read, sort, through};
use super::stop::{Diverged, Stop};
use crate::journal::{Kept, NewStep, StoredStep};
use crate::run::{Effect, Seq, StepId, mask};

/// How much of a differing value is shown.
const SHOWN_MOST: usize = 60;

/// A step, as its workflow asks for it.
pub(super) struct Asked {
    pub(super) step: NewStep,
}

/// The step that a workflow asks for under this name.
pub(super) fn asked<A: Activity>(seq: Seq, name: &str, activity: &A, effect: Effect) -> Result<Asked, Stop> {
    let (input, _) = through(activity)
        .map_err(|unfit| Stop::Ours(unfit.failure(&format!("the input of step {seq} ({name})"))))?;
    let mut open = opened(&input);
    sort(&mut open);
    let (activity, subject, input_digest) = (name.to_owned(), activity.subject(), digest(&open));
    let id = StepId::of(&activity, subject.as_deref());
    Ok(Asked { step: NewStep { id, activity, subject, effect, input, input_digest } })
}

/// An input without its secrets.
fn opened(input: &Value) -> Value {
    let mut open = input.clone();
    mask(&mut open);
    open
}

fn digest(open: &Value) -> String {
    STANDARD_NO_PAD.encode(Sha256::digest(open.to_string()))
}

impl Asked {
    /// Makes sure that the step is the recorded one.
    ///
    /// # Errors
    /// [`Stop::Diverged`], with the difference. The run must then change nothing.
    pub(super) fn expect<A: Activity>(&self, recorded: &StoredStep, activity: &A) -> Result<(), Stop> {
        let asked = &self.step;
        let has_the_name = recorded.activity == asked.activity
            || asked.activity == A::NAME && is_called::<A>(&recorded.activity);
        let difference = if !has_the_name {
            None
        } else if recorded.effect != asked.effect {
            let (recorded, asked) = (recorded.effect.as_str(), asked.effect.as_str());
            Some(format!("a {recorded} is recorded, and a {asked} is asked for"))
        } else if recorded.input_digest == asked.input_digest
            // Older versions did not sort the keys.
            || recorded.input_digest == digest(&opened(&asked.input))
        {
            return Ok(());
        } else {
            match difference(&recorded.input, activity) {
                None => return Ok(()),
                difference => difference,
            }
        };
        Err(Stop::Diverged(Diverged {
            seq: recorded.seq,
            recorded: named(&recorded.activity, recorded.subject.as_deref()),
            asked: named(&asked.activity, asked.subject.as_deref()),
            difference,
        }))
    }
}

/// The difference between a recorded activity and one that is asked for, as this program reads both.
fn difference<A: Activity>(recorded: &Kept, asked: &A) -> Option<String> {
    let identity = |activity: &A| {
        let mut identity = activity.identity().map_or_else(|| encode(activity), Ok)?;
        mask(&mut identity);
        Ok(identity)
    };
    match read::<A>(recorded).and_then(|recorded| Ok((identity(&recorded)?, identity(asked)?))) {
        Ok((recorded, asked)) => first_difference(&recorded, &asked, ""),
        Err(unfit) => Some(format!("what is recorded cannot be read here: {unfit}")),
    }
}

/// The first place at which two values differ, and what each holds there.
fn first_difference(recorded: &Value, asked: &Value, path: &str) -> Option<String> {
    match (recorded, asked) {
        (Value::Object(one), Value::Object(other)) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            keys.into_iter().find_map(|key| {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                first_difference(&of(one), &of(other), &at(key))
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(n, (one, other))| first_difference(one, other, &format!("{path}[{n}]")))
        }
        _ if recorded == asked => None,
        _ => {
            let place = if path.is_empty() { String::new() } else { format!("at `{path}`, ") };
            Some(format!("{place}{} is recorded, and {} is asked for", shown(recorded), shown(asked)))
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether the journal names an activity so, now or in an earlier version of the program.
pub(super) fn is_called<A: Activity>(name: &str) -> bool {
    name == A::NAME || A::ALIASES.contains(&name)
}

/// A step's name and subject, as a divergence shows them.
pub(super) fn named(activity: &str, subject: Option<&str>) -> String {
    subject.map_or_else(|| activity.to_owned(), |subject| format!("{activity} {subject}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_place_that_differs_is_named_with_what_stands_there() {
        let differs = |one: Value, other: Value| first_difference(&one, &other, "");
        assert_eq!(differs(json!({"a": 1, "b": [2]}), json!({"b": [2], "a": 1})), None);
        let found = differs(json!({"a": {"b": [1, "x"]}}), json!({"a": {"b": [1, "y"]}}));
        assert_eq!(found.as_deref(), Some("at `a.b[1]`, \"x\" is recorded, and \"y\" is asked for"));
        let found = differs(json!({}), json!({"new": "é".repeat(100)})).expect("it differs");
        assert!(found.starts_with("at `new`, null is recorded, and \"éé") && found.contains('…'), "{found}");
        let found = differs(json!([1]), json!([1, 2])).expect("it differs");
        assert_eq!(found, "[1] is recorded, and [1,2] is asked for");
    }
}
