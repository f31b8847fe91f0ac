//! Measures deployctl beside its peers, prints tables, and writes docs/benchmarks.md. It asserts nothing about time.
//!
//! `cargo bench --bench peers` measures the library, `benches/run` the program. Both take the names of parts (part.rs).
//! `child …` makes this process a contender (contenders.rs).

mod cloud;
mod contenders;
mod crowd;
mod floor;
mod folder;
mod growth;
mod history;
#[path = "../../tests/harness/http.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod http;
mod machine;
mod others;
mod ours;
mod page;
mod part;
mod program;
mod resume;
mod rollouts;
mod spread;
mod step;
mod told;

use std::path::Path;
use std::process::ExitCode;

use part::Part;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["child", command @ ..] = words.as_slice() {
        return child(command);
    }
    let named: Option<Vec<Part>> =
        words.iter().map(|word| Part::ALL.into_iter().find(|part| part.name() == *word)).collect();
    match named {
        Some(parts) if parts.is_empty() => measure(&Part::OF_THE_LIBRARY),
        Some(parts) => measure(&parts),
        None => return usage(),
    }
    ExitCode::SUCCESS
}

fn measure(parts: &[Part]) {
    for part in parts {
        part.measure();
    }
}

#[expect(clippy::print_stderr, reason = "a person asked")]
fn usage() -> ExitCode {
    let parts = Part::ALL.map(Part::name).join(" | ");
    eprintln!("usage: cargo bench --bench peers -- [{parts}] ...");
    ExitCode::from(2)
}

/// Does what a contender does. The arguments come from this program.
fn child(command: &[&str]) -> ExitCode {
    let number = |text: &str| text.parse().expect("a number");
    let count = |text: &str| text.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let is_done = runtime.block_on(async {
        match command {
            ["one-commit", "steps", file, n] => floor::one_commit(Path::new(file), number(n)).await,
            ["two-commits", "steps", file, n] => floor::two_commits(Path::new(file), number(n)).await,
            ["ours", "steps", file, n] => ours::steps(Path::new(file), count(n)).await,
            ["ours", "hang", file, n] => ours::hang(Path::new(file), count(n)).await,
            ["ours", "resume", file] => ours::resume(Path::new(file)).await,
            ["ours", "fill", file, n] => ours::fill(Path::new(file), count(n)).await,
            ["ours", "crowd", file, runs, n] => {
                ours::crowd(Path::new(file), count(runs), count(n)).await;
            }
            ["ours", "start", file, target, n] => {
                return ours::start(Path::new(file), target, count(n)).await;
            }
            other => panic!("no contender understands {other:?}"),
        }
        true
    });
    if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
