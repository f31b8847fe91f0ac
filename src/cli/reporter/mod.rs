//! Shows a run in progress: in place on a terminal, as one plain line per event elsewhere.

mod live;
mod plain;

use crate::run::{Timestamp, Update};

use super::ui::Ui;
use live::Live;
use plain::Plain;

/// The ways to report updates.
pub(super) enum Reporter {
    /// Redraws the running step in place.
    Live(Live),
    /// One line per event.
    Plain(Plain),
    /// Nothing until the end.
    Silent,
}

impl Reporter {
    /// The reporter that suits this terminal and these flags. JSON asks for the result alone, unless `-v` is given.
    pub(super) fn new(ui: &Ui, name: &str) -> Self {
        match (ui.is_quiet || (ui.is_json && ui.verbosity == 0), ui.is_live) {
            (true, _) => Self::Silent,
            (false, true) => Self::Live(Live::new(ui.clone())),
            (false, false) => Self::Plain(Plain::new(ui.clone(), name)),
        }
    }

    pub(super) fn update(&mut self, update: Update<'_>) {
        match self {
            Self::Live(live) => live.update(update),
            Self::Plain(plain) => plain.update(update),
            Self::Silent => {}
        }
    }

    /// Reports progress if nothing was reported for long; the caller calls this regularly. On a terminal, the line
    /// moves by itself.
    pub(super) fn tick(&mut self, now: Timestamp) {
        match self {
            Self::Plain(plain) => plain.tick(now),
            Self::Live(_) | Self::Silent => {}
        }
    }
}

pub(super) use plain::with_subject;

/// Recorded events in the form in which the plain reporter shows them.
pub(super) fn plain_lines(ui: &Ui, events: &[crate::run::Event]) -> Vec<String> {
    let mut plain = Plain::new(ui.clone(), "");
    events.iter().map(|event| plain.line(event)).collect()
}

#[cfg(test)]
mod tests;
