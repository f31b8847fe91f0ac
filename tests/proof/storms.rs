//! A cloud that fails at random: every run ends in success, in a clean rollback, or is suspended and then resumed.

use std::io::Write as _;

use serde_json::json;

use crate::harness::{Ran, Traffic, World, each, portion};

/// The number of seeds. Each third of them has another share of faults.
const N_SEEDS: u64 = 210;
const SHARES: [f64; 3] = [0.05, 0.2, 0.4];

/// The faults of a request, and the delay of each.
const FAULTS: [(&str, u32); 10] = [
    ("429", 0),
    ("500", 0),
    ("502", 0),
    ("503", 0),
    ("reset-before", 0),
    ("reset-after", 0),
    ("truncate", 0),
    ("html", 0),
    ("slow", 30),
    ("conflict", 0),
];

#[test]
fn seeded_storms_of_faults_end_well() {
    // To run a single seed: FAULT_SEED=17 cargo test --test proof -- storms
    let only = std::env::var_os("FAULT_SEED").map(|seed| seed.to_string_lossy().parse().expect("a number"));
    let seeds = only.map_or_else(|| portion(1..=N_SEEDS, 3), |only| vec![only]);
    let outcomes = each(&seeds, |seed| storm(*seed));
    let failed: Vec<String> = seeds
        .iter()
        .zip(&outcomes)
        .filter_map(|(seed, outcome)| outcome.as_ref().err().map(|why| format!("FAULT_SEED={seed}: {why}")))
        .collect();
    assert!(failed.is_empty(), "{} of {} seeds failed:\n{}", failed.len(), seeds.len(), failed.join("\n"));
    let count = |wanted: &str| outcomes.iter().flatten().filter(|how| **how == wanted).count();
    let line = format!(
        "{} storms of 5, 20 and 40 % faults: {} without a pause, {} suspended and resumed, 0 requests dropped",
        seeds.len(),
        count("ran through"),
        count("resumed")
    );
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}

/// A redeploy and, for every second seed, its rollback, in a storm.
fn storm(seed: u64) -> &'static str {
    let world = World::stormy();
    let share = SHARES[usize::try_from(seed % 3).expect("small")];
    let n_rules = u32::try_from(FAULTS.len()).expect("few");
    for (n, (effect, delay_ms)) in (0_u64..).zip(FAULTS) {
        let probability = share / f64::from(n_rules);
        let seed = seed * 1_000 + n;
        world.fault(&json!({
            "path": "/20", "probability": probability, "seed": seed, "effect": effect, "delay_ms": delay_ms,
        }));
    }
    // One fault carries the server's word about when to come back, which must be obeyed.
    world.fault(&json!({"path": "/20", "times": 1, "skip": seed % 40, "effect": "429", "retry_after": 1}));
    let mut deployment = world.deployment();
    deployment["poll-interval"] = json!("10ms");
    // Some runs have little patience, and are suspended.
    let patience = if seed.is_multiple_of(7) { "50ms" } else { "5s" };
    deployment["retry"] = json!({"initial-interval": "5ms", "max-interval": "20ms", "max-elapsed": patience});
    let traffic = Traffic::start(world.front());
    let mut how = "ran through";
    let started = world.run(&["start", world.write_deployment(&deployment)]);
    let mut version = carry_on(&world, started, &mut how);
    if seed.is_multiple_of(2) && version == "2" {
        let rolled = world.run(&["rollback", "latest"]);
        version = carry_on(&world, rolled, &mut how);
        assert_eq!(version, "1", "rolled back");
    }
    world.clear_faults();
    assert_eq!(world.versions(), [version]);
    let backends = world.backends("http");
    assert_eq!(backends.len(), 1, "{backends:?}");
    assert_eq!(backends[0]["drain"], false);
    assert_eq!(world.held(), 0, "leases and targets");
    traffic.expect_no_loss();
    how
}

/// Resumes while the run is suspended. Returns the version that serves in the end.
fn carry_on(world: &World, mut ran: Ran, how: &mut &'static str) -> &'static str {
    const RESUMES: usize = 30;
    for _ in 0..RESUMES {
        match ran.code {
            75 => {
                *how = "resumed";
                ran = world.run(&["resume", "latest"]);
            }
            0 | 3 => {
                let shown = world.run(&["history", "latest", "--output", "json"]).expect(0).json();
                return if shown["status"] == "succeeded" { "2" } else { "1" };
            }
            code => panic!("exit {code}: {}", ran.stderr),
        }
    }
    panic!("still suspended: {}", ran.stderr)
}
