//! Takes up what persons ask of a run: from the journal, and back to it with the answers.

use std::time::Duration;

use super::ground::Ground;
use super::inbox::{Effect, NO_GATE, by};
use super::stop::Stop;
use crate::journal::{Lease, LeaseGuard, WriteError};
use crate::run::{Direction, Event, Failure, GATE, Sent};

/// How often the journal is asked for signals. A person waits for the answer.
const INTERVAL: Duration = Duration::from_secs(1);

/// The signals that are left for a run from now on.
pub(super) struct Mail {
    last: u32,
    direction: Direction,
}

impl Mail {
    /// Takes in what was left before this process drove the run.
    pub(super) async fn open<W>(
        lease: &Lease,
        ground: &Ground<'_, W>,
        direction: Direction,
    ) -> Result<Self, Stop> {
        let guard = lease.guard();
        let mut sent = guard.signals_after(0).await.map_err(Stop::Broken)?;
        // Most runs have no signals, and many have thousands of events.
        let last = if sent.is_empty() { 0 } else { guard.last_answered().await.map_err(Stop::Broken)? };
        sent.retain(|sent| sent.n > last);
        let mut mail = Self { last, direction };
        let told = mail.take_in(sent, lease, ground).await?;
        ground.tell_all(&told);
        Ok(mail)
    }

    /// Waits until something is left for the run. It may be dropped while it waits.
    pub(super) async fn wait<W>(&self, guard: &LeaseGuard, ground: &Ground<'_, W>) -> Vec<Sent> {
        loop {
            ground.clock.sleep(INTERVAL).await;
            match guard.signals_after(self.last).await {
                Ok(sent) if sent.is_empty() => {}
                Ok(sent) => return sent,
                // The steps themselves notice a journal that stays broken.
                Err(error) => tracing::warn!(%error, "cannot look for signals"),
            }
        }
    }

    /// Takes in what was left, and commits the answers.
    pub(super) async fn take_in<W>(
        &mut self,
        sent: Vec<Sent>,
        lease: &Lease,
        ground: &Ground<'_, W>,
    ) -> Result<Vec<Event>, WriteError> {
        let mut told = Vec::new();
        for sent in sent {
            self.last = sent.n;
            let refused = match ground.inbox.take_in(sent.clone(), self.direction) {
                Effect::Taken => None,
                Effect::Refused(why) => Some(why.to_owned()),
                Effect::Later => continue,
            };
            told.extend(lease.answer(&sent, refused).await?);
        }
        if ground.inbox.is_aborted() {
            ground.cancel.cancel();
        }
        Ok(told)
    }
}

impl<W: Sync> Ground<'_, W> {
    /// Answers, right before a step, what depends on whether it is a gate. Holds while the run is paused, but not before a
    /// gate, which holds by itself.
    pub(super) async fn reach(&self, activity: &str, lease: &Lease) -> Result<(), Stop> {
        let is_gate = activity == GATE;
        let (sent, refused) = if is_gate {
            (self.inbox.arrive_at_gate(), None)
        } else {
            (self.inbox.leave_gate(), Some(NO_GATE.to_owned()))
        };
        if let Some(sent) = sent {
            self.tell_all(&lease.answer(&sent, refused).await?);
        }
        if is_gate {
            return Ok(());
        }
        let Some(paused) = self.inbox.paused() else { return Ok(()) };
        self.tell_all(&lease.flush().await?);
        if !self.holds {
            return Err(Stop::Suspended(Failure::paused("paused", by(&paused))));
        }
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Stop::Interrupted),
            () = self.inbox.unpaused() => Ok(()),
        }
    }
}
