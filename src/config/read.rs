//! From text to a tree: EDN with positions, YAML and JSON as plain values.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clojure_reader::parse::{Node as Form, NodeKind, SourceReader, parse};
use serde_json::Value;

use super::node::{Node, Tree};
use super::problem::{Place, Problem};

/// The deepest nesting that is read; a file of brackets is an error, not a crash.
const DEPTH_LIMIT: usize = 100;
/// The largest file that is read, in bytes.
const SIZE_LIMIT: u64 = 4 << 20;

/// Reads a file by its ending: `.edn`, `.yaml`, `.yml`, `.json`.
pub(super) fn file(path: &Path) -> Result<Node, Problem> {
    let text = text_of(path)?;
    let place = Place { source: Some(Arc::new(path.to_owned())), position: None };
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("edn") => edn(&text, &place),
        Some("yaml" | "yml") => yaml(&text, &place),
        Some("json") => json(&text, &place),
        Some(_) | None => Err(Problem {
            place,
            path: String::new(),
            message: "expected a file that ends in .edn, .yaml, .yml or .json".to_owned(),
        }),
    }
}

/// The text of a file.
pub(super) fn text_of(path: &Path) -> Result<String, Problem> {
    let failed = |message: String| Problem {
        place: Place { source: Some(Arc::new(path.to_owned())), position: None },
        path: String::new(),
        message,
    };
    let size = fs::metadata(path).map_err(|error| failed(format!("cannot be read: {error}")))?.len();
    if size > SIZE_LIMIT {
        return Err(failed(format!("is larger than {SIZE_LIMIT} bytes")));
    }
    fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))
}

/// Reads what stands on the command line: JSON, EDN or YAML.
pub(super) fn inline(text: &str, flag: &str) -> Result<Node, Problem> {
    let place = Place { source: Some(Arc::new(PathBuf::from(flag))), position: None };
    if let Ok(node) = json(text, &place) {
        return Ok(node);
    }
    let as_edn = edn(text, &place);
    match as_edn {
        Ok(node) if matches!(node.tree, Tree::Map(_) | Tree::List(_)) => Ok(node),
        Ok(_) => yaml(text, &place),
        Err(problem) if text.trim_start().starts_with(['{', '[']) => Err(problem),
        Err(_) => yaml(text, &place),
    }
}

pub(super) fn edn(text: &str, place: &Place) -> Result<Node, Problem> {
    limit_depth(text, place)?;
    let mut reader = SourceReader::new(text);
    let form = parse(&mut reader).map_err(|error| Problem {
        place: Place { position: error.line.zip(error.column), ..place.clone() },
        path: String::new(),
        message: format!("is not EDN: {error}"),
    })?;
    let rest = reader.remaining();
    let more = rest
        .lines()
        .map(|line| line.split(';').next().unwrap_or_default())
        .any(|line| !line.trim().is_empty());
    if more && !rest.trim_start().starts_with("#_") {
        return Err(Problem {
            place: place.clone(),
            path: String::new(),
            message: "holds more than one form".to_owned(),
        });
    }
    node(form, place)
}

