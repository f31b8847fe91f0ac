//! How much of the proof a binary runs: `proof` runs all of it, and `it` a few cases, which differ from commit to commit.

use std::process::Command;

/// The cases that this binary runs: all of them, or `few`, evenly spread from an offset that depends on the commit.
pub(crate) fn portion<C>(cases: impl IntoIterator<Item = C>, few: usize) -> Vec<C> {
    if crate::IS_WHOLE { cases.into_iter().collect() } else { spread(cases, few) }
}

/// `few` of the cases, evenly spread from an offset that depends on the commit.
pub(crate) fn spread<C>(cases: impl IntoIterator<Item = C>, few: usize) -> Vec<C> {
    let cases: Vec<C> = cases.into_iter().collect();
    let n = cases.len();
    if few >= n {
        return cases;
    }
    let first = rotation() % n;
    let is_chosen = |index: usize| (0..few).any(|k| (first + k * n / few) % n == index);
    cases.into_iter().enumerate().filter(|(index, _)| is_chosen(*index)).map(|(_, case)| case).collect()
}

/// A number that differs from commit to commit, and is the same whenever a commit is tested. `PROOF_PART` overrides it.
#[expect(clippy::disallowed_methods, reason = "the tests' own environment chooses the part")]
pub(crate) fn rotation() -> usize {
    if let Ok(part) = std::env::var("PROOF_PART") {
        return part.parse().expect("PROOF_PART is a number");
    }
    let commit =
        Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    // Sources that were unpacked from an archive have no commit. They run the first part.
    let commit =
        commit.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    commit.get(..7).and_then(|digits| usize::from_str_radix(digits, 16).ok()).unwrap_or(0)
}
