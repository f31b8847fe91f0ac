//! Steps that a newer version of a program adds to a workflow with open runs.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::activity::{Activity, Read};
use super::cx::Cx;
use super::forward::Reading;
use super::run::{Mode, Run};
use super::stop::Stop;
use crate::run::Failure;

/// Marks the place in a run at which the steps of a patch begin.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Patch<W> {
    id: String,
    #[serde(skip)]
    world: PhantomData<fn() -> W>,
}

impl<W: Sync + 'static> Activity for Patch<W> {
    const NAME: &'static str = "patched";
    type World = W;
    type Output = ();

    fn subject(&self) -> Option<String> {
        Some(self.id.clone())
    }

    async fn execute(&self, _: &Cx<'_, W>) -> Result<(), Failure> {
        Ok(())
    }
}

impl<W: Sync + 'static> Read for Patch<W> {}

impl<W: Sync + 'static> Run<'_, W> {
    /// Whether to take the steps that this patch adds here. The answer is yes, unless the run passed this place without
    /// them in an earlier version of the program; it then goes on as that version would. The answer is recorded, so
    /// that a resume gets the same one.
    ///
    /// ```no_run
    /// # use deployctl::engine::{Run, Stop};
    /// # async fn steps(run: &mut Run<'_, ()>) -> Result<(), Stop> {
    /// if run.patched("warm-up").await? {
    ///     run.sleep("warm-up", std::time::Duration::from_secs(30)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn patched(&mut self, id: &str) -> Result<bool, Stop> {
        let patch = Patch::<W> { id: id.to_owned(), world: PhantomData };
        match &self.mode {
            Mode::Foresee { .. } => return Ok(true),
            Mode::Recall(_) => {}
            Mode::Live(live) => {
                let there = live.recorded.get(self.next.get() as usize - 1);
                let there = there.map(|step| (step.activity.as_str(), step.subject.as_deref()));
                if there.is_some_and(|there| there != (Patch::<W>::NAME, Some(id))) {
                    return Ok(false);
                }
            }
        }
        self.set_out()?;
        let done = Box::pin(self.step::<_, Reading>(Patch::<W>::NAME, &patch)).await;
        self.come_back(done).map(|()| true)
    }
}
