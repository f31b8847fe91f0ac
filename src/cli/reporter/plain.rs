//! One plain line per event, for logs and CI: time, deployment, run, step, and what happened.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::cli::ui::{Ui, between, duration, plain};
use crate::run::{Event, EventKind, Seq, Timestamp, Update, stamp};

/// The longest silence while a step goes on: a log that stands still looks like a process that hangs.
const SILENCE_MOST: TimeDelta = TimeDelta::seconds(30);

pub(in crate::cli) struct Plain {
    ui: Ui,
    name: String,
    begun: HashMap<Seq, (String, Timestamp)>,
    beat: Option<Beat>,
}

/// The step that goes on, and the last report about it.
struct Beat {
    run: String,
    step: String,
    since: Timestamp,
    said_at: Timestamp,
    progress: String,
}

impl Plain {
    pub(super) fn new(ui: Ui, name: &str) -> Self {
        Self { ui, name: name.to_owned(), begun: HashMap::new(), beat: None }
    }

    /// Reports that a step still goes on, if nothing was reported for a while.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if let Some(line) = self.heartbeat(now) {
            self.ui.err(&line);
        }
    }

    fn heartbeat(&mut self, now: Timestamp) -> Option<String> {
        let beat = self.beat.as_mut()?;
        // A clock that was set back triggers a report too: better once too often than never.
        if (now - beat.said_at).abs() < SILENCE_MOST {
            return None;
        }
        beat.said_at = now;
        let progress =
            if beat.progress.is_empty() { String::new() } else { format!(": {}", plain(&beat.progress)) };
        Some(format!(
            "{} {} {} {} goes on, {} so far{progress}",
            stamp(now),
            self.name,
            beat.run,
            plain(&beat.step),
            between(beat.since, now)
        ))
    }

    /// Notes what the next heartbeat reports.
    fn note(&mut self, event: &Event) {
        match &event.kind {
            EventKind::StepBegun { seq, .. } | EventKind::UndoBegun { seq, .. } => {
                let undo = if matches!(event.kind, EventKind::UndoBegun { .. }) { "undo " } else { "" };
                let step = self.begun.get(seq).map_or("", |(name, _)| name.as_str());
                self.beat = Some(Beat {
                    run: event.run.short(),
                    step: format!("{undo}{step}"),
                    since: event.at,
                    said_at: event.at,
                    progress: String::new(),
                });
            }
            EventKind::StepRetrying { .. }
            | EventKind::UndoRetrying { .. }
            | EventKind::UndoAdvanced { .. }
            | EventKind::StepAdopted { .. }
            | EventKind::Signalled { .. }
            | EventKind::Warned { .. } => {
                if let Some(beat) = &mut self.beat {
                    beat.said_at = event.at;
                }
            }
            EventKind::RunStarted { .. }
            | EventKind::LeaseTaken { .. }
            | EventKind::StepCompleted { .. }
            | EventKind::StepFailed { .. }
            | EventKind::RunSuspended { .. }
            | EventKind::RunInterrupted
            | EventKind::RunFailed { .. }
            | EventKind::RollbackStarted
            | EventKind::UndoCompleted { .. }
            | EventKind::UndoWithdrawn { .. }
            | EventKind::UndoFailed { .. }
            | EventKind::StepResolved { .. }
            | EventKind::RunStuck { .. }
            | EventKind::RunRetried { .. }
            | EventKind::RunAbandoned { .. }
            | EventKind::RunFinished { .. } => self.beat = None,
        }
    }

    pub(super) fn update(&mut self, update: Update<'_>) {
        match update {
            Update::Event(event) => {
                let line = self.line(event);
                self.ui.err(&line);
                self.note(event);
            }
            Update::Progress { text, .. } if self.ui.verbosity == 0 => {
                if let Some(beat) = &mut self.beat {
                    text.clone_into(&mut beat.progress);
                }
            }
            Update::Progress { seq, text } => {
                let step = self.begun.get(&seq).map_or("", |(name, _)| name.as_str());
                self.ui.err(&format!("  {step}: {}", plain(text)));
            }
            Update::Trouble { seq, failure, delay } => {
                let step = self.begun.get(&seq).map_or("", |(name, _)| name.as_str());
                self.ui.err(&format!(
                    "  {step}: again in {}: {}",
                    duration(delay),
                    plain(&failure.to_string())
                ));
            }
        }
    }

    pub(super) fn line(&mut self, event: &Event) -> String {
        if let EventKind::RunStarted { name, .. } = &event.kind {
            name.clone_into(&mut self.name);
        }
        if let EventKind::StepBegun { seq, name, subject, .. }
        | EventKind::UndoBegun { seq, name, subject, .. } = &event.kind
        {
            self.begun.insert(*seq, (with_subject(name, subject.as_deref()), event.at));
        }
        let name = event.kind.step().and_then(|seq| self.begun.get(&seq));
        let step = name.map_or("", |(name, _)| name.as_str());
        let took = name.map(|(_, since)| between(*since, event.at)).unwrap_or_default();
        let what = describe(&event.kind, step, &took);
        format!("{} {} {} {}", stamp(event.at), self.name, event.run.short(), plain(&what))
    }
}

