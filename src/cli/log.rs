//! Logs: to stderr, and only when they are asked for.
//!
//! A log line that cannot be written is lost, and nothing else is: a reader that went away, or a full disk behind
//! stderr, must not end a rollout.

use std::io;

use super::ui::Ui;

/// Sets the logs up: nothing by default, `-v` for what is unusual, `-vv` for every call.
pub(super) fn set_up(ui: &Ui) {
    let level = match ui.verbosity {
        0 => "off",
        1 => "deployctl=info",
        _ => "deployctl=debug",
    };
    let notes = ui.notes().clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(move || Lossy(notes.clone()))
        // Otherwise a line that cannot be written is told on stderr, which cannot be written, by a macro that panics.
        .log_internal_errors(false)
        .with_ansi(false)
        .finish();
    // Fails only when a test has set one up already.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// A writer that says of everything that it was written.
struct Lossy<W>(W);

impl<W: io::Write> io::Write for Lossy<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(self.0.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        drop(self.0.flush());
        Ok(())
    }
}
