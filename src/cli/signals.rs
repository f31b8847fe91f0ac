//! The user's signals while a run is driven.

use std::fs;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::problem::Report;
use super::ui::Ui;

/// Drives `work` to its end. The first signal asks it to stop, and the second does not wait for it. If the process was
/// started with hang-ups ignored, as by `nohup`, they stay ignored.
pub(super) async fn beside_signals<T>(
    ui: &Ui,
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<(Option<T>, Option<Exit>), Report> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = if ignores_hang_ups() { None } else { Some(listen(SignalKind::hangup())?) };
    let mut signalled = None;
    tokio::pin!(work);
    loop {
        let exit = tokio::select! {
            done = &mut work => return Ok((Some(done), signalled)),
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
            () = hung_up(&mut hang_up) => Exit::Terminated,
        };
        if signalled.is_some() {
            return Ok((None, Some(exit)));
        }
        signalled = Some(exit);
        ui.note("stopping after the request in flight; once more stops at once");
        cancel.cancel();
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Report> {
    signal(kind).map_err(|error| Report::ours(format!("cannot listen for signals: {error}")))
}

async fn hung_up(listener: &mut Option<Signal>) {
    match listener {
        Some(listener) => {
            listener.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored. Listening for it would end that.
fn ignores_hang_ups() -> bool {
    // If the kernel does not say, it counts as not ignored.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("SigIgn:")).is_some_and(ignores_the_first)
}

/// Whether a mask of signals in hexadecimal digits contains the first signal, SIGHUP.
fn ignores_the_first(mask: &str) -> bool {
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::ignores_the_first;

    #[test]
    fn a_hang_up_is_the_first_bit_of_the_mask() {
        assert!(ignores_the_first("\t0000000000000001"));
        assert!(ignores_the_first("\t0000000000001001"));
        assert!(!ignores_the_first("\t0000000000001000"));
        assert!(!ignores_the_first("none"));
    }
}
