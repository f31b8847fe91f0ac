//! Converts the user's tree to the wire's JSON: keys get the wire's casing, every value is checked against the table, and
//! every problem is named by its path.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::casing::{folded, kebab};
use super::node::{Node, SECRET, Tree};
use super::problem::{Findings, nearest, unknown_key};
use super::schema::{
    DEFINED_TAGS_LIMIT, Field, Kind, Model, TAG_NAME_LIMIT, TAG_VALUE_LIMIT, TAGS_LIMIT, Variant,
};

impl Findings {
    /// Reports keys that this part of the deployment does not have. They are not API fields, so they are never passed on.
    pub(super) fn refuse_unknown_keys(&mut self, node: &Node, path: &str, model: &Model) {
        let known = model.names();
        self.refuse_double_keys(node, path);
        for (key, _) in node.entries() {
            let Some(name) = key.text() else {
                self.problems.push(key.problem(path, not_a_key(key)));
                continue;
            };
            if !model.is_own_key(name) && !known.iter().any(|known| folded(known) == folded(name)) {
                self.problems.push(key.problem(&join(path, name), unknown_key(name, &known)));
            }
        }
    }

    /// Reports keys that are equal except for their casing. To choose one of them would be a guess.
    fn refuse_double_keys(&mut self, node: &Node, path: &str) {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (key, _) in node.entries() {
            let Some(name) = key.text() else { continue };
            if let Some(earlier) = seen.insert(folded(name), name) {
                self.problems.push(key.problem(&join(path, name), format!("is the same key as `{earlier}`")));
            }
        }
    }
}

/// Collects the JSON value and the problems.
pub(super) struct Shaper<'f> {
    pub(super) findings: &'f mut Findings,
}

