//! Gives a target inputs: seeds with a few edits each.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use super::targets::Ground;

const N_EDITS_MOST: usize = 8;

/// An edit of a file.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Overwrite(Index, u8),
}

fn edits(words: &'static [&'static str]) -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<Index>;
    let word = prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 1..4);
    let edit = prop_oneof![
        4 => (at(), word).prop_map(|(at, word)| Edit::Insert(at, word)),
        1 => (at(), bytes).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        2 => (at(), 1_usize..40).prop_map(|(at, n_bytes)| Edit::Remove(at, n_bytes)),
        1 => (at(), 1_usize..40, 1_usize..200).prop_map(|(at, n_bytes, n)| Edit::Repeat(at, n_bytes, n)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Overwrite(at, byte)),
    ];
    prop::collection::vec(edit, 1..=N_EDITS_MOST)
}

fn edited(seed: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for edit in edits {
        let place = |at: &Index| at.index(bytes.len() + 1);
        match edit {
            Edit::Insert(at, inserted) => {
                let at = place(at);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Edit::Remove(at, n_bytes) => {
                let at = place(at);
                let end = bytes.len().min(at + n_bytes);
                bytes.drain(at..end);
            }
            Edit::Repeat(at, n_bytes, n) => {
                let at = place(at);
                let repeated = bytes[at..bytes.len().min(at + n_bytes)].repeat(*n);
                bytes.splice(at..at, repeated);
            }
            Edit::Overwrite(at, byte) => {
                let at = place(at);
                if let Some(there) = bytes.get_mut(at) {
                    *there = *byte;
                }
            }
        }
    }
    bytes
}

/// Gives a target edited seeds. An input on which it fails is made as small as possible, and shown.
pub(super) fn fuzz(
    n_cases: u32,
    seeds: &[Vec<u8>],
    words: &'static [&'static str],
    target: fn(&Ground, &[u8]) -> bool,
) {
    let ground = Ground::new();
    // A seed that is never accepted is refused at once, and tests nothing behind that refusal.
    assert!(target(&ground, &seeds[0]), "refused: {}", String::from_utf8_lossy(&seeds[0]));
    let config = ProptestConfig { cases: n_cases, failure_persistence: None, ..ProptestConfig::default() };
    let inputs = (prop::sample::select(seeds.to_vec()), edits(words));
    let outcome = TestRunner::new(config).run(&inputs, |(seed, edits)| {
        target(&ground, &edited(&seed, &edits));
        Ok(())
    });
    if let Err(proptest::test_runner::TestError::Fail(why, (seed, edits))) = &outcome {
        panic!("{why}\nwith {:?}", String::from_utf8_lossy(&edited(seed, edits)));
    }
    outcome.expect("every input was taken");
}
