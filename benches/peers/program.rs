//! The program: how fast it starts, how much memory a rollout takes, how large it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cloud::Cloud;
use crate::folder::disk;
use crate::page::{Table, publish};
use crate::part::Part;
use crate::spread::{Spread, number, reached};

const STARTS: usize = 10;
const ROLLOUTS: usize = 3;
/// The pace of the rollouts whose memory is measured. Memory does not depend on it.
const PACE: f64 = 20.0;

/// The program as users get it, which `benches/run` builds.
pub(crate) fn program() -> PathBuf {
    let program = disk().join("deployctl");
    assert!(program.exists(), "benches/run builds the program and measures it");
    program
}

/// A command of the program, with an empty environment and this home.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("HOME", home).current_dir(home);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// How long a command takes, from the start of its process to its end.
#[expect(clippy::disallowed_methods, reason = "measures the machine itself")]
pub(crate) fn timed(home: &Path, args: &[&str]) -> Duration {
    let mut command = command(home);
    command.args(args);
    let began = std::time::Instant::now();
    let status = command.status().expect("it starts");
    let took = began.elapsed();
    assert!(status.success(), "{args:?}: {status}");
    took
}

pub(crate) fn measure() {
    let mut table = Table::with_columns(["", "p50", "min", "max", "goal", "reached"]);
    let mut row = |what: &str, values: &Spread, goal: Option<f64>| {
        let [p50, min, max] = [values.median(), values.min(), values.max()].map(number);
        let is_reached = goal.map_or_else(String::new, |goal| reached(values.median() <= goal));
        table.row([what.to_owned(), p50, min, max, goal.map_or_else(String::new, number), is_reached]);
    };
    let (mut version, mut show, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROLLOUTS {
        let cloud = Cloud::with_sets(1, PACE);
        for _ in 0..STARTS {
            version.push(timed(cloud.home(), &["--version"]));
            show.push(timed(cloud.home(), &["show", "web.json"]));
        }
        memory.push(cloud.roll_out().memory_kib / 1024.0);
    }
    row("`deployctl --version`, ms", &Spread::of_durations(&version), Some(1.5));
    row("`deployctl show web.json`, ms", &Spread::of_durations(&show), Some(2.2));
    row("peak memory of a rollout (VmHWM), MiB", &Spread::of(memory), Some(16.0));
    row("the program's file, MB", &Spread::of([megabytes(&program())]), Some(12.0));
    row("crates in the program", &Spread::of([crates()]), None);
    row("crates in `Cargo.lock`", &Spread::of([packages()]), None);
    let note = format!(
        "Starts are timed from the start of the process to its end, {} times; their goals are what they took before. Memory is the
highest that the kernel counted, in {ROLLOUTS} rollouts of one backend set on the sandbox.",
        STARTS * ROLLOUTS,
    );
    publish(Part::Program, &note, &table);
}

fn megabytes(file: &Path) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a float can count the bytes of a file")]
    let bytes = fs::metadata(file).expect("a file").len() as f64;
    bytes / 1e6
}

/// The number of crates that the program is made of.
fn crates() -> f64 {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--prefix", "none", "--no-dedupe", "--edges", "normal"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let text = String::from_utf8_lossy(&tree.stdout).into_owned();
    let mut lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches(" (proc-macro)")).collect();
    lines.sort_unstable();
    lines.dedup();
    count(lines.len())
}

fn packages() -> f64 {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"));
    count(lock.expect("a file").matches("[[package]]").count())
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).expect("a few hundred"))
}
