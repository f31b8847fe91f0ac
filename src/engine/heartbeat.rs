//! Renews a lease while a future runs. It does so on a thread of its own, so that a step that blocks its thread keeps
//! its lease.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::ground::Ground;
use super::mail::Mail;
use super::stop::Stop;
use crate::clock::Clock;
use crate::journal::{LEASE_LENGTH, Lease, LeaseGuard, WriteError};
use crate::run::{Direction, Event, Failure};

/// How often the lease is renewed. Two renewals may fail before it expires.
const INTERVAL: Duration = Duration::from_secs(LEASE_LENGTH.as_secs() / 3);

/// The wait after a failed renewal. It is short, because a renewal itself waits for a locked journal.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// Drives `work` to its end while renewing the lease, and commits what waits when nothing follows it. A lost lease drops
/// `work` at an await. Its step is then in doubt, which is a state that the journal knows.
pub(super) async fn beside<T, W>(
    lease: &Lease,
    ground: &Ground<'_, W>,
    direction: Direction,
    work: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    let guard = lease.guard();
    let mut beating = Beating(guard.beside(beat(guard.clone(), ground.clock)).map_err(Stop::Broken)?);
    let mail = Mail::open(lease, ground, direction).await?;
    let mut work = std::pin::pin!(work);
    let mut aside = std::pin::pin!(serve(lease, ground, mail));
    let done = loop {
        tokio::select! {
            biased;
            stop = &mut beating.0 => break Err(stop.unwrap_or_else(|panic| {
                Stop::Ours(Failure::ours("renewing the lease", panic.to_string()))
            })),
            done = &mut work => {
                beating.0.abort();
                drop((&mut beating.0).await);
                // A commit that was dropped would be made or not, and nobody would know.
                let served = if lease.is_writing() { aside.as_mut().await.map(|served| served.1) } else { Ok(Vec::new()) };
                break served.map_err(Stop::from).and_then(|told| {
                    ground.tell_all(&told);
                    done
                });
            }
            served = aside.as_mut() => match served {
                Ok((mail, told)) => {
                    ground.tell_all(&told);
                    aside.set(serve(lease, ground, mail));
                }
                Err(error) => break Err(error.into()),
            },
        }
    };
    match done {
        // An activity reports a lost lease as a failure, so the lease itself is asked here.
        Err(Stop::Ours(failure)) => match guard.renew().await {
            Err(WriteError::LeaseLost { to }) => Err(Stop::LeaseLost(to)),
            Ok(()) | Err(WriteError::Journal(_) | WriteError::Illegal(_) | WriteError::TargetHeld(_)) => {
                Err(Stop::Ours(failure))
            }
        },
        done => done,
    }
}

/// Commits what waits, once nothing has followed it for a moment, or takes in what persons ask of the run.
async fn serve<W>(
    lease: &Lease,
    ground: &Ground<'_, W>,
    mut mail: Mail,
) -> Result<(Mail, Vec<Event>), WriteError> {
    let guard = lease.guard();
    let sent = tokio::select! {
        () = lease.idle() => Vec::new(),
        sent = mail.wait(&guard, ground) => sent,
    };
    let mut told = mail.take_in(sent, lease, ground).await?;
    told.extend(lease.flush_if_idle().await?);
    Ok((mail, told))
}

/// Ends with the work beside which it beats.
struct Beating(JoinHandle<Stop>);

impl Drop for Beating {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn beat(guard: LeaseGuard, clock: Clock) -> Stop {
    loop {
        clock.sleep(INTERVAL.saturating_sub(guard.age())).await;
        if guard.age() < INTERVAL {
            // A commit has renewed the lease.
            continue;
        }
        match guard.renew().await {
            Ok(()) => {}
            Err(WriteError::LeaseLost { to }) => return Stop::LeaseLost(to),
            // Two more renewals fit into the lease. If the journal stays broken, the steps themselves notice.
            Err(error @ (WriteError::Journal(_) | WriteError::Illegal(_) | WriteError::TargetHeld(_))) => {
                tracing::warn!(%error, "cannot renew the lease");
                clock.sleep(AFTER_A_FAILURE).await;
            }
        }
    }
}
