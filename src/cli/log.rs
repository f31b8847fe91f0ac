//! Logs: to stderr, and only on request.
//!
//! If a log line cannot be written, only that line is lost. A reader that is gone, or a full disk behind stderr, must
//! not end a rollout.

use std::io;

use super::ui::Ui;

/// Sets the logs up: nothing by default, warnings with `-v`, and every call with `-vv`.
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
        // Otherwise a macro would report each failed line on stderr, which is what cannot be written, and panic.
        .log_internal_errors(false)
        .with_ansi(false)
        .finish();
    // Fails only if a test has set one up already.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// A writer that reports success for every write.
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
