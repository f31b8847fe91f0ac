//! A hundred runs on one journal at once: in one process, and each in a process of its own.

use std::time::Duration;

use crate::contenders::{Contender, ended};
use crate::folder::{fresh, journal};
use crate::page::{Table, publish};
use crate::part::Part;
use crate::spread::{Spread, number, reached};

const ROUNDS: usize = 3;
const N: usize = 100;
const STEPS: &str = "21";

pub(crate) fn measure() {
    let (mut within_one, mut of_many) = (Vec::new(), Vec::new());
    let mut n_failed = 0;
    for _ in 0..ROUNDS {
        let folder = fresh();
        within_one.extend(Contender::Ours.gaps(&["crowd", &journal(folder.path()), &N.to_string(), STEPS]));
        let (failed, gaps) = processes();
        n_failed += failed;
        of_many.extend(gaps);
    }
    let mut table =
        Table::with_columns(["ms between steps", "p50", "p99", "max", "goal (p99)", "reached", "failed"]);
    for (name, gaps, goal, n_failed) in [
        ("100 runs in one process", &within_one, 10.0, None),
        ("100 processes with a run each", &of_many, 200.0, Some(n_failed)),
    ] {
        let spread = Spread::of_durations(gaps);
        let [p50, p99, max] = [spread.median(), spread.p99(), spread.max()].map(number);
        let is_reached = spread.p99() <= goal && n_failed.unwrap_or(0) == 0;
        let failed = n_failed.map_or_else(String::new, |n| format!("{n} of {}", N * ROUNDS));
        table.row([name.to_owned(), p50, p99, max, number(goal), reached(is_reached), failed]);
    }
    let note = format!(
        "{ROUNDS} rounds. Each run has 20 steps that do nothing, so that all of them want to commit all the time: 100 rollouts, whose
steps take seconds, wait much less. *Failed* counts the processes that did not exit with 0 (goal: none).",
    );
    publish(Part::Crowd, &note, &table);
}

/// Starts all processes at once. Returns how many of them failed, and the times between steps.
fn processes() -> (usize, Vec<Duration>) {
    let folder = fresh();
    let journal = journal(folder.path());
    let children: Vec<_> =
        (0..N).map(|n| Contender::Ours.spawn(&["start", &journal, &n.to_string(), STEPS])).collect();
    let (mut n_failed, mut gaps) = (0, Vec::new());
    for child in children {
        let (code, of_one) = ended(child);
        n_failed += usize::from(code != Some(0));
        gaps.extend(of_one);
    }
    (n_failed, gaps)
}
