//! From a file or a flag to a tree: EDN with the place of each part, YAML and JSON as plain values.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::edn;
use super::node::{Node, Tree};
use super::problem::{Place, Problem};

/// The largest file that is read, in bytes.
const SIZE_LIMIT: u64 = 4 << 20;

/// Reads a file by its ending: `.edn`, `.yaml`, `.yml`, `.json`.
pub(super) fn file(path: &Path) -> Result<Node, Problem> {
    let text = text_of(path)?;
    // Editors of Windows put it there.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let place = Place { source: Some(Arc::new(path.to_owned())), position: None };
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("edn") => edn::read(text, &place),
        Some("yaml" | "yml") => yaml(text, &place),
        Some("json") => json(text, &place),
        Some(_) | None => Err(Problem {
            place,
            path: String::new(),
            message: "expected a file that ends in .edn, .yaml, .yml or .json".to_owned(),
        }),
    }
}

/// The text of a file.
pub(super) fn text_of(path: &Path) -> Result<String, Problem> {
    String::from_utf8(bytes_of(path)?)
        .map_err(|_| unreadable(path, "is no text in UTF-8; #base64 reads any file"))
}

/// The bytes of a file.
pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>, Problem> {
    let failed = |error: io::Error| unreadable(path, format!("cannot be read: {error}"));
    // A device or a pipe does not tell its size.
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(unreadable(path, format!("is larger than {SIZE_LIMIT} bytes")));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, message: impl Into<String>) -> Problem {
    let place = Place { source: Some(Arc::new(path.to_owned())), position: None };
    Problem { place, path: String::new(), message: message.into() }
}

/// Reads what stands on the command line: JSON, EDN or YAML.
pub(super) fn inline(text: &str, flag: &str) -> Result<Node, Problem> {
    let place = Place { source: Some(Arc::new(PathBuf::from(flag))), position: None };
    if let Ok(node) = json(text, &place) {
        return Ok(node);
    }
    let as_edn = edn::read(text, &place);
    match as_edn {
        Ok(node) if matches!(node.tree, Tree::Map(_) | Tree::List(_)) => Ok(node),
        Ok(_) => yaml(text, &place),
        Err(problem) if text.trim_start().starts_with(['{', '[']) => Err(problem),
        Err(_) => yaml(text, &place),
    }
}

fn yaml(text: &str, place: &Place) -> Result<Node, Problem> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let position = error
            .location()
            .map(|at| (usize::try_from(at.line()).unwrap_or(0), usize::try_from(at.column()).unwrap_or(0)));
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default();
        Problem {
            place: Place { position, ..place.clone() },
            path: String::new(),
            message: format!("is not YAML: {first}"),
        }
    })?;
    Ok(Node::from_json(value, place))
}

fn json(text: &str, place: &Place) -> Result<Node, Problem> {
    let value: Value = serde_json::from_str(text).map_err(|error| Problem {
        place: Place { position: Some((error.line(), error.column())), ..place.clone() },
        path: String::new(),
        message: format!("is not JSON: {error}"),
    })?;
    Ok(Node::from_json(value, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_brackets_is_an_error_in_every_language() {
        for opening in ["[", "{\"a\":", "[[{\"a\":["] {
            let text = opening.repeat(100_000);
            let place = Place::default();
            for read in [json, yaml, edn::read] {
                assert!(read(&text, &place).is_err(), "{opening}");
            }
        }
        // YAML nests by indentation as well.
        let deep: Vec<String> = (0..3_000).map(|n| format!("{}a:", " ".repeat(n))).collect();
        assert!(yaml(&deep.join("\n"), &Place::default()).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("a.edn", "{:a 1}"), ("a.yaml", "a: 1"), ("a.json", "{\"a\": 1}")] {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("{}{text}", '\u{feff}')).expect("written");
            assert!(file(&path).expect(name).get("a").is_some(), "{name}");
        }
    }

    #[test]
    fn yaml_that_multiplies_by_its_anchors_is_an_error() {
        let nine = |n: u32| format!("a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", "));
        let lines: Vec<String> = (1..12).map(nine).collect();
        let text = format!("a0: &a0 [x, x, x, x, x, x, x, x, x]\n{}", lines.join("\n"));
        assert!(yaml(&text, &Place::default()).is_err());
    }
}
