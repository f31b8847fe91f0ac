//! A file of tests that no `mod` names is never compiled, and passes for ever.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The root files of the test binaries.
const ROOTS: [&str; 2] = ["it/main.rs", "proof/main.rs"];

#[test]
fn no_file_of_tests_is_forgotten() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut named = BTreeSet::new();
    for root in ROOTS {
        name(tests.join(root), &mut named);
    }
    let mut there = BTreeSet::new();
    find(&tests, &mut there);
    let forgotten: Vec<_> = there.difference(&named).map(|file| file.display().to_string()).collect();
    assert!(forgotten.is_empty(), "no `mod` names {}", forgotten.join(", "));
}

/// Adds a file and the files that its `mod`s name.
fn name(file: PathBuf, named: &mut BTreeSet<PathBuf>) {
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let folder = file.parent().expect("a folder");
    let stem = file.file_stem().expect("a name");
    let inside =
        if ["main", "mod"].iter().any(|own| *own == stem) { folder.to_owned() } else { folder.join(stem) };
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(at) = line.strip_prefix("#[path = \"") {
            path = Some(folder.join(at.trim_end_matches("\"]")));
        }
        let Some(module) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) else {
            continue;
        };
        let usual = || {
            let beside = inside.join(format!("{module}.rs"));
            if beside.exists() { beside } else { inside.join(module).join("mod.rs") }
        };
        let module = path.take().unwrap_or_else(usual);
        let module =
            fs::canonicalize(&module).unwrap_or_else(|error| panic!("{}: {error}", module.display()));
        if !named.contains(&module) {
            name(module, named);
        }
    }
    named.insert(fs::canonicalize(file).expect("it was read"));
}

/// Adds every source file below a folder.
fn find(folder: &Path, there: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, there);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            there.insert(fs::canonicalize(path).expect("it is there"));
        }
    }
}
