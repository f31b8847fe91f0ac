//! Plans: the same workflow code as in a run, with real reads and everything else foreseen.

use tokio_util::sync::CancellationToken;

use super::activity::Read;
use super::ground::Ground;
use super::run::{Mode, PlannedStep, Run};
use super::stop::Stop;
use super::workflow::Workflow;
use crate::retry::RetryPolicy;
use crate::run::{Facts, RunId, Seq, Update};

/// Looks at the world without a run. Made by [`Foresight::new`]; its other methods override the defaults.
pub struct Foresight<'f, W>(pub(super) Ground<'f, W>);

impl<'f, W> Foresight<'f, W> {
    /// Foresees what would be done to `world`. It has no listeners and no token for interruptions.
    pub fn new(world: &'f W) -> Self {
        Self(Ground::new(world))
    }

    /// Sets the delays between failed attempts.
    #[must_use]
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.0.retry = policy;
        self
    }

    /// Sets a token that is cancelled when the user interrupts.
    #[must_use]
    pub fn cancel(mut self, token: CancellationToken) -> Self {
        self.0.cancel = token;
        self
    }

    /// Adds a listener. It gets what is worth showing.
    #[must_use]
    pub fn tell(mut self, listener: impl FnMut(Update<'_>) + Send + 'f) -> Self {
        self.0.listen(listener);
        self
    }
}

impl<W: Sync + 'static> Foresight<'_, W> {
    /// The steps that a workflow would take, and its output.
    ///
    /// # Errors
    /// Whatever stops the workflow before its end.
    pub async fn plan<F: Workflow<World = W>>(
        &self,
        input: &F::Input,
    ) -> Result<(Vec<PlannedStep>, F::Output), Stop> {
        let mut run = self.run(Facts::new());
        // Boxed, so that the caller's future is not as large as the workflow's.
        let output = Box::pin(F::steps(&mut run, input)).await?;
        match run.mode {
            Mode::Foresee { steps, .. } => Ok((steps, output)),
            Mode::Live(_) | Mode::Recall(_) => unreachable!("a plan stays a plan"),
        }
    }

    /// Carries out one read, with the facts of a run.
    ///
    /// # Errors
    /// Whatever stops the read.
    pub async fn look<A: Read<World = W>>(&self, activity: A, facts: &Facts) -> Result<A::Output, Stop> {
        self.run(facts.clone()).read(activity).await
    }

    fn run(&self, facts: Facts) -> Run<'_, W> {
        let mode = Mode::Foresee { run: RunId::random(), steps: Vec::new() };
        Run::new(&self.0, mode, facts, Seq::FIRST)
    }
}
