//! Reads a file or a flag as a tree: EDN with the place of each part, YAML and JSON as plain values.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_saphyr::Spanned;

use super::edn;
use super::node::{Node, Tree};
use super::plain::{self, Bare, Located};
use super::problem::{Position, Problem};
use crate::file::read_bytes;

/// The deepest nesting of YAML, whose reader uses much of the stack for each level. Real deployments are far below.
const DEPTH_LIMIT: usize = 32;
/// The message for a file with `---` between its parts.
const MANY_DOCUMENTS: &str =
    "there is more than one document in it, and a deployment is one: take out the `---`";
/// The largest file that is read, in bytes.
const SIZE_LIMIT: u64 = 4 << 20;

/// Reads a file according to its extension: `.edn`, `.yaml`, `.yml`, `.json`.
pub(super) fn file(path: &Path) -> Result<Node, Problem> {
    match ending(path) {
        Some("edn" | "yaml" | "yml" | "json") => by_ending(path, edn::read),
        Some(_) | None => Err(unreadable(path, "expected a file that ends in .edn, .yaml, .yml or .json")),
    }
}

/// Reads a file that another one includes: as EDN whatever its extension, unless it is YAML or JSON. An empty file is nil, as
/// in Aero.
pub(super) fn part(path: &Path) -> Result<Node, Problem> {
    by_ending(path, edn::read_part)
}

fn ending(path: &Path) -> Option<&str> {
    path.extension().and_then(|ending| ending.to_str())
}

fn by_ending(path: &Path, edn: fn(&str, &Position) -> Result<Node, Problem>) -> Result<Node, Problem> {
    let text = text_of(path)?;
    // Windows editors write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let place = Position { source: Some(Arc::new(path.to_owned())), position: None };
    match ending(path) {
        Some("yaml" | "yml") => yaml(text, &place),
        Some("json") => json(text, &place),
        Some(_) | None => edn(&edn::with_line_feeds(text), &place),
    }
}

/// The text of a file.
pub(super) fn text_of(path: &Path) -> Result<String, Problem> {
    String::from_utf8(bytes_of(path)?)
        .map_err(|_| unreadable(path, "is not text in UTF-8; #base64 reads any file"))
}

/// The bytes of a file, which may be a key.
pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>, Problem> {
    read_bytes(path, SIZE_LIMIT).map_err(|error| unreadable(path, format!("cannot be read: {error}")))
}

fn unreadable(path: &Path, message: impl Into<String>) -> Problem {
    let place = Position { source: Some(Arc::new(path.to_owned())), position: None };
    Problem { place, path: String::new(), message: message.into() }
}

/// Reads a value from the command line: JSON, EDN or YAML.
pub(super) fn inline(text: &str, flag: &str) -> Result<Node, Problem> {
    let place = Position { source: Some(Arc::new(PathBuf::from(flag))), position: None };
    if let Ok(node) = json(text, &place) {
        return Ok(node);
    }
    let as_edn = edn::read(text, &place);
    match as_edn {
        // No EDN symbol ends with a colon: `{env: prod}` is a YAML map.
        Ok(node) if has_keys_with_colons(&node) => yaml(text, &place),
        Ok(node) if matches!(node.tree, Tree::Map(_) | Tree::List(_)) => Ok(node),
        Ok(_) => yaml(text, &place),
        Err(problem) if text.trim_start().starts_with(['{', '[']) => Err(problem),
        Err(_) => yaml(text, &place),
    }
}

fn has_keys_with_colons(node: &Node) -> bool {
    let ends_with_colon = |key: &Node| matches!(&key.tree, Tree::Key(name) if name.ends_with(':'));
    node.entries().iter().any(|(key, value)| ends_with_colon(key) || has_keys_with_colons(value))
        || node.items().iter().any(has_keys_with_colons)
}

fn yaml(text: &str, place: &Position) -> Result<Node, Problem> {
    let part = located(text).map_err(|error| {
        let position = error
            .location()
            .map(|at| (usize::try_from(at.line()).unwrap_or(0), usize::try_from(at.column()).unwrap_or(0)));
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default();
        // The library adds the place, which the message already has, and names of its own options.
        let said = position.and_then(|(line, column)| {
            first.split_once(&format!("line {line} column {column}: ")).map(|(_, said)| said)
        });
        let said = said.unwrap_or(first);
        let said = said.split_once(", set ").map_or(said, |(said, _)| said);
        let said = if error.to_string().contains("from_str_multiple") { MANY_DOCUMENTS } else { said };
        let place = Position { position, ..place.clone() };
        Problem { place, path: String::new(), message: format!("is not YAML: {said}") }
    })?;
    Ok(plain::tree(part, place, text))
}

