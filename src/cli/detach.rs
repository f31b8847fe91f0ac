//! `start --detach`: the run goes on in a process with a session of its own, which survives the terminal.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process, setsid};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::problem::Report;
use super::session::Session;
use super::signals::beside_signals;
use super::ui::Ui;
use super::variables::DETACHED;
use crate::run::RunId;

/// Leaves the terminal's session, so that the end of the terminal does not end this process.
pub(super) fn leave_the_terminal() -> Result<(), Report> {
    setsid().map(drop).map_err(|error| Report::ours(format!("cannot begin a session of its own: {error}")))
}

/// Starts this command again in a process of its own, and waits until its run is in the journal or the process has
/// ended.
pub(super) async fn hand_over(session: &Session<'_>) -> Result<Exit, Report> {
    let failed = |error: std::io::Error| Report::ours(format!("cannot start a process for the run: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .args(session.args.iter().skip(1))
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let cancel = CancellationToken::new();
    let (said, signalled) =
        beside_signals(session.ui, &cancel, what_is_said(session.ui, &mut child, &cancel)).await?;
    match said {
        Some(Said::Run(run)) => {
            announce(session.ui, run);
            Ok(Exit::Done)
        }
        Some(Said::End(status)) => {
            let status = status.map_err(failed)?;
            Exit::of_process(status).or(signalled).ok_or_else(|| {
                Report::ours(format!("the process of the run ended with {status}"))
                    .hint("`deployctl history` shows whether there is a run")
            })
        }
        None => Ok(signalled.unwrap_or(Exit::Interrupted)),
    }
}

/// The outcome of starting the process.
enum Said {
    /// Its run is in the journal.
    Run(RunId),
    /// The process has ended, and has said why.
    End(std::io::Result<ExitStatus>),
}

/// Passes on the output of the process until it names its run, which is its first result.
async fn what_is_said(ui: &Ui, child: &mut Child, cancel: &CancellationToken) -> Said {
    let mut results = child.stdout.take().map(|pipe| BufReader::new(pipe).lines());
    let mut notes = child.stderr.take().map(|pipe| BufReader::new(pipe).lines());
    let mut is_told = false;
    while results.is_some() || notes.is_some() {
        tokio::select! {
            line = next(&mut results) => match line {
                Some(line) => match line.parse() {
                    Ok(run) => return Said::Run(run),
                    Err(_) => ui.exact(&line),
                },
                None => results = None,
            },
            line = next(&mut notes) => match line {
                Some(line) => ui.err(&line),
                None => notes = None,
            },
            () = cancel.cancelled(), if !is_told => {
                is_told = true;
                stop(child);
            }
        }
    }
    Said::End(child.wait().await)
}

/// The next line of a stream that is still open; `None` at its end.
async fn next<R: tokio::io::AsyncBufRead + Unpin>(lines: &mut Option<tokio::io::Lines<R>>) -> Option<String> {
    match lines {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// Asks the process to stop, as a signal asks this one.
fn stop(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::TERM)) {
        tracing::debug!(%error, "the process of the run cannot be signalled");
    }
}

fn announce(ui: &Ui, run: RunId) {
    if ui.is_json {
        ui.json(&json!({"run_id": run}));
    } else {
        ui.exact(&run.to_string());
        ui.note(&format!("the run goes on by itself; `deployctl watch {}` follows it", run.short()));
    }
}