impl Shaper<'_> {
    fn refuse(&mut self, node: &Node, path: &str, message: impl Into<String>) -> Value {
        self.findings.problems.push(node.problem(path, message));
        Value::Null
    }

    /// Converts a map with known keys.
    pub(super) fn model(&mut self, node: &Node, path: &str, model: &Model) -> Value {
        if !matches!(node.tree, Tree::Map(_)) {
            return self.refuse(node, path, format!("expected a map, found {}", node.kind()));
        }
        let mut fields: Vec<Field> = model.fields.to_vec();
        let mut names = model.names();
        let mut shaped = Map::new();
        if let Some((discriminator, variants)) = model.variants {
            let Some(written) = node.get(discriminator) else {
                let expected = words(variants.iter().map(|variant| variant.word));
                let message = format!("`{}` is missing; expected {expected}", kebab(discriminator));
                return self.refuse(node, path, message);
            };
            let Ok(variant) = self.variant(written, &join(path, &kebab(discriminator)), variants) else {
                return Value::Null;
            };
            if let Some(variant) = variant {
                fields.extend(variant.fields);
                names.extend(variant.fields.iter().map(|field| kebab(field.name)));
            }
            shaped.insert(discriminator.to_owned(), json!(written.text()));
        }
        self.findings.refuse_double_keys(node, path);
        self.unknown(node, path, &names, &mut shaped);
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

    /// The variant that is written. `None` if an unknown variant may be passed on.
    fn variant<'v>(
        &mut self,
        written: &Node,
        path: &str,
        variants: &'v [Variant],
    ) -> Result<Option<&'v Variant>, ()> {
        let found = written.text().unwrap_or_default();
        if let Some(variant) = variants.iter().find(|variant| variant.word == found) {
            return Ok(Some(variant));
        }
        if found == "COMMAND" {
            self.refuse(written, path, "COMMAND health checks were withdrawn by Oracle: use HTTP or TCP");
            return Err(());
        }
        if self.findings.allows_unknown_fields && !found.is_empty() {
            let message = format!("{} is not known, and passed on as it is written", written.quoted());
            self.findings.warnings.push(written.problem(path, message));
            return Ok(None);
        }
        let known = variants.iter().map(|variant| variant.word);
        let message = not_a_word(written, found, known);
        self.refuse(written, path, message);
        Err(())
    }

    /// Handles keys that no field has: refuses them, or passes them on with their values unchanged.
    fn unknown(&mut self, node: &Node, path: &str, known: &[String], shaped: &mut Map<String, Value>) {
        for (key, value) in node.entries() {
            let Some(name) = key.text() else {
                self.refuse(key, path, not_a_key(key));
                continue;
            };
            if known.iter().any(|known| folded(known) == folded(name)) {
                continue;
            }
            let place = join(path, name);
            if self.findings.allows_unknown_fields {
                let message = "is not known, and passed on as it is written";
                self.findings.warnings.push(key.problem(&place, message));
                let value = self.free(value, &place);
                shaped.insert(name.to_owned(), value);
            } else {
                self.refuse(key, &place, unknown_key(name, known));
            }
        }
    }

    /// Converts the value of one field.
    pub(super) fn value(&mut self, node: &Node, path: &str, kind: Kind) -> Value {
        let expected = |what: &str| format!("expected {what}, found {}", node.kind());
        match (kind, &node.tree) {
            (Kind::Text { least, most }, Tree::Str(text)) => match text.chars().count() {
                n if n < least => self.refuse(node, path, "is empty"),
                n if n > most => self.refuse(node, path, format!("is longer than {most} characters")),
                _ => json!(text),
            },
            (Kind::Text { .. }, _) => self.refuse(node, path, not_a_text(node)),
            (Kind::Word(known), _) => match node.text() {
                Some(text) if known.contains(&text) => json!(text),
                Some(text) => self.refuse(node, path, not_a_word(node, text, known.iter().copied())),
                None => self.refuse(node, path, expected(&words(known.iter().copied()))),
            },
            (Kind::Bool, Tree::Bool(value)) => json!(value),
            (Kind::Bool, _) => self.refuse(node, path, expected("true or false")),
            (Kind::Integer { least, most }, Tree::Int(number)) if (least..=most).contains(number) => {
                json!(number)
            }
            (Kind::Integer { least, most }, tree) => {
                let found = if matches!(tree, Tree::Int(_)) { node.quoted() } else { node.kind().to_owned() };
                let message = match (least, most) {
                    (0, i64::MAX) => format!("expected a whole number that is not negative, found {found}"),
                    (1, i64::MAX) => format!("expected a whole number above zero, found {found}"),
                    _ => format!("expected a whole number from {least} to {most}, found {found}"),
                };
                self.refuse(node, path, message)
            }
            (Kind::Number, Tree::Int(number)) if *number > 0 => json!(number),
            (Kind::Number, Tree::Float(number)) if *number > 0.0 && number.is_finite() => json!(number),
            (Kind::Number, _) => self.refuse(node, path, expected("a number above zero")),
            (Kind::Port, _) => match port(node) {
                Some(port) => json!(port),
                None => self.refuse(node, path, not_a_port(node)),
            },
            (Kind::Base64, Tree::Str(text)) if STANDARD.decode(text).is_ok() => json!(text),
            (Kind::Base64, Tree::Str(_)) => self.refuse(node, path, "is not base64: write #to-b64 before it"),
            (Kind::Base64, _) => self.refuse(node, path, expected("a string in base64")),
            (Kind::Texts { most, words }, Tree::List(items)) => {
                self.check_count(node, path, items.len(), 0, most);
                let each = if words.is_empty() {
                    Kind::Text { least: 0, most: usize::MAX }
                } else {
                    Kind::Word(words)
                };
                self.list(items, path, |shaper, item, path| shaper.value(item, path, each))
            }
            (Kind::Texts { .. }, _) => self.refuse(node, path, expected("a list of strings")),
            (Kind::Environment, Tree::Map(entries)) => self.named(entries, path, |shaper, key, _, path| {
                let name = key.text().unwrap_or_default();
                if name.is_empty() || name.contains(['=', '\0']) {
                    shaper.refuse(key, path, "is not the name of a variable");
                }
            }),
            (Kind::Tags, Tree::Map(entries)) => {
                self.check_count(node, path, entries.len(), 0, TAGS_LIMIT);
                self.named(entries, path, |shaper, key, value, path| {
                    let length = |node: &Node| node.text().map_or(0, |text| text.chars().count());
                    if !(1..=TAG_NAME_LIMIT).contains(&length(key)) {
                        let message = format!("expected a name of 1 to {TAG_NAME_LIMIT} characters");
                        shaper.refuse(key, path, message);
                    }
                    if length(value) > TAG_VALUE_LIMIT {
                        shaper.refuse(value, path, format!("is longer than {TAG_VALUE_LIMIT} characters"));
                    }
                })
            }
            (Kind::DefinedTags, Tree::Map(namespaces)) => self.defined_tags(node, namespaces, path),
            (Kind::FreeMap, Tree::Map(_)) => self.free(node, path),
            (Kind::Tags, _) => self.refuse(node, path, expected("a map of texts, such as {app: web}")),
            (Kind::DefinedTags, _) => {
                self.refuse(node, path, expected("a map of maps, such as {team: {owner: ann}}"))
            }
            (Kind::Environment | Kind::FreeMap, _) => self.refuse(node, path, expected("a map")),
            (Kind::One(model), _) => self.model(node, path, model),
            (Kind::Many { of, least, most }, Tree::List(items)) => {
                self.check_count(node, path, items.len(), least, most);
                self.list(items, path, |shaper, item, path| shaper.model(item, path, of))
            }
            (Kind::Many { .. }, _) => self.refuse(node, path, expected("a list")),
            (Kind::Refused(reason), _) => self.refuse(node, path, reason),
            // Durations and factors are not in the API's models. They are read where they are used.
            (Kind::Duration | Kind::Factor, _) => self.free(node, path),
        }
    }

    fn check_count(&mut self, node: &Node, path: &str, n: usize, least: usize, most: usize) {
        if (least..=most).contains(&n) {
            return;
        }
        let expected = match (least, most) {
            _ if least == most => format!("exactly {most}"),
            (0, _) => format!("at most {most}"),
            (_, usize::MAX) => format!("at least {least}"),
            _ => format!("{least} to {most}"),
        };
        self.refuse(node, path, format!("has {n} entries, expected {expected}"));
    }

    fn list(
        &mut self,
        items: &[Node],
        path: &str,
        mut each: impl FnMut(&mut Self, &Node, &str) -> Value,
    ) -> Value {
        let items = items.iter().enumerate();
        Value::Array(items.map(|(n, item)| each(self, item, &format!("{path}[{n}]"))).collect())
    }

    /// Converts a map from names that users choose, which are never re-cased, to strings.
    fn named(
        &mut self,
        entries: &[(Node, Node)],
        path: &str,
        check: impl Fn(&mut Self, &Node, &Node, &str),
    ) -> Value {
        let mut map = Map::new();
        for (key, value) in entries {
            let Some(name) = key.text() else {
                self.refuse(key, path, not_a_key(key));
                continue;
            };
            let place = join(path, name);
            check(self, key, value, &place);
            let text = self.value(value, &place, Kind::Text { least: 0, most: usize::MAX });
            self.insert(&mut map, key, name, &place, text);
        }
        Value::Object(map)
    }

    /// Adds an entry whose name must be new. `:env` and `"env"` are one name, and to choose one of them would be a guess.
    fn insert(&mut self, map: &mut Map<String, Value>, key: &Node, name: &str, path: &str, value: Value) {
        if map.insert(name.to_owned(), value).is_some() {
            self.refuse(key, path, "is there twice, as a keyword and as a string");
        }
    }

    fn defined_tags(&mut self, node: &Node, namespaces: &[(Node, Node)], path: &str) -> Value {
        let n = namespaces.iter().map(|(_, tags)| tags.entries().len()).sum();
        self.check_count(node, path, n, 0, DEFINED_TAGS_LIMIT);
        for (namespace, tags) in namespaces {
            // The conversion of plain values below reports keys that are not names.
            let path = join(path, namespace.text().unwrap_or_default());
            if !matches!(tags.tree, Tree::Map(_)) {
                self.refuse(tags, &path, format!("expected a map of tags, found {}", tags.kind()));
            }
            for (key, value) in tags.entries() {
                if !matches!(value.tree, Tree::Str(_) | Tree::Int(_) | Tree::Bool(_)) {
                    let message =
                        format!("expected a string, a whole number or a boolean, found {}", value.kind());
                    self.refuse(value, &join(&path, key.text().unwrap_or_default()), message);
                }
            }
        }
        self.free(node, path)
    }

    /// Converts plain values without change.
    fn free(&mut self, node: &Node, path: &str) -> Value {
        match &node.tree {
            Tree::Nil => Value::Null,
            Tree::Bool(value) => json!(value),
            Tree::Int(number) => json!(number),
            Tree::Float(number) => json!(number),
            Tree::Str(text) | Tree::Key(text) => json!(text),
            Tree::List(items) | Tree::Set(items) => self.list(items, path, Self::free),
            Tree::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let Some(name) = key.text() else {
                        self.refuse(key, path, not_a_key(key));
                        continue;
                    };
                    let place = join(path, name);
                    let value = self.free(value, &place);
                    self.insert(&mut map, key, name, &place, value);
                }
                Value::Object(map)
            }
            Tree::Exact(_) | Tree::Bytes(_) | Tree::Tagged(..) | Tree::PrivateKey(..) => {
                self.refuse(node, path, format!("expected a plain value, found {}", node.kind()))
            }
        }
    }
}

