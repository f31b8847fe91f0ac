//! Shows a run while it goes on: in place on a terminal, one plain line an event elsewhere.

mod live;
mod plain;

use crate::run::{Timestamp, Update};

use super::ui::Ui;
use live::Live;
use plain::Plain;

/// Who is told of updates.
pub(super) enum Reporter {
    /// Redraws the running step in place.
    Live(Live),
    /// One line an event.
    Plain(Plain),
    /// Nothing until the end.
    Silent,
}

impl Reporter {
    /// The one that suits this terminal and these flags. With JSON the result alone is asked for, unless `-v`.
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

    /// Says something when nothing was said for long; asked every now and then. A terminal's line moves by itself.
    pub(super) fn tick(&mut self, now: Timestamp) {
        match self {
            Self::Plain(plain) => plain.tick(now),
            Self::Live(_) | Self::Silent => {}
        }
    }
}

pub(super) use plain::with_subject;

/// Recorded events as the plain reporter would have shown them.
pub(super) fn plain_lines(ui: &Ui, events: &[crate::run::Event]) -> Vec<String> {
    let mut plain = Plain::new(ui.clone(), "");
    events.iter().map(|event| plain.line(event)).collect()
}

#[cfg(test)]
mod tests;
