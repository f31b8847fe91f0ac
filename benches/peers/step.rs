//! What a checkpointed step costs, beside the floor and steno.

use crate::contenders::{Contender, build_steno};
use crate::folder::{fresh, journal};
use crate::page::{Table, publish};
use crate::part::Part;
use crate::spread::{Spread, number, reached};

const ROUNDS: usize = 40;
const STEPS: &str = "101";

const CONTENDERS: [Contender; 4] =
    [Contender::Ours, Contender::TwoCommits, Contender::OneCommit, Contender::Steno];

pub(crate) fn measure() {
    build_steno();
    let mut gaps = CONTENDERS.map(|_| Vec::new());
    // The median of each round, so that rounds can be compared.
    let mut medians = CONTENDERS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (n, contender) in CONTENDERS.into_iter().enumerate() {
            let folder = fresh();
            let measured = contender.gaps(&["steps", &journal(folder.path()), STEPS]);
            medians[n].push(Spread::of_durations(&measured).median());
            gaps[n].extend(measured);
        }
    }
    let mut table = Table::with_columns(["ms a step", "p50", "mean", "p99", "min", "max"]);
    for (contender, gaps) in CONTENDERS.into_iter().zip(&gaps) {
        let spread = Spread::of_durations(gaps);
        let numbers = [spread.median(), spread.mean(), spread.p99(), spread.min(), spread.max()];
        let [p50, mean, p99, min, max] = numbers.map(number);
        table.row([contender.name().to_owned(), p50, mean, p99, min, max]);
    }
    let ratios = |over: usize, under: usize| {
        Spread::of(medians[over].iter().zip(&medians[under]).map(|(over, under)| over / under))
    };
    let (floors, ahead) = (ratios(0, 1), ratios(3, 0));
    let note = format!(
        "{ROUNDS} rounds of 100 steps each, one run each round. Of each round's medians:

- deployctl over two raw commits: {} (goal: at most 1; reached: {});
- deployctl over one raw commit: {};
- steno over deployctl: {} (goal: at least 1.5; reached: {}).",
        floors.with_ends(),
        reached(floors.median() <= 1.0),
        ratios(0, 2).with_ends(),
        ahead.with_ends(),
        reached(ahead.median() >= 1.5),
    );
    publish(Part::Step, &note, &table);
}