fn located(text: &str) -> Result<Spanned<Located>, serde_saphyr::Error> {
    let budget = serde_saphyr::budget! { max_depth: DEPTH_LIMIT };
    // A tag such as `!secret` or `!env` means something to other programs. If the tag were dropped, its operand would be sent
    // as a value.
    serde_saphyr::from_str_with_options(
        text,
        serde_saphyr::options! { budget: budget, reject_unsupported_tags: true },
    )
}

/// JSON is read twice: strictly, and then again as YAML, which it also is, to get the places.
fn json(text: &str, place: &Position) -> Result<Node, Problem> {
    let part: Bare = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let at = format!(" at line {line} column {column}");
        Problem {
            place: Position { position: Some((line, column)), ..place.clone() },
            path: String::new(),
            message: format!("is not JSON: {}", message.strip_suffix(&at).unwrap_or(&message)),
        }
    })?;
    let mut node = plain::tree(part, place, text);
    plain::spell(&mut node, &mut plain::numbers(text));
    if let Ok(part) = located(text) {
        plain::locate(&mut node, &plain::tree(part, place, text));
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_brackets_is_an_error_in_every_language() {
        for opening in ["[", "{\"a\":", "[[{\"a\":["] {
            let text = opening.repeat(100_000);
            let place = Position::default();
            for read in [json, yaml, edn::read] {
                assert!(read(&text, &place).is_err(), "{opening}");
            }
        }
        // YAML also nests by indentation.
        let deep: Vec<String> = (0..3_000).map(|n| format!("{}a:", " ".repeat(n))).collect();
        assert!(yaml(&deep.join("\n"), &Position::default()).is_err());
    }

    #[test]
    fn a_key_that_is_there_twice_is_an_error_in_every_language() {
        for (read, text, expected) in [
            (
                json as fn(&str, &Position) -> _,
                "{\"a\": 1,\n \"a\": 2}",
                "2:4: is not JSON: the key `a` is there twice",
            ),
            (yaml, "a: 1\na: 2", "2:1: is not YAML: duplicate mapping key: a"),
            (edn::read, "{:a 1\n :a 2}", "2:2: the key `:a` is there twice"),
        ] {
            let place = Position { source: Some(Arc::new(PathBuf::from("web"))), position: None };
            let problem: Problem = read(text, &place).expect_err(text);
            assert_eq!(problem.to_string(), format!("web:{expected}"));
        }
    }

    #[test]
    fn each_part_of_plain_values_has_its_place() {
        let place = Position::default();
        for (read, text) in [
            (json as fn(&str, &Position) -> _, "{\"a\":\n [{\"b\": 1},\n  {\"b\": 2}]}"),
            (yaml, "a:\n  - b: 1\n\n  - b: 2\n"),
        ] {
            let node: Node = read(text, &place).expect(text);
            let second = &node.items_of("a")[1];
            assert_eq!(
                second.get("b").map(|b| b.place.position),
                Some(Some(if text.starts_with('{') { (3, 9) } else { (4, 8) }))
            );
            let (key, _) = &second.entries()[0];
            assert_eq!(key.place.position, Some(if text.starts_with('{') { (3, 4) } else { (4, 5) }));
        }
        // A text that is JSON but not YAML is read too.
        assert!(json("{\"a\": \"\\ud83d\\ude00\"}", &place).expect("JSON").get("a").is_some());
    }

    #[test]
    fn a_flag_is_read_in_the_language_that_it_is_written_in() {
        for text in [
            "{\"env\": {\"a\": \"b\"}}",
            "{:env {:a \"b\"}}",
            "{\"env\" {\"a\" \"b\"}}",
            "{env: {a: b}}",
            "env: {a: b}",
            "[{env: {a: b}}]",
        ] {
            let node = inline(text, "--ci-filter").expect(text);
            let map = node.items().first().unwrap_or(&node);
            let found = map.get("env").and_then(|env| env.get("a")).and_then(Node::text);
            assert_eq!(found, Some("b"), "{text}");
        }
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
    fn a_tag_of_yaml_is_refused_where_it_stands() {
        for text in [
            "a: !secret x",
            "a: !env X",
            "a: [!ref y]",
            "a: !x {b: c}",
            "!x {a: b}",
            "a: !<tag:x.y,2000:z> b",
        ] {
            let problem: Problem = yaml(text, &Position::default()).expect_err(text);
            assert!(problem.message.contains("tag") && problem.place.position.is_some(), "{text}: {problem}");
        }
        // YAML's own tags only repeat the type that the value has anyway.
        assert_eq!(yaml("!!str 5", &Position::default()).expect("YAML").text(), Some("5"));
    }

    #[test]
    fn yaml_that_multiplies_by_its_anchors_is_an_error() {
        let nine = |n: u32| format!("a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", "));
        let lines: Vec<String> = (1..12).map(nine).collect();
        let text = format!("a0: &a0 [x, x, x, x, x, x, x, x, x]\n{}", lines.join("\n"));
        assert!(yaml(&text, &Position::default()).is_err());
    }
}
