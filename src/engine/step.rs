//! One run as workflow code sees it: each step is read from the journal, or carried out and checkpointed.
//!
//! The invariant: there is one path for plan, run and resume. A step that has a checkpoint returns it without
//! touching the cloud; that is all that resume is.

use std::cell::Cell;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Cx, Mutation, Preview, Read, Teller, Wait};
use super::attempt::{self, Attempts, Ended};
use super::stop::{Diverged, Stop};
use super::trial::{self, Trial};
use crate::clock::Clock;
use crate::crash::{self, Place};
use crate::journal::{Completion, Lease, NewStep, StoredStep};
use crate::retry::RetryPolicy;
use crate::run::{
    Direction, Effect, Event, Facts, Failure, FailureKind, RunId, Seq, StepStatus, Target, Update, mask,
};

/// A run in progress, or one that is only foreseen.
pub struct Run<'e, W> {
    pub(super) with: With<'e, W>,
    pub(super) teller: &'e Teller<'e>,
    pub(super) mode: Mode<'e>,
    pub(super) facts: Facts,
    pub(super) next: Seq,
    /// Whether a step that changes something was come to.
    pub(super) has_changes: bool,
}

/// What every step is driven with.
pub(super) struct With<'e, W> {
    pub(super) world: &'e W,
    pub(super) clock: Clock,
    pub(super) retry: &'e RetryPolicy,
    pub(super) cancel: &'e CancellationToken,
    pub(super) trial: Trial,
}

/// Whether things are done or only foreseen.
pub(super) enum Mode<'e> {
    Live {
        lease: &'e mut Lease,
        recorded: Vec<StoredStep>,
        /// A user asked to resume a suspended run: its retry budgets start anew.
        forget_retries: bool,
    },
    Foresee {
        run: RunId,
        steps: Vec<PlannedStep>,
    },
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedStep {
    /// The activity's name.
    pub name: String,
    /// What it acts on.
    pub subject: Option<String>,
    /// What it does to the world.
    pub effect: Effect,
    /// The request, for a mutation.
    pub request: Option<Preview>,
    /// What was found, for a read.
    pub note: Option<String>,
}

