//! Rollouts on the sandbox, at the pace of the cloud, beside the floor that a schedule on paper gives.

use crate::cloud::{Cloud, Rollout};
use crate::page::{Table, publish};
use crate::part::Part;
use crate::spread::reached;

/// Seconds that the cloud takes, as the sandbox does at its slowest pace (docs/oci.md 2.6).
const CREATE: u32 = 50;
const CHANGE: u32 = 10;
const DELETE: u32 = 40;
/// Three good checks every ten seconds: twenty to thirty seconds, by their phase.
const CHECKS: u32 = 25;
/// The defaults of `min-ready` and `drain-delay`.
const MIN_READY: u32 = 10;
const DRAIN_DELAY: u32 = 10;

/// The number of sets, and the goals: seconds until the new version serves alone and to the end, and calls.
const SIZES: [(u32, u32, u32, usize); 3] = [(1, 105, 160, 55), (3, 125, 200, 85), (10, 210, 350, 200)];

pub(crate) fn measure() {
    // All at once: they hardly do anything but wait.
    let rollouts: Vec<Rollout> = std::thread::scope(|scope| {
        let threads =
            SIZES.map(|(n_sets, ..)| scope.spawn(move || Cloud::with_sets(n_sets as usize, 1.0).roll_out()));
        threads.into_iter().map(|thread| thread.join().expect("it was rolled out")).collect()
    });
    let mut table = Table::with_columns([
        "sets",
        "serves alone after, s",
        "floor",
        "goal",
        "reached",
        "whole, s",
        "floor",
        "goal",
        "reached",
        "calls",
        "goal",
        "reached",
    ]);
    for ((n_sets, alone_goal, whole_goal, calls_goal), rollout) in SIZES.into_iter().zip(rollouts) {
        let (after, during) = (floor(n_sets, CREATE), floor(n_sets, 0));
        let [alone, whole] = [rollout.alone, rollout.whole].map(|took| took.as_secs_f64());
        table.row([
            n_sets.to_string(),
            format!("{alone:.0}"),
            format!("{} ({})", after.0, during.0),
            alone_goal.to_string(),
            reached(alone <= f64::from(alone_goal)),
            format!("{whole:.0}"),
            format!("{} ({})", after.1, during.1),
            whole_goal.to_string(),
            reached(whole <= f64::from(whole_goal)),
            rollout.n_calls.to_string(),
            calls_goal.to_string(),
            reached(rollout.n_calls <= calls_goal),
        ]);
    }
    let note = format!(
        "One rollout each, on the sandbox at the pace of the cloud, with every option at its default. *Serves alone* is when all sets
send requests to the new version and none to the old one, as the sandbox sees it. *Calls* are those of the whole rollout.

The floor is on paper. The cloud creates an instance in {CREATE} s, deletes one in {DELETE} s, and makes one change of a load
balancer at a time, in {CHANGE} s. Each set needs three changes: the new backend is registered; the set is switched from the
old backend to the new one, once the new one has been healthy ({CHECKS} s on average) and has stayed so ({MIN_READY} s,
`min-ready`); the old backend is removed, {DRAIN_DELAY} s (`drain-delay`) after the switch. Nothing else takes any time. In
brackets: the same if the instance's address is known, and registered, from the beginning of its creation on.",
    );
    publish(Part::Rollouts, &note, &table);
}

/// The seconds until the new version serves alone, and until the old instance is gone, if the first backend can be registered
/// after `registers_at`.
fn floor(n_sets: u32, registers_at: u32) -> (u32, u32) {
    let mut free_at = registers_at;
    let mut change = |earliest: u32| {
        free_at = free_at.max(earliest) + CHANGE;
        free_at
    };
    let registered: Vec<u32> = (0..n_sets).map(|_| change(0)).collect();
    let switched: Vec<u32> =
        registered.iter().map(|at| change(at.max(&CREATE) + CHECKS + MIN_READY)).collect();
    let removed: Vec<u32> = switched.iter().map(|at| change(at + DRAIN_DELAY)).collect();
    let last = |times: &[u32]| times.last().copied().unwrap_or_default();
    (last(&switched), last(&removed) + DELETE)
}
