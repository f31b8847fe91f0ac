//! The engine alone: random workflows with random failures and crashes, compared with a model.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use deployctl::clock::Clock;
use deployctl::engine::{
    Activity, Cx, Done, End, Engine, Mutation, Outcome, Preview, Read, Registry, Run, Started, Stop, Undone,
    Wait, Workflow,
};
use deployctl::journal::{Journal, KeySource};
use deployctl::retry::RetryPolicy;
use deployctl::run::{Facts, Failure, RunId, RunState, StepStatus, Target, UndoStatus};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

fn impatient() -> RetryPolicy {
    RetryPolicy {
        initial_interval: Duration::from_millis(1),
        max_interval: Duration::from_millis(2),
        multiplier: 2.0,
        max_elapsed: Duration::from_millis(200),
    }
}

/// The kind of a step in a random workflow.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Kind {
    Read,
    Wait,
    Change,
}

/// The fault of one attempt.
#[derive(Clone, Copy, Debug)]
enum Fault {
    TransientBefore,
    TransientAfter,
    Permanent,
    CrashBefore,
    CrashAfter,
}

/// The deeds of the model's cloud, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Done(u32),
    Undone(u32),
}

/// A cloud that records what was done to it, and fails as it was told.
#[derive(Default)]
struct Model {
    live: Mutex<BTreeSet<u32>>,
    deeds: Mutex<Vec<Deed>>,
    /// By step, and whether the step is being undone.
    faults: Mutex<HashMap<(u32, bool), VecDeque<Fault>>>,
    /// Whether the deeds are invisible.
    is_hidden: bool,
    crash: Notify,
}

impl Model {
    async fn attempt(&self, id: u32, is_undo: bool, act: impl FnOnce()) -> Result<(), Failure> {
        let fault = self
            .faults
            .lock()
            .expect("no panic holds it")
            .get_mut(&(id, is_undo))
            .and_then(VecDeque::pop_front);
        match fault {
            Some(Fault::TransientBefore) => return Err(Failure::transient("attempting", "before")),
            Some(Fault::Permanent) => return Err(Failure::permanent("attempting", "refused")),
            Some(Fault::CrashBefore) => self.die().await,
            Some(Fault::TransientAfter | Fault::CrashAfter) | None => {}
        }
        act();
        match fault {
            Some(Fault::TransientAfter) => Err(Failure::transient("attempting", "after")),
            Some(Fault::CrashAfter) => self.die().await,
            _ => Ok(()),
        }
    }

    /// The test drops everything under way, as the kernel does when it kills a process.
    async fn die(&self) -> ! {
        self.crash.notify_one();
        std::future::pending().await
    }

    fn is_live(&self, id: u32) -> bool {
        self.live.lock().expect("no panic holds it").contains(&id)
    }

    fn note(&self, id: u32, is_undo: bool) {
        let mut live = self.live.lock().expect("no panic holds it");
        let has_changed = if is_undo { live.remove(&id) } else { live.insert(id) };
        if has_changed {
            let deed = if is_undo { Deed::Undone(id) } else { Deed::Done(id) };
            self.deeds.lock().expect("no panic holds it").push(deed);
        }
    }
}

macro_rules! step {
    ($name:ident, $text:literal) => {
        #[derive(Debug, Serialize, Deserialize)]
        struct $name {
            id: u32,
        }

        impl Activity for $name {
            const NAME: &'static str = $text;
            type World = Model;
            type Output = u32;

            async fn execute(&self, cx: &Cx<'_, Model>) -> Result<u32, Failure> {
                let is_change = Self::NAME == "change";
                cx.world
                    .attempt(self.id, false, || {
                        if is_change {
                            cx.world.note(self.id, false);
                        }
                    })
                    .await?;
                Ok(self.id)
            }
        }
    };
}
step!(Look, "look");
step!(Linger, "linger");
step!(Change, "change");

impl Read for Look {}

