//! How long `history` takes, by the number of runs in the journal.

use std::time::Duration;

use crate::folder::{copy, filled, journal};
use crate::page::{Table, publish};
use crate::part::Part;
use crate::program::timed;
use crate::spread::{Spread, number, reached};

const ROUNDS: usize = 10;
/// The number of runs, and the goal in milliseconds.
const SIZES: [(usize, f64); 3] = [(10, 5.0), (1_000, 8.0), (100_000, 30.0)];

pub(crate) fn measure() {
    let journals = SIZES.map(|(n_runs, _)| copy(&filled(n_runs)));
    let mut took: [Vec<Duration>; 3] = SIZES.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (journal_of, took) in journals.iter().zip(&mut took) {
            took.push(timed(journal_of.path(), &["history", "--journal", &journal(journal_of.path())]));
        }
    }
    let mut table = Table::with_columns(["ms, with", "p50", "min", "max", "goal", "reached"]);
    for ((n_runs, goal), took) in SIZES.into_iter().zip(took) {
        let spread = Spread::of_durations(&took);
        let [p50, min, max] = [spread.median(), spread.min(), spread.max()].map(number);
        let is_reached = reached(spread.median() <= goal);
        table.row([format!("{n_runs} runs"), p50, min, max, number(goal), is_reached]);
    }
    let note = format!("`deployctl history`, from the start of the process to its end. {ROUNDS} rounds.");
    publish(Part::History, &note, &table);
}
