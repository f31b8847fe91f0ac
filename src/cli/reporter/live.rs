//! On a terminal: finished steps scroll up and stay, and the running step is redrawn in place.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::plain::{describe, with_subject};
use crate::cli::ui::{Tone, Ui, between, cut, duration, plain, short_ids};
use crate::run::{EventKind, Failure, Seq, Timestamp, Update};

const REDRAW: Duration = Duration::from_millis(200);
/// The columns that the spinner, the elapsed time and the gaps need.
const ELAPSED: usize = 12;
/// The columns that the mark and its gaps need.
const MARK: usize = 4;

pub(in crate::cli) struct Live {
    ui: Ui,
    bar: Option<ProgressBar>,
    begun: HashMap<Seq, (String, Timestamp)>,
}

impl Live {
    pub(in crate::cli) fn new(ui: Ui) -> Self {
        Self { ui, bar: None, begun: HashMap::new() }
    }

    pub(in crate::cli) fn update(&mut self, update: Update<'_>) {
        match update {
            Update::Progress { text, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(self.fitting(&plain(text), bar.prefix().chars().count() + ELAPSED));
                }
            }
            Update::Trouble { failure, delay, .. } => self.trouble(failure, delay),
            Update::Event(event) => self.event(&event.kind, event.at, &event.run.short()),
        }
    }

    fn trouble(&mut self, failure: &Failure, delay: Duration) {
        let text = format!("again in {}: {}", duration(delay), plain(&failure.to_string()));
        self.line(Tone::Busy, "↻", &text);
    }

    fn event(&mut self, kind: &EventKind, at: Timestamp, run: &str) {
        match kind {
            EventKind::RunStarted { name, workflow, .. } => {
                self.line(
                    Tone::Dim,
                    "·",
                    &format!("{workflow} {name}   run {run}   Ctrl-C stops it after the request in flight"),
                );
            }
            EventKind::LeaseTaken { .. } => {
                self.line(Tone::Dim, "·", &format!("run {run} is taken up again"));
            }
            EventKind::StepBegun { seq, name, subject, .. } => {
                self.begin(*seq, name, subject.as_deref(), "", at);
            }
            EventKind::UndoBegun { seq, name, subject, .. } => {
                self.begin(*seq, name, subject.as_deref(), "undo ", at);
            }
            EventKind::StepRetrying { failure, delay, .. }
            | EventKind::UndoRetrying { failure, delay, .. } => self.trouble(failure, *delay),
            EventKind::StepAdopted { .. } => self.line(Tone::Dim, "·", "it had been done already"),
            EventKind::StepCompleted { seq, note } => {
                let note = note.as_deref().map(plain).unwrap_or_default();
                self.end(*seq, Tone::Good, "✔", &note, at);
            }
            EventKind::UndoAdvanced { note, .. } => self.line(Tone::Dim, "·", &plain(note)),
            EventKind::UndoCompleted { seq } => self.end(*seq, Tone::Busy, "↩", "", at),
            EventKind::UndoWithdrawn { .. } => {
                self.line(Tone::Busy, "·", "taken back again, to be made anew");
            }
            EventKind::StepFailed { seq, failure } | EventKind::UndoFailed { seq, failure } => {
                self.end(*seq, Tone::Bad, "✖", &plain(&failure.to_string()), at);
            }
            EventKind::Warned { message, .. } => self.line(Tone::Busy, "⚠", &plain(message)),
            EventKind::RollbackStarted => self.line(Tone::Busy, "↩", "rolling back"),
            EventKind::RunAbandoned { keep, .. } => {
                self.line(Tone::Busy, "·", &format!("keeping the {} side", keep.as_str()));
            }
            EventKind::RunFinished { state } => self.line(Tone::Good, "●", &format!("run {run} {state}")),
            EventKind::Signalled { .. } => self.line(Tone::Busy, "·", &describe(kind, "", "")),
            EventKind::RunSuspended { .. }
            | EventKind::RunInterrupted
            | EventKind::RunFailed { .. }
            | EventKind::RunStuck { .. }
            | EventKind::RunRetried { .. }
            | EventKind::StepResolved { .. } => self.clear(),
        }
    }

    fn begin(&mut self, seq: Seq, name: &str, subject: Option<&str>, prefix: &str, at: Timestamp) {
        self.clear();
        let label = format!("{prefix}{}", with_subject(name, subject));
        let bar = ProgressBar::with_draw_target(None, self.ui.notes().canvas());
        if let Ok(style) = ProgressStyle::with_template(" {spinner} {prefix}  {elapsed}  {msg}") {
            bar.set_style(style.tick_chars("|/-\\ "));
        }
        bar.set_prefix(self.ui.shown(&label));
        bar.enable_steady_tick(REDRAW);
        self.bar = Some(bar);
        self.begun.insert(seq, (label, at));
    }

    fn end(&mut self, seq: Seq, tone: Tone, mark: &str, note: &str, at: Timestamp) {
        self.clear();
        let (label, took) = match self.begun.get(&seq) {
            Some((label, since)) => (label.clone(), between(*since, at)),
            None => (String::new(), String::new()),
        };
        self.line(tone, mark, &format!("{label:<44} {took:>7}  {note}"));
    }

    fn line(&self, tone: Tone, mark: &str, text: &str) {
        // Errors are shown whole, on as many lines as they need.
        let text = match tone {
            Tone::Good | Tone::Dim => self.fitting(text.trim_end(), MARK),
            Tone::Bad | Tone::Busy => text.trim_end().to_owned(),
        };
        let line = format!(" {} {text}", self.ui.err_tone(tone, mark));
        match &self.bar {
            Some(bar) => bar.suspend(|| self.ui.err(&line)),
            None => self.ui.err(&line),
        }
    }

    /// The beginning of a text that fits beside `n_taken` columns, so that a line stays one line.
    fn fitting(&self, text: &str, n_taken: usize) -> String {
        let text = short_ids(text);
        match self.ui.notes().columns() {
            Some(width) => self.ui.shown(&cut(&text, width.saturating_sub(n_taken))),
            None => self.ui.shown(&text),
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::Live;
    use crate::cli::args::Global;
    use crate::cli::io::Io;
    use crate::cli::ui::Ui;
    use crate::env::Env;
    use crate::run::{EventKind, Update, one_event_of_each_kind};

    #[test]
    fn the_line_that_moves_names_the_step_and_fits() {
        let io = Io::terminal(Arc::new(Mutex::new(Vec::new())), 40);
        let mut live = Live::new(Ui::new(&Global::default(), &Env::default(), io));
        let moving = |live: &Live| live.bar.as_ref().map(|bar| (bar.prefix(), bar.message()));
        let events = one_event_of_each_kind();
        let mut begun = Vec::new();
        for event in &events {
            live.update(Update::Event(event));
            let (EventKind::StepBegun { seq, .. } | EventKind::UndoBegun { seq, .. }) = event.kind else {
                continue;
            };
            live.update(Update::Progress { seq, text: "until 09:00:10, \u{1b}[2Jcleaned of what moves" });
            begun.push(moving(&live).expect("a step is under way"));
        }
        let lines: Vec<String> =
            begun.iter().map(|(prefix, message)| format!("{prefix} | {message}")).collect();
        insta::assert_snapshot!(lines.join("\n"));
        assert_eq!(moving(&live), None, "the run is over");
    }
}