impl Wait for Linger {
    fn foresee(&self) -> u32 {
        self.id
    }
}

impl Mutation for Change {
    fn foresee(&self) -> u32 {
        self.id
    }

    fn preview(&self) -> Preview {
        Preview::of(format!("change {}", self.id))
    }

    async fn adopt(&self, cx: &Cx<'_, Model>) -> Result<Option<u32>, Failure> {
        Ok((!cx.world.is_hidden && cx.world.is_live(self.id)).then_some(self.id))
    }

    async fn compensate(&self, _: Done<&u32>, cx: &Cx<'_, Model>) -> Result<Undone, Failure> {
        // Every second one is undone in two parts. The second part knows the first one's result.
        let first = format!("first part of {}", self.id);
        if self.id.is_multiple_of(2) && cx.fact(&first).is_none() {
            let facts = Facts::from([(first, "done".to_owned())]);
            return Ok(Undone::Part { facts, note: "in part".to_owned() });
        }
        cx.world.attempt(self.id, true, || cx.world.note(self.id, true)).await?;
        Ok(Undone::whole())
    }
}

struct Random;

impl Workflow for Random {
    const NAME: &'static str = "random";
    const VERSION: u32 = 1;
    type World = Model;
    type Input = Vec<Kind>;
    type Output = ();

    async fn steps(run: &mut Run<'_, Model>, kinds: &Vec<Kind>) -> Result<(), Stop> {
        for (id, kind) in (1..).zip(kinds) {
            let returned = match kind {
                Kind::Read => run.read(Look { id }).await?,
                Kind::Wait => run.wait(Linger { id }).await?,
                Kind::Change => run.change(Change { id }).await?,
            };
            assert_eq!(returned, id, "a checkpoint is another step's");
        }
        Ok(())
    }
}

/// The command that a process gets for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Start,
    Resume,
    Rollback,
}

/// One process: it opens the journal, does one thing, and dies with the crash if there is one.
async fn process(
    path: &Path,
    model: &Model,
    kinds: &Vec<Kind>,
    verb: Verb,
    run: Option<RunId>,
) -> Option<Outcome> {
    let key = KeySource::default();
    let journal = Journal::open(path, key, Clock::system()).await.expect("the journal opens");
    let registry = Registry::new().workflow::<Random>().mutation::<Change>();
    let engine = Engine::new(&journal, model, &registry).retry_policy(impatient());
    let driven = async {
        match (verb, run) {
            (Verb::Start, _) | (_, None) => {
                let started = Started::new("random", Target::new("random", "random"));
                Some(engine.start::<Random>(started, kinds).await.expect("the target is free"))
            }
            (Verb::Resume, Some(run)) => engine.resume(run).await.ok(),
            (Verb::Rollback, Some(run)) => engine.rollback(run).await.ok(),
        }
    };
    tokio::select! {
        biased;
        outcome = driven => outcome,
        () = model.crash.notified() => None,
    }
}

fn check(record: &deployctl::run::RunRecord, model: &Model) {
    let deeds = model.deeds.lock().expect("no panic holds it").clone();
    let done: Vec<u32> = deeds
        .iter()
        .filter_map(|deed| match deed {
            Deed::Done(id) => Some(*id),
            Deed::Undone(_) => None,
        })
        .collect();
    let undone: Vec<u32> = deeds
        .iter()
        .filter_map(|deed| match deed {
            Deed::Undone(id) => Some(*id),
            Deed::Done(_) => None,
        })
        .collect();
    // Each step is in effect at most once, forwards in order, and backwards in exactly the reverse order.
    assert!(done.is_sorted() && done.windows(2).all(|pair| pair[0] != pair[1]), "{deeds:?}");
    let reversed: Vec<u32> = done.iter().rev().copied().take(undone.len()).collect();
    assert_eq!(undone, reversed, "{deeds:?}");
    for step in &record.steps {
        let id = step.seq.get();
        let undo = step.compensation.as_ref().map(|undo| undo.status);
        let is_change = step.name == "change";
        match (step.status, undo) {
            (StepStatus::Completed, None) if is_change => {
                assert!(done.contains(&id), "{id} is not done: {deeds:?}");
            }
            (_, Some(UndoStatus::Completed)) => assert!(!model.is_live(id), "{id} is not undone: {deeds:?}"),
            _ => {}
        }
    }
    let live = model.live.lock().expect("no panic holds it").clone();
    match record.state {
        RunState::Succeeded => {
            assert!(record.steps.iter().all(|step| step.status == StepStatus::Completed), "{record:?}");
        }
        RunState::RolledBack => assert!(live.is_empty(), "{live:?}"),
        RunState::Running
        | RunState::Suspended
        | RunState::Failed
        | RunState::RollingBack
        | RunState::Stuck => {}
    }
}

