//! A person asks, from anywhere, that a run which goes forwards goes back.

use serde_json::Value;

use super::drive::{Engine, Taken};
use super::inbox::by;
use super::stop::{End, Outcome, Stop};
use crate::journal::Lease;
use crate::run::{Failure, Sent};

impl<W: Sync + 'static> Engine<'_, W> {
    /// Takes a run back whose way forwards was stopped for that. If it came to its end before, or was stopped by something
    /// after which this process writes no more, it is returned as it is.
    ///
    /// # Errors
    /// The outcome of the way back.
    pub(super) async fn abort(
        &self,
        lease: Lease,
        sent: &Sent,
        done: Result<Value, Stop>,
    ) -> Result<(Lease, Result<Value, Stop>), Outcome> {
        let refused = match &done {
            Ok(_) => Some("the run has come to its end".to_owned()),
            Err(Stop::Interrupted | Stop::Failed(_) | Stop::Suspended(_)) => None,
            Err(_) => return Ok((lease, done)),
        };
        let is_refused = refused.is_some();
        match lease.answer(sent, refused).await {
            Ok(told) => self.ground.tell_all(&told),
            Err(error) => return Err(self.leave(lease, error.into()).await),
        }
        if is_refused {
            return Ok((lease, done));
        }
        let failure = Failure::permanent("going on", format!("the run was aborted {}", by(sent)));
        let taken = match self.journal.history(lease.run()).await {
            Ok(history) => Taken::from(history),
            Err(error) => return Err(self.leave(lease, Stop::Broken(error)).await),
        };
        Err(if taken.may_have_changed_anything() {
            self.turn_back(lease, taken, failure).await
        } else {
            self.close_untouched(lease, End::RolledBack(Some(failure))).await
        })
    }
}
