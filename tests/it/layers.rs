//! The arrows of the house: a module may use those below it in this list, and none above (ARCHITECTURE.md).

use std::fs;
use std::path::Path;

/// Bottom first.
const LAYERS: [&str; 11] =
    ["run", "crash", "file", "clock", "retry", "journal", "engine", "oci", "config", "workflows", "cli"];
/// What a module must not use although it lies below.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    ("retry", &["clock"]),
    ("journal", &["retry"]),
    ("oci", &["retry", "journal", "engine"]),
    ("config", &["clock", "retry", "journal", "engine"]),
    ("workflows", &["journal", "retry"]),
    // An independent witness imports nothing.
    ("sandbox", &LAYERS),
    ("engine", &["oci"]),
];

#[test]
fn no_module_uses_one_that_lies_above_it() {
    let mut wrong = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, text| {
        let inside = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("below src");
        let first = inside.components().next().expect("a component").as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        let height = LAYERS.iter().position(|layer| *layer == module);
        for used in text.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_above = match (height, LAYERS.iter().position(|layer| *layer == used)) {
                (Some(mine), Some(theirs)) => theirs > mine,
                _ => false,
            };
            let is_forbidden =
                FORBIDDEN.iter().any(|(who, what)| *who == module && what.contains(&used.as_str()));
            if is_above || is_forbidden {
                wrong.push(format!("{} uses {used}", inside.display()));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sql_stays_in_the_journal() {
    let mut wrong = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, text| {
        let is_journal = path.components().any(|part| part.as_os_str() == "journal");
        if !is_journal && text.contains("sqlx::") {
            wrong.push(path.display().to_string());
        }
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn visit(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            look(&path, &fs::read_to_string(&path).expect("text"));
        }
    }
}
