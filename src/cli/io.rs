//! The two output streams of the program: those of the process, or writers that replace them.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressDrawTarget;

/// Where the program writes.
#[derive(Clone, Debug)]
pub struct Io {
    pub(super) out: Stream,
    pub(super) err: Stream,
}

/// One of the two streams.
#[derive(Clone)]
pub(super) enum Stream {
    Stdout,
    Stderr,
    Writer {
        // A std mutex suffices, because it is never held across an await.
        to: Arc<Mutex<dyn Write + Send>>,
        /// The width of the terminal that shows the stream; `None` if it is no terminal.
        columns: Option<usize>,
    },
}

impl Io {
    /// The streams of this process.
    pub const fn of_the_process() -> Self {
        Self { out: Stream::Stdout, err: Stream::Stderr }
    }

    /// Writers that replace files or pipes: results go to `out`, everything else to `err`.
    pub fn writers(out: Arc<Mutex<dyn Write + Send>>, err: Arc<Mutex<dyn Write + Send>>) -> Self {
        let stream = |to| Stream::Writer { to, columns: None };
        Self { out: stream(out), err: stream(err) }
    }

    /// A writer that replaces a terminal, to which everything goes.
    pub fn terminal(to: Arc<Mutex<dyn Write + Send>>, columns: usize) -> Self {
        let stream = Stream::Writer { to, columns: Some(columns) };
        Self { out: stream.clone(), err: stream }
    }
}

impl Stream {
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
            Self::Writer { columns, .. } => columns.is_some(),
        }
    }

    /// The width of the terminal; `None` if there is none.
    pub(super) fn columns(&self) -> Option<usize> {
        let size = match self {
            Self::Stdout => rustix::termios::tcgetwinsize(io::stdout()),
            Self::Stderr => rustix::termios::tcgetwinsize(io::stderr()),
            Self::Writer { columns, .. } => return *columns,
        };
        size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    /// The place where lines are redrawn: a terminal of this process. Writers get only lines that stay.
    pub(super) fn canvas(&self) -> ProgressDrawTarget {
        match self {
            Self::Stdout => ProgressDrawTarget::stdout(),
            Self::Stderr => ProgressDrawTarget::stderr(),
            Self::Writer { .. } => ProgressDrawTarget::hidden(),
        }
    }

    /// Writes a line. If the reader is gone (`| head -1`), the run goes on.
    pub(super) fn say(&self, text: &str) {
        let mut to = self.clone();
        drop(to.write_all(format!("{text}\n").as_bytes()).and_then(|()| to.flush()));
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout => io::stdout().write(bytes),
            Self::Stderr => io::stderr().write(bytes),
            Self::Writer { to, .. } => to.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().flush(),
            Self::Stderr => io::stderr().flush(),
            Self::Writer { to, .. } => to.lock().unwrap_or_else(PoisonError::into_inner).flush(),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => formatter.write_str("stdout"),
            Self::Stderr => formatter.write_str("stderr"),
            Self::Writer { columns, .. } => {
                formatter.debug_struct("Writer").field("columns", columns).finish_non_exhaustive()
            }
        }
    }
}
