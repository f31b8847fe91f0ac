//! The engine in somebody else's program: with their own workflows, in their own world.

mod again;
mod blocking;
mod called;
mod crowded;
mod edited;
mod kept;
mod lost;
mod many;
mod named;
mod poisoned;
mod pruned;
mod recalled;
#[path = "../../../examples/setup.rs"]
mod setup;
mod sleeping;
mod slow;
mod upgraded;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use deployctl::clock::Clock;
use deployctl::crash;
use deployctl::engine::{
    Activity, CancellationToken, Cx, Done, Engine, Mutation, Preview, Registry, Run, Started, Stop, Undone,
    Workflow,
};
use deployctl::journal::{Journal, KeySource};
use deployctl::retry::RetryPolicy;
use deployctl::run::{EventKind, Facts, Failure, Target, Update};
use serde::{Deserialize, Serialize};

use crate::harness::Ran;

/// Somebody else's world: the names of the things on a shelf.
#[derive(Debug, Default)]
struct Shelf {
    things: Mutex<BTreeSet<String>>,
    /// The things that were asked for before.
    known: Mutex<BTreeSet<String>>,
}

impl Shelf {
    fn is_new(&self, name: &str) -> bool {
        self.known.lock().expect("no panic holds it").insert(name.to_owned())
    }

    fn things(&self) -> Vec<String> {
        self.things.lock().expect("no panic holds it").iter().cloned().collect()
    }
}

/// Puts one thing on the shelf. Its name says how that goes: `hang…` never ends; `slow…` ends at the second attempt, also on
/// the way back; `away…` cannot be had; `lent…` is taken away at the second attempt, until when a `plate` is back; `locked…` is refused once; `trap…` ends, there or back, when the shelf knows `free`;
/// and `here…` is done at once.
#[derive(Debug, Serialize, Deserialize)]
struct Put {
    name: String,
}

impl Activity for Put {
    const NAME: &'static str = "put";
    type World = Shelf;
    type Output = usize;

    fn subject(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn limit(&self) -> Option<Duration> {
        self.name.starts_with("slow").then_some(Duration::from_millis(20))
    }

    async fn execute(&self, cx: &Cx<'_, Shelf>) -> Result<usize, Failure> {
        if !self.name.starts_with("here") {
            // Yields for a moment, so that other runs take their turn in between.
            tokio::task::yield_now().await;
        }
        let is_slow = self.name.starts_with("slow");
        if self.name.starts_with("hang")
            || self.is_trapped(cx.world)
            || is_slow && cx.world.is_new(&self.name)
        {
            std::future::pending::<()>().await;
        }
        if self.name.starts_with("locked") && cx.world.is_new(&self.name) {
            return Err(Failure::permanent("putting it there", "the shelf is locked"));
        }
        if self.name.starts_with("away") {
            return Err(Failure::transient("fetching it", "it is away"));
        }
        let mut things = cx.world.things.lock().expect("no panic holds it");
        things.insert(self.name.clone());
        Ok(self.name.len())
    }
}

impl Put {
    fn is_trapped(&self, world: &Shelf) -> bool {
        self.name.starts_with("trap") && !world.known.lock().expect("no panic holds it").contains("free")
    }
}

impl Mutation for Put {
    fn foresee(&self) -> usize {
        self.name.len()
    }

    fn preview(&self) -> Preview {
        Preview::of(format!("put {}", self.name))
    }

    async fn recall(&self, cx: &Cx<'_, Shelf>) -> Result<Option<usize>, Failure> {
        let is_there = cx.world.things.lock().expect("no panic holds it").contains(&self.name);
        Ok(is_there.then_some(self.name.len()))
    }

    async fn compensate(&self, _: Done<&usize>, cx: &Cx<'_, Shelf>) -> Result<Undone, Failure> {
        let is_slow = self.name.starts_with("slow") && cx.world.is_new(&format!("no {}", self.name));
        if is_slow || self.is_trapped(cx.world) {
            std::future::pending::<()>().await;
        }
        if self.name.starts_with("lent") && cx.world.is_new(&format!("no {}", self.name)) {
            // What was taken from the shelf since goes back.
            cx.world.things.lock().expect("no panic holds it").insert("plate".to_owned());
            let failure = Failure::held(None, "taking it", "somebody else has it");
            return Ok(Undone::Withdrawn { facts: Facts::new(), failure });
        }
        cx.world.things.lock().expect("no panic holds it").remove(&self.name);
        Ok(Undone::whole())
    }
}

/// Puts several things on the shelf, one after the other. Its output is the total length of their names.
struct Fill;

impl Workflow for Fill {
    const NAME: &'static str = "fill";
    const VERSION: u32 = 1;
    type World = Shelf;
    type Input = Vec<String>;
    type Output = usize;

    async fn steps(run: &mut Run<'_, Shelf>, names: &Vec<String>) -> Result<usize, Stop> {
        let mut n_letters = 0;
        for name in names {
            n_letters += run.change(Put { name: name.clone() }).await?;
        }
        Ok(n_letters)
    }
}

/// An engine whose run is interrupted at the first update of which this is true.
fn interrupted_at<'e, W: Sync + 'static>(
    engine: Engine<'e, W>,
    mut at: impl FnMut(Update<'_>) -> bool + Send + 'e,
) -> Engine<'e, W> {
    let cancel = CancellationToken::new();
    engine.cancel(cancel.clone()).tell(move |update| {
        if at(update) {
            cancel.cancel();
        }
    })
}

/// True of the `n`th update.
fn nth(n: u32) -> impl FnMut(Update<'_>) -> bool + Send {
    let mut n_updates = 0;
    move |_| {
        n_updates += 1;
        n_updates == n
    }
}

/// True of an event of this kind.
fn event(is_meant: impl Fn(&EventKind) -> bool + Send) -> impl FnMut(Update<'_>) -> bool + Send {
    move |update| matches!(update, Update::Event(event) if is_meant(&event.kind))
}

/// Crash points apply to a whole process. This runs the test in a process of its own, in which they are armed, and returns
/// them only in that process.
fn alone(test: &str, failpoints: &str) -> Option<crash::Armed> {
    if std::env::var_os("FAILPOINTS").is_some() {
        return Some(crash::arm());
    }
    let program = std::env::current_exe().expect("this program");
    let ran = Command::new(program).args(["--exact", test]).env("FAILPOINTS", failpoints).output();
    let ran = Ran::of(&ran.expect("it starts")).expect(0);
    assert!(ran.stdout.contains("1 passed"), "{}", ran.stdout);
    None
}

fn registry() -> Registry<Shelf> {
    Registry::new().workflow::<Fill>().mutation::<Put>()
}

async fn journal(folder: &Path) -> Journal {
    let path = folder.join("jobs.db");
    Journal::open(&path, KeySource::default(), Clock::system()).await.expect("the journal opens")
}

fn started(name: &str) -> Started {
    Started::new(name, Target::new("shelf", name))
}

fn impatient() -> RetryPolicy {
    RetryPolicy {
        initial_interval: Duration::from_millis(1),
        max_interval: Duration::from_millis(2),
        multiplier: 2.0,
        max_elapsed: Duration::from_millis(200),
    }
}

#[test]
fn the_example_runs() {
    setup::main().expect("it makes its folder");
}
