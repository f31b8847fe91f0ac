//! From what was written to what the wire wants: keys are put into the wire's casing, every value is checked
//! against the table, and every problem is named by its path.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::casing::{folded, kebab};
use super::node::{Node, Tree};
use super::problem::{Problem, unknown_key};
use super::schema::{Field, Kind, Model};

/// The longest text of a name, an id or a tag that the API takes (OCI.md section 5).
const TEXT_LIMIT: usize = 255;

/// Collects the value and its problems.
pub(super) struct Shaper<'p> {
    pub(super) problems: &'p mut Vec<Problem>,
}

impl Shaper<'_> {
    fn refuse(&mut self, node: &Node, path: &str, message: impl Into<String>) -> Value {
        self.problems.push(node.problem(path, message));
        Value::Null
    }

    /// A map with known keys.
    pub(super) fn model(&mut self, node: &Node, path: &str, model: &Model) -> Value {
        if !matches!(node.tree, Tree::Map(_)) {
            return self.refuse(node, path, format!("expected a map, found {}", node.kind()));
        }
        let mut fields: Vec<Field> = model.fields.to_vec();
        let mut shaped = Map::new();
        if let Some((discriminator, variants)) = model.variants {
            let words: Vec<&str> = variants.iter().map(|(word, _)| *word).collect();
            let name = kebab(discriminator);
            match node.get(discriminator) {
                None => {
                    self.refuse(node, path, format!("`{name}` is missing; expected {}", words.join(" or ")));
                    return Value::Null;
                }
                Some(written) => {
                    let found = written.text().unwrap_or_default();
                    match variants.iter().find(|(word, _)| *word == found) {
                        Some((word, more)) => {
                            fields.extend(*more);
                            shaped.insert(discriminator.to_owned(), json!(word));
                        }
                        None if found == "COMMAND" => {
                            let reason = "COMMAND health checks were withdrawn by Oracle: use HTTP or TCP";
                            return self.refuse(written, &join(path, &name), reason);
                        }
                        None => {
                            let message = format!("expected {}, found `{found}`", words.join(" or "));
                            return self.refuse(written, &join(path, &name), message);
                        }
                    }
                }
            }
        }
        self.refuse_unknown(node, path, &fields, model.variants.map(|(discriminator, _)| discriminator));
        for field in &fields {
            let path = join(path, &kebab(field.name));
            match node.get(field.name) {
                Some(value) => {
                    let value = self.value(value, &path, field.kind);
                    shaped.insert(field.name.to_owned(), value);
                }
                None if field.is_required => {
                    self.refuse(node, &path, "is missing");
                }
                None => {}
            }
        }
        Value::Object(shaped)
    }

    fn refuse_unknown(&mut self, node: &Node, path: &str, fields: &[Field], discriminator: Option<&str>) {
        let known: Vec<String> =
            fields.iter().map(|field| field.name).chain(discriminator).map(kebab).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for (key, _) in node.entries() {
            match key.text() {
                Some(name) if known.iter().any(|known| folded(known) == folded(name)) => {}
                Some(name) => {
                    self.refuse(key, &join(path, name), unknown_key(name, &known));
                }
                None => {
                    self.refuse(key, path, format!("expected a key, found {}", key.kind()));
                }
            }
        }
    }

    fn value(&mut self, node: &Node, path: &str, kind: Kind) -> Value {
        let expected = |what: &str| format!("expected {what}, found {}", node.kind());
        match (kind, &node.tree) {
            (Kind::Text, Tree::Str(text)) if text.is_empty() => self.refuse(node, path, "is empty"),
            (Kind::Text, Tree::Str(text)) if text.chars().count() > TEXT_LIMIT && !path.ends_with("url") => {
                self.refuse(node, path, format!("is longer than {TEXT_LIMIT} characters"))
            }
            (Kind::Text, Tree::Str(text)) => json!(text),
            (Kind::Text, _) => self.refuse(node, path, expected("a string")),
            (Kind::Word(words), _) => match node.text() {
                Some(text) if words.contains(&text) => json!(text),
                Some(text) => {
                    self.refuse(node, path, format!("expected {}, found `{text}`", words.join(" or ")))
                }
                None => self.refuse(node, path, expected(&words.join(" or "))),
            },
            (Kind::Bool, Tree::Bool(value)) => json!(value),
            (Kind::Bool, _) => self.refuse(node, path, expected("true or false")),
            (Kind::Integer, Tree::Int(number)) if *number >= 0 => json!(number),
            (Kind::Integer, _) => self.refuse(node, path, expected("a whole number that is not negative")),
            (Kind::Number, Tree::Int(number)) if *number > 0 => json!(number),
            (Kind::Number, Tree::Float(number)) if *number > 0.0 => json!(number),
            (Kind::Number, _) => self.refuse(node, path, expected("a number above zero")),
            (Kind::Port, _) => match port(node) {
                Some(port) => json!(port),
                None => self.refuse(node, path, not_a_port(node)),
            },
            (Kind::Base64, Tree::Str(text)) if STANDARD.decode(text).is_ok() => json!(text),
            (Kind::Base64, Tree::Str(_)) => self.refuse(node, path, "is not base64: write #to-b64 before it"),
            (Kind::Base64, _) => self.refuse(node, path, expected("a string in base64")),
            (Kind::Texts, Tree::List(items)) => {
                let texts = items.iter().enumerate().map(|(n, item)| match &item.tree {
                    Tree::Str(text) => json!(text),
                    _ => self.refuse(
                        item,
                        &format!("{path}[{n}]"),
                        format!("expected a string, found {}", item.kind()),
                    ),
                });
                Value::Array(texts.collect())
            }
            (Kind::Texts, _) => self.refuse(node, path, expected("a list of strings")),
            (Kind::TextMap, Tree::Map(entries)) => self.text_map(entries, path),
            (Kind::TextMap, _) => self.refuse(node, path, expected("a map")),
            (Kind::FreeMap, Tree::Map(_)) => self.free(node, path),
            (Kind::FreeMap, _) => self.refuse(node, path, expected("a map")),
            (Kind::One(model), _) => self.model(node, path, model),
            (Kind::Many(model), Tree::List(items)) => {
                let items = items.iter().enumerate();
                Value::Array(
                    items.map(|(n, item)| self.model(item, &format!("{path}[{n}]"), model)).collect(),
                )
            }
            (Kind::Many(_), _) => self.refuse(node, path, expected("a list")),
            (Kind::Refused(reason), _) => self.refuse(node, path, reason),
        }
    }

    /// Names that users choose are never re-cased.
    fn text_map(&mut self, entries: &[(Node, Node)], path: &str) -> Value {
        let mut map = Map::new();
        for (key, value) in entries {
            let Some(name) = key.text() else {
                self.refuse(key, path, format!("expected a name, found {}", key.kind()));
                continue;
            };
            match &value.tree {
                Tree::Str(text) => {
                    map.insert(name.to_owned(), json!(text));
                }
                _ => {
                    let message = format!("expected a string, found {}", value.kind());
                    self.refuse(value, &join(path, name), message);
                }
            }
        }
        Value::Object(map)
    }

    /// Plain values, as they were written.
    pub(super) fn free(&mut self, node: &Node, path: &str) -> Value {
        match &node.tree {
            Tree::Nil => Value::Null,
            Tree::Bool(value) => json!(value),
            Tree::Int(number) => json!(number),
            Tree::Float(number) => json!(number),
            Tree::Str(text) | Tree::Key(text) => json!(text),
            Tree::List(items) | Tree::Set(items) => {
                let items = items.iter().enumerate();
                Value::Array(items.map(|(n, item)| self.free(item, &format!("{path}[{n}]"))).collect())
            }
            Tree::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let name = key.text().unwrap_or_default();
                    let value = self.free(value, &join(path, name));
                    map.insert(name.to_owned(), value);
                }
                Value::Object(map)
            }
            Tree::Bytes(_) | Tree::Tagged(..) | Tree::PrivateKey(..) => {
                self.refuse(node, path, format!("expected a plain value, found {}", node.kind()))
            }
        }
    }
}

/// A TCP port that can be connected to.
pub(super) fn port(node: &Node) -> Option<u16> {
    match node.tree {
        Tree::Int(number) => u16::try_from(number).ok().filter(|port| *port > 0),
        _ => None,
    }
}

pub(super) fn not_a_port(node: &Node) -> String {
    match &node.tree {
        Tree::Int(number) => format!("{number} is no port: expected 1 to 65535"),
        Tree::Str(text) => format!("`{text}` is a string: expected a port from 1 to 65535"),
        _ => format!("expected a port from 1 to 65535, found {}", node.kind()),
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
