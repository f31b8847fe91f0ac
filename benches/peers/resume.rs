//! How long after a `kill -9` another process executes the next step.

use std::path::Path;
use std::time::Duration;

use crate::contenders::{Contender, build_steno, kill};
use crate::folder::{copy, fresh, journal};
use crate::page::{Table, publish};
use crate::part::Part;
use crate::spread::{Spread, number, reached};

const ROUNDS: usize = 10;
/// The number of steps before the kill, and the goal in milliseconds.
const SIZES: [(usize, f64); 3] = [(10, 5.0), (1_000, 12.0), (10_000, 50.0)];

/// A folder with a journal in which a run of so many steps was killed in the next one.
pub(crate) fn hung(contender: Contender, folder: &Path, n_steps: usize) {
    kill(contender.hanging(&["hang", &journal(folder), &(n_steps + 1).to_string()]));
}

/// The time from the kill of the process that drives a run until another one executes the step that it died in.
#[expect(clippy::disallowed_methods, reason = "measures the machine itself")]
pub(crate) fn recovered(contender: Contender, hung: &Path) -> Duration {
    let folder = copy(hung);
    let journal = journal(folder.path());
    let driver = contender.hanging(&["resume", &journal]);
    let killed = std::time::Instant::now();
    kill(driver);
    let next = contender.hanging(&["resume", &journal]);
    let took = killed.elapsed();
    kill(next);
    took
}

pub(crate) fn measure() {
    build_steno();
    let mut table = Table::with_columns([
        "ms, with",
        "deployctl, p50",
        "min",
        "max",
        "goal",
        "reached",
        "steno, p50",
        "min",
        "max",
    ]);
    for (n_steps, goal) in SIZES {
        let contenders = [Contender::Ours, Contender::Steno];
        let templates = contenders.map(|contender| {
            let folder = fresh();
            hung(contender, folder.path(), n_steps);
            folder
        });
        let mut took = contenders.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (n, contender) in contenders.into_iter().enumerate() {
                took[n].push(recovered(contender, templates[n].path()));
            }
        }
        let [ours, steno] = took.map(|took| Spread::of_durations(&took));
        let [ours_p50, ours_min, ours_max] = [ours.median(), ours.min(), ours.max()].map(number);
        let [steno_p50, steno_min, steno_max] = [steno.median(), steno.min(), steno.max()].map(number);
        table.row([
            format!("{n_steps} steps"),
            ours_p50,
            ours_min,
            ours_max,
            number(goal),
            reached(ours.median() <= goal),
            steno_p50,
            steno_min,
            steno_max,
        ]);
    }
    let note = format!(
        "{ROUNDS} rounds each. The process that drives a run is killed with SIGKILL in a step. The time ends when a process that
was started after the kill executes this step, and includes that process's start. steno has no lease, so it does not find out
whether the other process is gone.",
    );
    publish(Part::Resume, &note, &table);
}
