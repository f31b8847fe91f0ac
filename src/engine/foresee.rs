//! What a run would do: the same workflow code, with reads that are real and everything else foreseen.

use tokio_util::sync::CancellationToken;

use super::activity::{Read, Teller, shared};
use super::drive::Workflow;
use super::step::{Mode, PlannedStep, Run, With};
use super::stop::Stop;
use super::trial::Trial;
use crate::clock::Clock;
use crate::retry::RetryPolicy;
use crate::run::{Facts, RunId, Seq, Update};

/// Everything that the cloud is looked at with outside of a run.
pub struct Foresight<'f, W> {
    /// What activities may touch.
    pub world: &'f W,
    /// Time.
    pub clock: Clock,
    /// How failed attempts are spaced.
    pub retry: RetryPolicy,
    /// Set when the user interrupts.
    pub cancel: CancellationToken,
    /// Gets what is worth showing.
    pub tell: &'f mut dyn FnMut(Update<'_>),
}

impl<W> Foresight<'_, W> {
    /// The steps that a workflow would take.
    ///
    /// # Errors
    /// Whatever stops the workflow before its end.
    pub async fn plan<F: Workflow<World = W>>(&mut self, input: &F::Input) -> Result<Vec<PlannedStep>, Stop> {
        let teller = shared(self.tell);
        let mut run = foreseen(self.world, self.clock, &self.retry, &self.cancel, &teller, Facts::new());
        F::steps(&mut run, input).await?;
        match run.mode {
            Mode::Foresee { steps, .. } => Ok(steps),
            Mode::Live { .. } => unreachable!("a plan stays a plan"),
        }
    }

    /// Looks at one thing, with the facts of a run.
    ///
    /// # Errors
    /// Whatever is in the way.
    pub async fn look<A: Read<World = W>>(&mut self, activity: A, facts: &Facts) -> Result<A::Output, Stop> {
        let teller = shared(self.tell);
        let mut run = foreseen(self.world, self.clock, &self.retry, &self.cancel, &teller, facts.clone());
        run.read(activity).await
    }
}

fn foreseen<'f, W>(
    world: &'f W,
    clock: Clock,
    retry: &'f RetryPolicy,
    cancel: &'f CancellationToken,
    teller: &'f Teller<'f>,
    facts: Facts,
) -> Run<'f, W> {
    Run {
        with: With { world, clock, retry, cancel, trial: Trial::None },
        teller,
        mode: Mode::Foresee { run: RunId::random(), steps: Vec::new() },
        facts,
        next: Seq::FIRST,
        has_changes: false,
    }
}
