//! Whether a step costs more when many came before it.

use crate::contenders::{Contender, build_steno};
use crate::folder::{fresh, journal};
use crate::page::{Table, publish};
use crate::part::Part;
use crate::spread::{Spread, number, reached};

const ROUNDS: usize = 3;
const GOAL: f64 = 1.05;

pub(crate) fn measure() {
    build_steno();
    let contenders = [Contender::Ours, Contender::Steno];
    let mut measured = contenders.map(|_| (Vec::new(), Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        for (contender, (first, last, ratios)) in contenders.into_iter().zip(&mut measured) {
            let folder = fresh();
            let gaps = contender.gaps(&["steps", &journal(folder.path()), "10001"]);
            let of = |gaps| Spread::of_durations(gaps).median();
            let (one, other) = (of(&gaps[..1_000]), of(&gaps[9_000..]));
            first.push(one);
            last.push(other);
            ratios.push(other / one);
        }
    }
    let mut table = Table::with_columns([
        "",
        "steps 1 to 1,000, ms",
        "steps 9,001 to 10,000, ms",
        "ratio",
        "goal",
        "reached",
    ]);
    for (contender, (first, last, ratios)) in contenders.into_iter().zip(measured) {
        let ratios = Spread::of(ratios);
        let (goal, is_reached) = match contender {
            Contender::Ours => (format!("at most {GOAL}"), reached(ratios.median() <= GOAL)),
            _ => (String::new(), String::new()),
        };
        let [first, last] = [first, last].map(|medians| number(Spread::of(medians).median()));
        table.row([contender.name().to_owned(), first, last, ratios.with_ends(), goal, is_reached]);
    }
    let note = format!("Medians, in {ROUNDS} runs of 10,000 steps each.");
    publish(Part::Growth, &note, &table);
}
