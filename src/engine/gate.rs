//! A gate: a step at which a run waits for a person, or for some time.

use std::marker::PhantomData;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::activity::{Activity, Wait};
use super::cx::Cx;
use crate::run::{Failure, GATE, Sent, Signal, Timestamp, stamp};

/// What opens a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opens {
    /// A person.
    ByHand,
    /// Time: so long after the run has reached it, across processes. A person may open it earlier.
    After(Duration),
}

/// How a gate was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Opened {
    /// The person; `None` if its time had passed.
    pub by: Option<String>,
    /// The person's reason.
    pub reason: Option<String>,
    /// Whether the person opened every later gate as well.
    pub fully: bool,
}

impl Opened {
    /// By time.
    const BY_TIME: Self = Self { by: None, reason: None, fully: false };

    fn by_hand(sent: Sent) -> Self {
        Self { by: Some(sent.by), reason: sent.reason, fully: sent.signal == Signal::PromoteFully }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Gate<W> {
    name: String,
    opens: Opens,
    #[serde(skip)]
    world: PhantomData<fn() -> W>,
}

impl<W> Gate<W> {
    pub(super) fn new(name: &str, opens: Opens) -> Self {
        Self { name: name.to_owned(), opens, world: PhantomData }
    }
}

impl<W: Sync + 'static> Activity for Gate<W> {
    const NAME: &'static str = GATE;
    type World = W;
    type Output = Opened;

    fn subject(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn note(opened: &Opened) -> Option<String> {
        opened.by.as_ref().map(|by| format!("opened by {by}"))
    }

    async fn execute(&self, cx: &Cx<'_, W>) -> Result<Opened, Failure> {
        cx.pass(&self.name, self.opens).await
    }
}

impl<W: Sync + 'static> Wait for Gate<W> {
    fn foresee(&self) -> Opened {
        Opened::BY_TIME
    }
}

impl<W: Sync> Cx<'_, W> {
    /// Waits at the gate of this step until it opens.
    async fn pass(&self, gate: &str, opens: Opens) -> Result<Opened, Failure> {
        let inbox = &self.ground.inbox;
        let time = match opens {
            Opens::ByHand => {
                self.progress("for a person to open it");
                None
            }
            Opens::After(delay) => {
                let whole = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
                let until = self.begun_at().checked_add_signed(whole).unwrap_or(Timestamp::MAX_UTC);
                self.progress(format!("until {}", stamp(until)));
                Some(self.left_of(delay, until))
            }
        };
        let nobody_waits = time.is_none() && !self.ground.holds;
        self.ground.at("waiting").await;
        tokio::select! {
            biased;
            () = self.ground.cancel.cancelled() => Err(Failure::transient("waiting", "interrupted")),
            sent = inbox.promoted() => Ok(Opened::by_hand(sent)),
            () = std::future::ready(()), if nobody_waits => {
                Err(Failure::gate(format!("at the gate `{gate}`"), "it opens when a person says so"))
            }
            () = self.ground.clock.sleep(time.unwrap_or_default()), if time.is_some() => {
                // A person who opened it at the last moment has their answer: it is open.
                drop(inbox.leave_gate());
                Ok(Opened::BY_TIME)
            }
        }
    }
}