/// The first attempt may have been carried out. The refusal of the second one does not say.
#[tokio::test]
async fn a_step_that_was_refused_at_its_second_attempt_is_undone() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Model { is_hidden: true, ..Model::default() };
    let planned = VecDeque::from([Fault::TransientAfter, Fault::Permanent]);
    model.faults.lock().expect("no panic holds it").insert((1, false), planned);
    let path = folder.path().join("journal.db");
    let outcome = process(&path, &model, &vec![Kind::Change], Verb::Start, None).await.expect("it ends");
    assert!(matches!(outcome.end, End::RolledBack(Some(_))), "{:?}", outcome.end);
    assert_eq!(*model.deeds.lock().expect("no panic holds it"), [Deed::Done(1), Deed::Undone(1)]);
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        3 => Just(Fault::TransientBefore),
        3 => Just(Fault::TransientAfter),
        1 => Just(Fault::Permanent),
        3 => Just(Fault::CrashBefore),
        3 => Just(Fault::CrashAfter),
    ];
    prop::collection::vec(fault, 0..3)
}

const N_CASES: u32 = if crate::IS_WHOLE { 256 } else { 32 };

proptest! {
    #![proptest_config(ProptestConfig { cases: N_CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_and_crashes_a_random_workflow_ends_as_the_model_says(
        kinds in prop::collection::vec(
            prop_oneof![1 => Just(Kind::Read), 1 => Just(Kind::Wait), 4 => Just(Kind::Change)], 1..7),
        forwards in prop::collection::vec(faults(), 7),
        backwards in prop::collection::vec(faults(), 7),
        verbs in prop::collection::vec(prop_oneof![2 => Just(Verb::Resume), 1 => Just(Verb::Rollback)], 8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("journal.db");
            let model = Model::default();
            {
                let mut planned = model.faults.lock().expect("no panic holds it");
                for (id, (forward, backward)) in (1..).zip(forwards.into_iter().zip(backwards)) {
                    planned.insert((id, false), forward.into());
                    planned.insert((id, true), backward.into());
                }
            }
            process(&path, &model, &kinds, Verb::Start, None).await;
            let look = async || {
                let journal = Journal::open(&path, KeySource::default(), Clock::system()).await.expect("opens");
                let runs = journal.runs(1).await.expect("it can be listed");
                let record = journal.run(runs[0].id).await.expect("it can be read");
                journal.close().await.expect("closes");
                record
            };
            let mut record = look().await;
            check(&record, &model);
            // First the given commands, and then on to the end: a stuck run is tried again, and all others are resumed.
            let told = verbs.into_iter().map(Some).chain(std::iter::repeat_n(None, 40));
            for verb in told {
                let verb = match (verb, record.state) {
                    (None, state) if state.is_over() => break,
                    (None, RunState::Stuck) => Verb::Rollback,
                    (None, _) => Verb::Resume,
                    (Some(verb), _) => verb,
                };
                process(&path, &model, &kinds, verb, Some(record.id)).await;
                record = look().await;
                check(&record, &model);
            }
            assert!(record.state.is_over(), "it does not come to an end: {record:?}");
        });
    }
}
