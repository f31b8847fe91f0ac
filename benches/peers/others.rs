//! Whether a resume costs more when the journal holds other runs.

use crate::contenders::Contender;
use crate::folder::{copy, filled, fresh};
use crate::page::{Table, publish};
use crate::part::Part;
use crate::resume::{hung, recovered};
use crate::spread::{Spread, number, reached};

const ROUNDS: usize = 5;
const GOAL_MS: f64 = 6.0;

pub(crate) fn measure() {
    let templates = [0, 1_000, 100_000].map(|n_runs| {
        let folder = if n_runs == 0 { fresh() } else { copy(&filled(n_runs)) };
        hung(Contender::Ours, folder.path(), 10);
        (n_runs, folder)
    });
    let mut took = templates.each_ref().map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, template), took) in templates.iter().zip(&mut took) {
            took.push(recovered(Contender::Ours, template.path()));
        }
    }
    let mut table = Table::with_columns(["ms, beside", "p50", "min", "max", "goal", "reached"]);
    for ((n_runs, _), took) in templates.iter().zip(took) {
        let spread = Spread::of_durations(&took);
        let [p50, min, max] = [spread.median(), spread.min(), spread.max()].map(number);
        table.row([
            format!("{n_runs} runs"),
            p50,
            min,
            max,
            number(GOAL_MS),
            reached(spread.median() <= GOAL_MS),
        ]);
    }
    let note = format!(
        "{ROUNDS} rounds each, a run of 10 steps. The other runs have succeeded. The library wrote them, with the journal's file in
memory (`/dev/shm`); then the file was copied to the disk.",
    );
    publish(Part::Others, &note, &table);
}