/// The message for a key that is not a name, with the correct form.
fn not_a_key(key: &Node) -> String {
    match &key.tree {
        Tree::Int(_) | Tree::Float(_) | Tree::Bool(_) if !key.has_flag(SECRET) => {
            format!("expected a name as key, found {}, {}: put it in quotes", key.kind(), key.quoted())
        }
        _ => format!("expected a name as key, found {}", key.kind()),
    }
}

/// The message for a value that is not text, with the correct form. YAML takes `2024` for a number and `true` for a boolean.
fn not_a_text(node: &Node) -> String {
    let expected = format!("expected a string, found {}", node.kind());
    match &node.tree {
        _ if node.has_flag(SECRET) => format!("{expected} from the environment"),
        Tree::Int(_) | Tree::Float(_) | Tree::Bool(_) => {
            format!("{expected}, {}: put it in quotes", node.quoted())
        }
        Tree::Key(word) => format!("{expected}: write \"{word}\""),
        _ => expected,
    }
}

fn words<'w>(known: impl Iterator<Item = &'w str>) -> String {
    known.collect::<Vec<_>>().join(" or ")
}

fn not_a_word<'w>(node: &Node, found: &str, known: impl Iterator<Item = &'w str> + Clone) -> String {
    let meant = nearest(found, known.clone()).filter(|_| known.clone().count() > 4);
    match meant {
        Some(word) => format!("expected {word}, found {}", node.quoted()),
        None => format!("expected {}, found {}", words(known), node.quoted()),
    }
}

/// A TCP port to which one can connect.
pub(super) fn port(node: &Node) -> Option<u16> {
    match node.tree {
        Tree::Int(number) => u16::try_from(number).ok().filter(|port| *port > 0),
        _ => None,
    }
}

pub(super) fn not_a_port(node: &Node) -> String {
    match &node.tree {
        Tree::Int(_) => format!("{} is not a port: expected 1 to 65535", node.quoted()),
        Tree::Str(_) => format!("{} is a string: expected a port from 1 to 65535", node.quoted()),
        _ => format!("expected a port from 1 to 65535, found {}", node.kind()),
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
