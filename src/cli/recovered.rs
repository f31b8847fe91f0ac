//! What was inferred of a run, for people and for scripts, and how sure each line is.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::reporter::with_subject;
use super::ui::{plain, short_ids};
use crate::journal::{Recalled, Recollection};
use crate::run::{Effect, stamp};
use crate::workflows::LostRun;

/// What came of it, for people.
pub(super) fn screen(name: &str, lost: &LostRun, recollection: &Recollection) -> String {
    let id = lost.run.short();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["STEP", "HOW SURE", ""]);
    for recalled in &recollection.steps {
        let note = recalled.done.as_ref().and_then(|done| done.note.as_deref()).unwrap_or_default();
        table.add_row([
            with_subject(&recalled.step.activity, recalled.step.subject.as_deref()),
            certainty(recalled).in_words().to_owned(),
            plain(&short_ids(note)),
        ]);
    }
    let left = recollection.left.as_ref().map(|left| left.message.as_str()).unwrap_or_default();
    let mut lines = vec![
        format!("run {id} of {} is recovered, and suspended: {}", plain(name), plain(&short_ids(left))),
        table.trim_fmt(),
    ];
    let (resumes, goes_back) = (format!("deployctl resume {id}"), format!("deployctl rollback {id}"));
    if !recollection.goes_back {
        lines.push(format!("  go on         {resumes}"));
    }
    lines.push(format!("  take it back  {goes_back}"));
    lines.join("\n")
}

/// The form for scripts, which the README describes.
pub(super) fn published(lost: &LostRun, recollection: &Recollection) -> Value {
    let steps = recollection.steps.iter().map(|recalled| {
        let warnings = recalled.done.as_ref().map(|done| done.warnings.clone()).unwrap_or_default();
        json!({
            "name": recalled.step.activity,
            "subject": recalled.step.subject,
            "certainty": certainty(recalled).name(),
            "assumed": warnings,
        })
    });
    json!({
        "instance_id": lost.instance.as_str(),
        "since": lost.since.map(stamp),
        "phase": lost.phase,
        "same_specification": !recollection.goes_back,
        "steps": steps.collect::<Vec<Value>>(),
    })
}

/// How sure a line is.
#[derive(Clone, Copy)]
enum Certainty {
    /// Its effect is seen in the cloud.
    Seen,
    /// It is what a look finds now.
    AsNow,
    /// A later change could not have been made without it.
    Follows,
    /// A part of it cannot be known any more, and is assumed.
    Assumed,
    /// Its effect is not seen, but its request may be on its way.
    InDoubt,
}

impl Certainty {
    const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::AsNow => "as-now",
            Self::Follows => "follows",
            Self::Assumed => "assumed",
            Self::InDoubt => "in-doubt",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::AsNow => "as it is now",
            Self::Follows => "follows from what came after",
            Self::Assumed => "in part assumed",
            Self::InDoubt => "not seen, in doubt",
        }
    }
}

fn certainty(recalled: &Recalled) -> Certainty {
    match (&recalled.done, recalled.step.effect) {
        (None, _) => Certainty::InDoubt,
        (Some(done), _) if !done.warnings.is_empty() => Certainty::Assumed,
        (Some(_), Effect::Mutation) => Certainty::Seen,
        (Some(_), Effect::Read) => Certainty::AsNow,
        (Some(_), Effect::Wait) => Certainty::Follows,
    }
}