fn node(form: Form<'_>, place: &Place) -> Result<Node, Problem> {
    let start = form.span.0;
    let here = Place { position: Some((start.line, start.column)), ..place.clone() };
    let unreadable =
        |message: &str| Problem { place: here.clone(), path: String::new(), message: message.to_owned() };
    let items =
        |forms: Vec<Form<'_>>| forms.into_iter().map(|form| node(form, place)).collect::<Result<Vec<_>, _>>();
    let tree = match form.kind {
        NodeKind::Nil => Tree::Nil,
        NodeKind::Bool(value) => Tree::Bool(value),
        NodeKind::Int(number) => Tree::Int(number),
        NodeKind::Double(number) => Tree::Float(number.into_inner()),
        NodeKind::Str(raw) => Tree::Str(unescape(raw).ok_or_else(|| unreadable("has an unknown escape"))?),
        NodeKind::Key(key) => Tree::Key(key.to_owned()),
        NodeKind::Symbol(symbol) => Tree::Key(symbol.to_owned()),
        NodeKind::Char(c) => Tree::Str(c.to_string()),
        NodeKind::Vector(forms, _) | NodeKind::List(forms, _) => Tree::List(items(forms)?),
        NodeKind::Set(forms, _) => Tree::Set(items(forms)?),
        NodeKind::Map(forms, _) => {
            let mut entries: Vec<(Node, Node)> = Vec::with_capacity(forms.len());
            for (key, value) in forms {
                let key = node(key, place)?;
                if key.text().is_some() && entries.iter().any(|(other, _)| other.text() == key.text()) {
                    return Err(key.problem(
                        "",
                        format!("the key `{}` is there twice", key.text().unwrap_or_default()),
                    ));
                }
                entries.push((key, node(value, place)?));
            }
            Tree::Map(entries)
        }
        NodeKind::Tagged(tag, _, form) => Tree::Tagged(tag.to_owned(), Box::new(node(*form, place)?)),
        NodeKind::BigInt(number) => Tree::Int(
            i64::try_from(number).map_err(|_| unreadable("is a number too large to mean anything here"))?,
        ),
        NodeKind::BigDec(number) => Tree::Float(
            number
                .to_string()
                .parse()
                .map_err(|_| unreadable("is a number too large to mean anything here"))?,
        ),
        NodeKind::Rational(_) => return Err(unreadable("is a ratio: write a decimal number")),
        _ => return Err(unreadable("is a form that means nothing here")),
    };
    Ok(Node::new(tree, here))
}

fn unescape(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match chars.next()? {
            't' => '\t',
            'r' => '\r',
            'n' => '\n',
            '\\' => '\\',
            '"' => '"',
            'u' => {
                let digits: String = chars.by_ref().take(4).collect();
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
            }
            _ => return None,
        });
    }
    Some(text)
}

/// Counts brackets outside of strings and comments, before anything recurses into them.
fn limit_depth(text: &str, place: &Place) -> Result<(), Problem> {
    let (mut depth, mut tags, mut line, mut column) = (0_usize, 0_usize, 1, 0);
    let (mut in_string, mut in_comment, mut is_escaped) = (false, false, false);
    for c in text.chars() {
        column += 1;
        if c == '\n' {
            (line, column, in_comment) = (line + 1, 0, false);
        }
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' if !in_comment => (in_string, tags) = (!in_string, 0),
            ';' if !in_string => in_comment = true,
            '(' | '[' | '{' if !in_string && !in_comment => (depth, tags) = (depth + 1, 0),
            ')' | ']' | '}' if !in_string && !in_comment => (depth, tags) = (depth.saturating_sub(1), 0),
            // Tags and discards nest what follows them without a bracket; only a bracket or a string ends that for sure.
            '#' if !in_string && !in_comment => tags += 1,
            _ => {}
        }
        if depth > DEPTH_LIMIT || tags > DEPTH_LIMIT {
            return Err(Problem {
                place: Place { position: Some((line, column)), ..place.clone() },
                path: String::new(),
                message: format!("is nested more than {DEPTH_LIMIT} deep"),
            });
        }
    }
    Ok(())
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

    fn read(text: &str) -> Result<Node, Problem> {
        edn(text, &Place::default())
    }

    #[test]
    fn edn_keeps_the_place_of_each_part() {
        let node = read("{:a\n  {:image-url \"x\\ny\"} ; a comment\n}").expect("EDN");
        let inner = node.get("a").and_then(|a| a.get("image-url")).expect("the key");
        assert_eq!(inner.text(), Some("x\ny"));
        assert_eq!(inner.place.position, Some((2, 15)));
    }

    #[test]
    fn what_does_not_parse_says_where() {
        for (text, expected) in
            [("{:a 1", "1:6"), ("{:a 1 :a 2}", "1:7"), ("{:a 1/2}", "1:5"), ("{:a 1} {:b 2}", "")]
        {
            let problem = read(text).expect_err(text);
            let at =
                problem.place.position.map(|(line, column)| format!("{line}:{column}")).unwrap_or_default();
            assert_eq!(at, expected, "{text}: {problem}");
        }
    }

    #[test]
    fn a_file_of_brackets_is_an_error() {
        for bracket in ["[", "{", "(", "#x ", "#_", "#:a ", "#1 "] {
            let problem = read(&bracket.repeat(100_000)).expect_err("too deep");
            assert!(problem.message.contains("deep"), "{bracket}: {problem}");
        }
    }
}
