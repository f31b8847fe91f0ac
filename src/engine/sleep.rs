//! A durable timer as a step of its own.

use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::activity::{Activity, Wait};
use super::cx::Cx;
use crate::run::Failure;

/// Waits for some time, across processes. The workflow names its step.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Sleep<W> {
    delay: Duration,
    #[serde(skip)]
    world: PhantomData<fn() -> W>,
}

impl<W> Sleep<W> {
    pub(super) const fn lasting(delay: Duration) -> Self {
        Self { delay, world: PhantomData }
    }
}

impl<W: Sync + 'static> Activity for Sleep<W> {
    const NAME: &'static str = "sleep";
    type World = W;
    type Output = ();

    async fn execute(&self, cx: &Cx<'_, W>) -> Result<(), Failure> {
        cx.sleep(self.delay).await
    }
}

impl<W: Sync + 'static> Wait for Sleep<W> {
    fn foresee(&self) {}
}