impl<W> Run<'_, W> {
    /// What the steps may touch.
    pub const fn world(&self) -> &W {
        self.with.world
    }

    /// Looks at something. Done in a plan as well.
    pub async fn read<A: Read<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if let Mode::Foresee { run, .. } = self.mode {
            let output = self.look(run, &activity).await?;
            self.facts.extend(A::facts(&output));
            self.foreseen(&activity, Effect::Read, None, A::note(&output));
            return Ok(output);
        }
        self.step(&activity, Effect::Read, async |_| Ok(None)).await
    }

    /// Waits until something is so.
    pub async fn wait<A: Wait<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(&activity, Effect::Wait, None, None);
            return Ok(activity.foresee());
        }
        self.step(&activity, Effect::Wait, async |_| Ok(None)).await
    }

    /// Changes the cloud.
    pub async fn change<A: Mutation<World = W>>(&mut self, activity: A) -> Result<A::Output, Stop> {
        if matches!(self.mode, Mode::Foresee { .. }) {
            self.foreseen(&activity, Effect::Mutation, Some(activity.preview()), None);
            return Ok(activity.foresee());
        }
        self.step(&activity, Effect::Mutation, async |cx: &Cx<'_, W>| activity.adopt(cx).await).await
    }

    /// Holds one more target until the run is over.
    pub async fn hold(&mut self, target: &Target) -> Result<(), Stop> {
        match &mut self.mode {
            Mode::Live { lease, .. } => Ok(lease.hold(target).await?),
            Mode::Foresee { .. } => Ok(()),
        }
    }

    fn foreseen<A: Activity>(
        &mut self,
        activity: &A,
        effect: Effect,
        request: Option<Preview>,
        note: Option<String>,
    ) {
        if let Mode::Foresee { steps, .. } = &mut self.mode {
            steps.push(PlannedStep {
                name: A::NAME.to_owned(),
                subject: activity.subject(),
                effect,
                request,
                note,
            });
        }
    }

    /// Reads in a plan: no journal, but the same retries.
    async fn look<A: Read<World = W>>(&self, run: RunId, activity: &A) -> Result<A::Output, Stop> {
        let (warnings, spent) = (Mutex::default(), Cell::new(false));
        let now = self.with.clock.now();
        let cx = Cx {
            world: self.with.world,
            clock: self.with.clock,
            run,
            seq: self.next,
            step_begun_at: now,
            begun_at: now,
            is_first_entry: true,
            facts: &self.facts,
            teller: self.teller,
            cancel: self.with.cancel,
            retry: self.with.retry,
            spent: &spent,
            guard: None,
            warnings: &warnings,
        };
        activity.conceal(self.with.world);
        let attempts = Attempts::new(self.with.retry, self.with.clock, 1, None).or_spent(&spent);
        let looking = async || Box::pin(activity.execute(&cx)).await;
        match attempts.make(self.with.cancel, Effect::Read, looking, async |_, _, _| Ok(())).await? {
            Ended::Refused(failure) | Ended::Blocked(failure) => Err(Stop::Failed(failure)),
            Ended::Spent(failure) if failure.kind == FailureKind::Missing => Err(Stop::Failed(failure)),
            Ended::Spent(failure) => Err(Stop::Suspended(failure)),
            Ended::Done(output) => {
                A::conceal_output(&output, self.with.world);
                for warning in warnings.into_inner().unwrap_or_default() {
                    (self.teller)(Update::Progress { seq: self.next, text: &format!("warning: {warning}") });
                }
                Ok(output)
            }
        }
    }

    /// Carries one step out under the journal, or returns its checkpoint.
    async fn step<A: Activity<World = W>>(
        &mut self,
        activity: &A,
        effect: Effect,
        adopt: impl AsyncFn(&Cx<'_, W>) -> Result<Option<A::Output>, Failure>,
    ) -> Result<A::Output, Stop> {
        let seq = self.next;
        self.next = seq.next();
        self.has_changes |= effect == Effect::Mutation;
        let asked = new_step(activity, effect)?;
        activity.conceal(self.with.world);
        let place = if effect == Effect::Mutation { Place::Itself } else { Place::Following };
        // Before a checkpoint is returned: what follows is named after it.
        crash::within(A::NAME, asked.subject.as_deref(), place);
        let Mode::Live { lease, recorded, forget_retries } = &mut self.mode else {
            unreachable!("a plan returns before this")
        };
        let stored = recorded.get(seq.get() as usize - 1);
        if let Some(stored) = stored {
            same(stored, &asked)?;
            if let (StepStatus::Completed, Some(output)) = (stored.state.status, &stored.output) {
                let output = decode::<A>(seq, output)?;
                A::conceal_output(&output, self.with.world);
                self.facts.extend(A::facts(&output));
                return Ok(output);
            }
            if let (StepStatus::Failed, Some(failure)) = (stored.state.status, &stored.forward.failure) {
                return Err(Stop::Failed(failure.clone()));
            }
        }
        if self.with.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        crash::at("not begun");
        let begun = match stored {
            None => lease.begin(&asked).await?,
            Some(stored) => lease.take_up(stored, Direction::Forward, *forget_retries).await?,
        };
        crash::at("begun");
        (self.teller)(Update::Event(&begun));
        let (warnings, spent) = (Mutex::default(), Cell::new(false));
        let guard = lease.guard();
        let cx = Cx {
            world: self.with.world,
            clock: self.with.clock,
            run: lease.run(),
            seq,
            step_begun_at: stored.map_or(begun.at, |stored| stored.forward.begun_at),
            begun_at: stored.map_or(begun.at, |stored| stored.forward.begun_at),
            is_first_entry: stored.is_none(),
            facts: &self.facts,
            teller: self.teller,
            cancel: self.with.cancel,
            retry: self.with.retry,
            spent: &spent,
            guard: Some(&guard),
            warnings: &warnings,
        };
        let attempts = match stored {
            None => Attempts::new(self.with.retry, self.with.clock, 1, None),
            Some(stored) => {
                if let Some(at) = stored.forward.next_attempt_at {
                    attempt::wait_until(self.with.clock, self.with.cancel, at).await?;
                }
                let since = stored.forward.retry_since.filter(|_| !*forget_retries);
                Attempts::new(self.with.retry, self.with.clock, stored.forward.attempt + 1, since)
            }
        };
        // An attempt that failed may have been carried out, just as one whose process died.
        let mut is_repeated = stored.is_some();
        let (mut adopted, mut is_lost) = (false, false);
        let trial = self.with.trial;
        let attempt = async || {
            if trial == Trial::FailAt(seq) {
                return Err(Failure::permanent(A::NAME, "it was to fail, for a trial"));
            }
            if std::mem::replace(&mut is_repeated, true)
                && let Some(output) = adopt(&cx).await?
            {
                adopted = true;
                return Ok(output);
            }
            // On the heap: a workflow's future would hold those of all its steps otherwise, and outgrow a stack.
            let output = Box::pin(activity.execute(&cx)).await?;
            if trial == Trial::AnswerLost && !std::mem::replace(&mut is_lost, true) {
                return Err(trial::answer_lost(A::NAME));
            }
            if trial == Trial::Twice {
                adopt(&cx).await?;
                adopt(&cx).await?;
                Box::pin(activity.execute(&cx)).await?;
            }
            Ok(output)
        };
        let teller = self.teller;
        let retrying = async |failure: &Failure, number: u32, delay: Duration| {
            let event = lease.retrying(seq, Direction::Forward, failure, number, delay).await?;
            teller(Update::Event(&event));
            Ok(())
        };
        let output = match attempts.or_spent(&spent).make(self.with.cancel, effect, attempt, retrying).await?
        {
            Ended::Done(output) => output,
            Ended::Blocked(failure) if self.has_changes => return Err(Stop::Suspended(failure)),
            Ended::Spent(failure) if failure.kind != FailureKind::Missing => {
                return Err(Stop::Suspended(failure));
            }
            Ended::Refused(failure) | Ended::Blocked(failure) | Ended::Spent(failure) => {
                crash::at("refused, not failed");
                let event = lease.fail(seq, Direction::Forward, &failure).await?;
                crash::at("failed");
                teller(Update::Event(&event));
                return Err(Stop::Failed(failure));
            }
        };
        A::conceal_output(&output, self.with.world);
        let facts = A::facts(&output);
        let done = Completion {
            output: encode(&output)?,
            note: A::note(&output),
            facts: facts.clone(),
            warnings: warnings.into_inner().unwrap_or_default(),
            adopted,
        };
        crash::at("done, not completed");
        let events = lease.complete(seq, done).await?;
        crash::at("completed");
        tell_all(self.teller, &events);
        self.facts.extend(facts);
        Ok(output)
    }
}

pub(super) fn tell_all(teller: &Teller<'_>, events: &[Event]) {
    for event in events {
        teller(Update::Event(event));
    }
}

fn new_step<A: Activity>(activity: &A, effect: Effect) -> Result<NewStep, Stop> {
    let input = encode(activity)?;
    let mut open = input.clone();
    mask(&mut open);
    let input_digest = STANDARD_NO_PAD.encode(Sha256::digest(open.to_string()));
    Ok(NewStep { activity: A::NAME.to_owned(), subject: activity.subject(), effect, input, input_digest })
}

/// A resume whose code asks for another step stops before any change.
fn same(stored: &StoredStep, asked: &NewStep) -> Result<(), Stop> {
    let name = |activity: &str, subject: Option<&str>, digest: &str| {
        let subject = subject.map(|subject| format!(" {subject}")).unwrap_or_default();
        format!("{activity}{subject} (input {})", digest.get(..8).unwrap_or(digest))
    };
    let recorded = name(&stored.activity, stored.subject.as_deref(), &stored.input_digest);
    let asked = name(&asked.activity, asked.subject.as_deref(), &asked.input_digest);
    if recorded == asked {
        Ok(())
    } else {
        Err(Stop::Diverged(Diverged { seq: stored.seq, recorded, asked }))
    }
}

pub(super) fn encode(value: &impl Serialize) -> Result<Value, Stop> {
    serde_json::to_value(value)
        .map_err(|error| Stop::Ours(Failure::ours("encoding a step", error.to_string())))
}

fn decode<A: Activity>(seq: Seq, output: &Value) -> Result<A::Output, Stop> {
    serde_json::from_value(output.clone()).map_err(|error| {
        Stop::Ours(Failure::ours(
            format!("reading the checkpoint of step {seq} ({})", A::NAME),
            error.to_string(),
        ))
    })
}
