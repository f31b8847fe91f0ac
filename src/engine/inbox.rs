//! What persons ask of a run while this process drives it, and what the run does about it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::run::{Direction, Sent, Signal};

/// The signals that concern one run in this process.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    // A std mutex suffices, because it is never held across an await.
    state: Mutex<State>,
    /// Tells a wait that something has changed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    place: Place,
    /// The signal that opens the present gate.
    promoted: Option<Sent>,
    paused: Option<Sent>,
    aborted: Option<Sent>,
}

/// Where the run is, for a signal that opens a gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// It has not reached the step yet at which this process goes on.
    #[default]
    Unknown,
    /// In a step that is no gate.
    Elsewhere,
    /// At a gate.
    Gate,
}

/// What a signal leads to.
pub(super) enum Effect {
    /// The run does it, and says so at once.
    Taken,
    /// The run does it, or says why not, when it knows more.
    Later,
    /// Nothing, for this reason.
    Refused(&'static str),
}

pub(super) const NO_GATE: &str = "the run waits at no gate";

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a signal.
    pub(super) fn take_in(&self, sent: Sent, direction: Direction) -> Effect {
        let mut state = self.state();
        let effect = match (sent.signal, direction) {
            (Signal::Abort, Direction::Backward) if state.place == Place::Unknown => Effect::Taken,
            (_, Direction::Backward) => Effect::Refused("the run goes back already"),
            (Signal::Abort, Direction::Forward) if state.aborted.is_some() => {
                Effect::Refused("somebody has aborted the run already")
            }
            (Signal::Abort, Direction::Forward) => {
                state.aborted = Some(sent);
                Effect::Later
            }
            (Signal::Pause, Direction::Forward) if state.paused.is_some() => {
                Effect::Refused("the run is paused already")
            }
            (Signal::Pause, Direction::Forward) => {
                state.paused = Some(sent);
                Effect::Taken
            }
            (Signal::Unpause, Direction::Forward) if state.paused.take().is_some() => Effect::Taken,
            (Signal::Unpause, Direction::Forward) => Effect::Refused("the run is not paused"),
            (Signal::Promote | Signal::PromoteFully, Direction::Forward) => match state.place {
                Place::Unknown => {
                    state.promoted = Some(sent);
                    Effect::Later
                }
                Place::Gate if state.promoted.is_none() => {
                    state.promoted = Some(sent);
                    Effect::Taken
                }
                Place::Gate | Place::Elsewhere => Effect::Refused(NO_GATE),
            },
        };
        drop(state);
        self.changed.notify_waiters();
        effect
    }

    /// Whether a person has asked that the run goes back.
    pub(super) fn is_aborted(&self) -> bool {
        self.state().aborted.is_some()
    }

    /// The signal by which a person asked that the run goes back.
    pub(super) fn take_abort(&self) -> Option<Sent> {
        self.state().aborted.take()
    }

    /// Notes that the run is in a step that is no gate. Returns a signal that was to open a gate.
    pub(super) fn leave_gate(&self) -> Option<Sent> {
        let mut state = self.state();
        state.place = Place::Elsewhere;
        state.promoted.take()
    }

    /// Notes that the run is at a gate. Returns a signal that opens it and has no answer yet.
    pub(super) fn arrive_at_gate(&self) -> Option<Sent> {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.place, Place::Gate);
        state.promoted.clone().filter(|_| before == Place::Unknown)
    }

    /// Waits for the signal that opens the present gate.
    pub(super) async fn promoted(&self) -> Sent {
        self.until(|state| {
            let sent = state.promoted.take()?;
            state.place = Place::Elsewhere;
            Some(sent)
        })
        .await
    }

    pub(super) fn paused(&self) -> Option<Sent> {
        self.state().paused.clone()
    }

    pub(super) async fn unpaused(&self) {
        self.until(|state| state.paused.is_none().then_some(())).await;
    }

    async fn until<T>(&self, found: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(found) = found(&mut self.state()) {
                return found;
            }
            changed.await;
        }
    }
}

/// Who has sent a signal, and why.
pub(super) fn by(sent: &Sent) -> String {
    match &sent.reason {
        Some(reason) => format!("by {} ({reason})", sent.by),
        None => format!("by {}", sent.by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Timestamp;

    fn promote(n: u32) -> Sent {
        Sent { n, signal: Signal::Promote, by: "ann".into(), at: Timestamp::UNIX_EPOCH, reason: None }
    }

    #[tokio::test]
    async fn a_signal_opens_the_gate_at_which_it_comes_and_no_other() {
        let inbox = Inbox::default();
        assert!(inbox.arrive_at_gate().is_none());
        assert!(matches!(inbox.take_in(promote(1), Direction::Forward), Effect::Taken));
        assert_eq!(inbox.promoted().await.n, 1);
        assert!(matches!(inbox.take_in(promote(2), Direction::Forward), Effect::Refused(NO_GATE)));
        assert!(inbox.leave_gate().is_none(), "every signal has its answer");
    }

    #[tokio::test]
    async fn a_signal_of_before_this_process_waits_for_the_first_step() {
        let [at_a_gate, elsewhere] = [Inbox::default(), Inbox::default()];
        for inbox in [&at_a_gate, &elsewhere] {
            assert!(matches!(inbox.take_in(promote(1), Direction::Forward), Effect::Later));
        }
        assert_eq!(at_a_gate.arrive_at_gate(), Some(promote(1)));
        assert_eq!(at_a_gate.promoted().await.n, 1);
        assert_eq!(elsewhere.leave_gate(), Some(promote(1)));
    }
}
