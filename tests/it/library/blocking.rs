//! Code that blocks its thread.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use deployctl::engine::{
    Activity, Cx, Done, End, Engine, Mutation, Preview, Registry, Run, Stop, Undone, Workflow,
};
use deployctl::journal::TakeError;
use deployctl::run::{EventKind, Failure};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{event, impatient, interrupted_at, journal, started};

/// A door at which one thread waits until another opens it.
#[derive(Debug, Default)]
struct Door(Mutex<bool>, Condvar);

impl Door {
    fn open(&self) {
        *self.0.lock().expect("no panic holds it") = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let is_open = self.0.lock().expect("no panic holds it");
        drop(self.1.wait_while(is_open, |is_open| !*is_open).expect("no panic holds it"));
    }
}

/// The threads that work, how many at once, and the door at which they wait.
#[derive(Debug, Default)]
struct Bench {
    journal: std::path::PathBuf,
    door: Door,
    n_entered: AtomicU32,
    n_at_work: AtomicU32,
    n_at_once: AtomicU32,
}

/// Saws. The work cannot be broken off.
#[derive(Serialize, Deserialize)]
struct Saw {
    limit: Option<Duration>,
}

impl Activity for Saw {
    const NAME: &'static str = "saw";
    type World = Arc<Bench>;
    type Output = ();

    fn limit(&self) -> Option<Duration> {
        self.limit
    }

    async fn execute(&self, cx: &Cx<'_, Arc<Bench>>) -> Result<(), Failure> {
        let bench = Arc::clone(cx.world);
        if bench.n_entered.fetch_add(1, Ordering::SeqCst) > 0 {
            // The next attempt lets the previous one finish.
            bench.door.open();
        }
        cx.blocking(move || {
            let n_at_work = bench.n_at_work.fetch_add(1, Ordering::SeqCst) + 1;
            bench.n_at_once.fetch_max(n_at_work, Ordering::SeqCst);
            bench.door.pass();
            bench.n_at_work.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
        .await
    }
}

/// Blocks its thread until its run's lease is renewed.
#[derive(Serialize, Deserialize)]
struct Stubborn;

impl Activity for Stubborn {
    const NAME: &'static str = "stubborn";
    type World = Arc<Bench>;
    type Output = ();

    async fn execute(&self, cx: &Cx<'_, Arc<Bench>>) -> Result<(), Failure> {
        let path = cx.world.journal.clone();
        let looking = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut other =
                    SqliteConnectOptions::new().filename(path).connect().await.expect("the journal opens");
                let mut until = async || {
                    sqlx::query_scalar::<_, i64>("SELECT lease_until FROM runs").fetch_one(&mut other).await
                };
                let before = until().await.expect("it can be read");
                let renewed = async { while until().await.expect("it can be read") == before {} };
                // A lease lasts for half a minute.
                let renewed = tokio::time::timeout(Duration::from_secs(30), renewed).await;
                other.close().await.expect("closed");
                renewed.is_ok()
            })
        });
        match looking.join() {
            Ok(true) => Ok(()),
            _ => Err(Failure::permanent("blocking its thread", "the lease was not renewed meanwhile")),
        }
    }
}

/// Implements an undo for activities that leave nothing behind.
macro_rules! leaves_nothing {
    ($($activity:ty),+) => {$(
        impl Mutation for $activity {
            fn foresee(&self) {}

            fn preview(&self) -> Preview {
                Preview::of("work")
            }

            async fn compensate(&self, _: Done<&()>, _: &Cx<'_, Arc<Bench>>) -> Result<Undone, Failure> {
                Ok(Undone::whole())
            }
        }
    )+};
}
leaves_nothing!(Saw, Stubborn);

#[derive(Serialize, Deserialize)]
enum Job {
    Saw(Option<Duration>),
    Stubborn,
}

struct Work;

impl Workflow for Work {
    const NAME: &'static str = "work";
    const VERSION: u32 = 1;
    type World = Arc<Bench>;
    type Input = Job;
    type Output = ();

    async fn steps(run: &mut Run<'_, Arc<Bench>>, job: &Job) -> Result<(), Stop> {
        match job {
            Job::Saw(limit) => run.change(Saw { limit: *limit }).await,
            Job::Stubborn => run.change(Stubborn).await,
        }
    }
}

fn registry() -> Registry<Arc<Bench>> {
    Registry::new().workflow::<Work>().mutation::<Saw>().mutation::<Stubborn>()
}

#[tokio::test]
async fn a_step_that_blocks_its_thread_keeps_its_lease() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let bench = Arc::new(Bench { journal: folder.path().join("jobs.db"), ..Bench::default() });
    let registry = registry();
    let engine = Engine::new(&journal, &bench, &registry);
    let outcome = engine.start::<Work>(started("a"), &Job::Stubborn).await.expect("the target is free");
    assert!(matches!(outcome.end, End::Succeeded), "{outcome:?}");
}

#[tokio::test]
async fn an_attempt_waits_for_the_end_of_the_one_before_that_cannot_be_broken_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (bench, registry) = (Arc::new(Bench::default()), registry());
    let engine = Engine::new(&journal, &bench, &registry).retry_policy(impatient());
    let saw = Job::Saw(Some(Duration::from_millis(20)));
    let outcome = engine.start::<Work>(started("a"), &saw).await.expect("the target is free");
    assert!(matches!(outcome.end, End::Succeeded), "{outcome:?}");
    assert!(bench.n_entered.load(Ordering::SeqCst) > 1, "the first attempt took too long");
    assert_eq!(bench.n_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_takes_a_run_up_while_code_of_it_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (bench, registry) = (Arc::new(Bench::default()), registry());
    let engine = interrupted_at(
        Engine::new(&journal, &bench, &registry).grace(Duration::from_millis(20)),
        event(|kind| matches!(kind, EventKind::StepBegun { .. })),
    );
    let outcome = engine.start::<Work>(started("a"), &Job::Saw(None)).await.expect("the target is free");
    assert!(matches!(outcome.end, End::Interrupted), "{outcome:?}");
    let again = Engine::new(&journal, &bench, &registry);
    let refused = again.resume(outcome.run).await.expect_err("it still saws");
    assert!(matches!(refused, TakeError::Busy { .. }), "{refused}");
    bench.door.open();
    // The kernel's lock is released when the thread ends.
    let outcome = loop {
        match again.resume(outcome.run).await {
            Err(TakeError::Busy { .. }) => tokio::task::yield_now().await,
            taken => break taken.expect("it can be taken"),
        }
    };
    assert!(matches!(outcome.end, End::Succeeded), "{outcome:?}");
    assert_eq!(bench.n_at_once.load(Ordering::SeqCst), 1);
}
