//! `start --wait`: waits until another run of the deployment is over. Then the start plans anew.

use std::time::Duration;

use tokio::time::Instant;

use super::exit::Exit;
use super::foresee::{Foreseen, foreseen};
use super::problem::{Kind, Report};
use super::session::{Driven, Session};
use super::ui::plain;
use crate::config::Deployment;
use crate::engine::{End, Foresight, Stop};
use crate::workflows::{World, look_for_others};

/// A look takes several calls, so it is made this many times as seldom as one at a state that is awaited.
const SELDOM: u32 = 2;

/// A wait with an end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    until: Instant,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waited {
    /// No other run is in the way.
    Free,
    /// One still is.
    TooLong,
    /// The user stopped the wait.
    Signalled(Exit),
}

/// What keeps a start from its deployment, if another run does.
pub(super) fn held(driven: &Result<Driven, Report>) -> Option<String> {
    match driven {
        Ok(Driven::Left(outcome, _)) => match (&outcome.end, outcome.end.held()) {
            (_, Some(failure)) => Some(failure.to_string()),
            (End::TargetHeld(held), None) => Some(Stop::TargetHeld(held.clone()).to_string()),
            (_, None) => None,
        },
        Ok(Driven::StoppedAtOnce(..)) => None,
        Err(report) => (report.kind == Kind::Held).then(|| report.message.clone()),
    }
}

impl Waiting {
    pub(super) fn begin(longest: Duration) -> Self {
        Self { until: Instant::now() + longest }
    }

    /// Waits until no other run is in the way.
    pub(super) async fn until_free(
        self,
        session: &Session<'_>,
        world: &World,
        deployment: &Deployment,
        why: String,
    ) -> Result<Waited, Report> {
        session.ui.note(&plain(&format!("waiting until that is over: {why}")));
        let pause = world.policy.poll_interval * SELDOM;
        let look = async |foresight: &Foresight<'_, World>| {
            while Instant::now() < self.until {
                session.clock.sleep(pause).await;
                match look_for_others(foresight, deployment, &world.policy).await {
                    Err(Stop::Failed(failure)) if failure.is_held() => {}
                    // The cloud may be reached the next time.
                    Err(Stop::Suspended(_)) => {}
                    Err(Stop::Interrupted) => return Err(Stop::Interrupted),
                    // What else is wrong, the start reports.
                    Ok(()) | Err(_) => return Ok(Waited::Free),
                }
            }
            Ok(Waited::TooLong)
        };
        match foreseen(session, world, look).await? {
            Foreseen::Seen(waited) => Ok(waited),
            Foreseen::Stopped(stop) => Err(stop.into()),
            Foreseen::Signalled(exit) => Ok(Waited::Signalled(exit)),
        }
    }
}