/// A step's name with its subject, such as `register-backend http/10.0.0.3:80`.
pub(in crate::cli) fn with_subject(name: &str, subject: Option<&str>) -> String {
    subject.map_or_else(|| name.to_owned(), |subject| format!("{name} {}", super::super::ui::short(subject)))
}

/// An event in words. `step` and `took` belong to the event's step.
pub(in crate::cli) fn describe(kind: &EventKind, step: &str, took: &str) -> String {
    match kind {
        EventKind::RunStarted { workflow, version, .. } => format!("{workflow} version {version} started"),
        EventKind::LeaseTaken { from: None, by, .. } => format!("taken up by {by}"),
        EventKind::LeaseTaken { from: Some(from), by, .. } => format!("taken over from {from} by {by}"),
        EventKind::StepBegun { attempt: 1, .. } => format!("{step} started"),
        EventKind::StepBegun { attempt, .. } => format!("{step} taken up again, attempt {attempt}"),
        EventKind::StepRetrying { failure, attempt, delay, .. }
        | EventKind::UndoRetrying { failure, attempt, delay, .. } => {
            format!("{step} retrying in {}, attempt {attempt}: {failure}", duration(*delay))
        }
        EventKind::StepAdopted { .. } => format!("{step} had been done already"),
        EventKind::StepCompleted { note: Some(note), .. } => format!("{step} completed {took} {note}"),
        EventKind::StepCompleted { note: None, .. } => format!("{step} completed {took}"),
        EventKind::StepFailed { failure, .. } => format!("{step} FAILED {took}: {failure}"),
        EventKind::Warned { message, .. } => format!("warning: {message}"),
        EventKind::RunSuspended { failure } if failure.waits().is_some() => format!("waits: {failure}"),
        EventKind::RunSuspended { failure } => format!("suspended: {failure}"),
        EventKind::RunInterrupted => "interrupted".to_owned(),
        EventKind::RunFailed { failure } => format!("failed: {failure}"),
        EventKind::RollbackStarted => "rolling back".to_owned(),
        EventKind::RunStuck { failure, .. } => format!("stuck: {failure}"),
        // A process that takes a run up has not seen the step begin.
        EventKind::RunRetried { seq, by } if step.is_empty() => format!("step {seq} is tried again, by {by}"),
        EventKind::RunRetried { by, .. } => format!("{step} is tried again, by {by}"),
        EventKind::RunAbandoned { keep, reason, by, .. } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("abandoned by {by}, keeping the {} side{reason}", keep.as_str())
        }
        EventKind::UndoBegun { .. } => format!("undo {step} started"),
        EventKind::UndoAdvanced { note, .. } => format!("undo {step}: {note}"),
        EventKind::UndoCompleted { .. } => format!("undo {step} completed {took}"),
        // A process that takes a run up has not seen the step begin.
        EventKind::UndoWithdrawn { seq } if step.is_empty() => format!("undo of step {seq} taken back again"),
        EventKind::UndoWithdrawn { .. } => format!("undo {step} taken back again"),
        EventKind::UndoFailed { failure, .. } => format!("undo {step} FAILED {took}: {failure}"),
        EventKind::StepResolved { seq, resolution, reason, by } => {
            format!("step {seq} resolved by {by} as {resolution:?}: {reason}").to_lowercase()
        }
        EventKind::Signalled { signal, by, reason, refused, .. } => {
            let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let refused = refused.as_ref().map(|why| format!(": refused, {why}")).unwrap_or_default();
            format!("{signal}, by {by}{reason}{refused}")
        }
        EventKind::RunFinished { state } => state.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Effect, Failure, RunState};
    use std::time::Duration;

    #[test]
    fn each_event_is_one_line_that_names_its_step() {
        let seq = Seq::FIRST;
        let failure = Failure::transient("reading", "503");
        let told = |kind: EventKind| describe(&kind, "create-instance", "38.2s");
        insta::assert_snapshot!([
            told(EventKind::StepBegun { seq, name: String::new(), subject: None, effect: Effect::Mutation, attempt: 1 }),
            told(EventKind::StepBegun { seq, name: String::new(), subject: None, effect: Effect::Mutation, attempt: 3 }),
            told(EventKind::StepRetrying { seq, failure: failure.clone(), attempt: 2, delay: Duration::from_millis(1500) }),
            told(EventKind::StepAdopted { seq }),
            told(EventKind::StepCompleted { seq, note: Some("…9qpa".into()) }),
            told(EventKind::StepFailed { seq, failure: failure.clone() }),
            told(EventKind::UndoCompleted { seq }),
            told(EventKind::UndoFailed { seq, failure }),
            told(EventKind::RunFinished { state: RunState::RolledBack }),
        ].join("\n"), @r"
        create-instance started
        create-instance taken up again, attempt 3
        create-instance retrying in 1.5s, attempt 2: reading: 503
        create-instance had been done already
        create-instance completed 38.2s …9qpa
        create-instance FAILED 38.2s: reading: 503
        undo create-instance completed 38.2s
        undo create-instance FAILED 38.2s: reading: 503
        rolled-back
        ");
    }
}
