//! Reads JSON and YAML as a tree, in YAML with the place of each part. A JSON value would not do, because it silently keeps
//! the last of two equal keys.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::node::{Node, Tree, Written};
use super::problem::Position;

/// A value in the form in which a reader gives it.
pub(super) trait Part<'de>: Deserialize<'de> {
    /// A key of a map.
    type Key: Deserialize<'de>;

    /// The tree of the value, with its place.
    fn node(self) -> Node;

    /// A key's name and its place.
    fn key(key: Self::Key) -> (String, Option<(usize, usize)>);
}

/// A value from a reader that does not report places.
pub(super) struct Bare(Tree);

/// A value from a reader that reports places.
pub(super) struct Located(Tree);

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor::<Self>(PhantomData)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor::<Spanned<Self>>(PhantomData)).map(Self)
    }
}

impl Part<'_> for Bare {
    type Key = String;

    fn node(self) -> Node {
        Node::new(self.0, Position::default())
    }

    fn key(key: String) -> (String, Option<(usize, usize)>) {
        (key, None)
    }
}

impl Part<'_> for Spanned<Located> {
    type Key = Spanned<String>;

    fn node(self) -> Node {
        let position = position(&self);
        let span = self.defined.span();
        let at = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
            let start = usize::try_from(start).ok()?;
            Some(start..start.checked_add(usize::try_from(length).ok()?)?)
        });
        let node = Node::new(self.value.0, Position { position, ..Position::default() });
        Node { written: at.map(Written::At), ..node }
    }

    fn key(key: Spanned<String>) -> (String, Option<(usize, usize)>) {
        let position = position(&key);
        (key.value, position)
    }
}

fn position<T>(part: &Spanned<T>) -> Option<(usize, usize)> {
    let at = part.referenced;
    let (line, column) = (usize::try_from(at.line()).ok()?, usize::try_from(at.column()).ok()?);
    (line > 0).then_some((line, column))
}

/// The tree of a part whose source is `source` and whose text is `text`.
pub(super) fn tree<'de>(part: impl Part<'de>, source: &Position, text: &str) -> Node {
    let mut node = part.node();
    put(&mut node, &Source { place: source, text, lines: text.lines().collect() });
    node
}

/// Where a tree comes from.
struct Source<'s> {
    place: &'s Position,
    text: &'s str,
    lines: Vec<&'s str>,
}

impl Source<'_> {
    /// The comment where the value of a key was expected. To YAML, `key: #env X` has no value.
    fn comment_after_key(&self, (line, column): (usize, usize)) -> Option<Arc<str>> {
        let rest = self.lines.get(line.checked_sub(1)?)?;
        let (start, _) = rest.char_indices().nth(column.checked_sub(1)?)?;
        let rest = &rest[start..];
        let after = match rest.strip_prefix('"') {
            Some(text) => after_string(text).trim_start().strip_prefix(':')?,
            None => rest.split_once(':')?.1,
        };
        let comment = after.trim_start();
        (comment.len() < after.len() && comment.starts_with('#')).then(|| comment.into())
    }

    /// The comment where an item of a list was expected. The reader places an absent value somewhere in its line.
    fn comment_after_dash(&self, line: usize) -> Option<Arc<str>> {
        let mut rest = self.lines.get(line.checked_sub(1)?)?.trim_start();
        while let Some(after) = rest.strip_prefix("- ") {
            rest = after.trim_start();
            if rest.starts_with('#') {
                return Some(rest.into());
            }
        }
        None
    }
}

/// Gives the numbers of a JSON tree their spelling. The text has as many numbers, in the same order.
pub(super) fn spell(node: &mut Node, numbers: &mut impl Iterator<Item = Arc<str>>) {
    match &mut node.tree {
        Tree::Int(_) | Tree::Float(_) => node.written = numbers.next().map(Written::As),
        Tree::List(items) => items.iter_mut().for_each(|item| spell(item, numbers)),
        Tree::Map(entries) => entries.iter_mut().for_each(|(_, value)| spell(value, numbers)),
        _ => {}
    }
}

/// The numbers of a JSON text, in their spelling.
pub(super) fn numbers(json: &str) -> impl Iterator<Item = Arc<str>> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = &rest[start..];
            if let Some(text) = rest.strip_prefix('"') {
                rest = after_string(text);
                continue;
            }
            let is_in = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
            let end = rest.find(|c: char| !is_in(c)).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            rest = after;
            return Some(Arc::from(number));
        }
    })
}

/// The text after a string whose opening quote was read.
fn after_string(text: &str) -> &str {
    let mut is_escaped = false;
    let end = text.char_indices().find(|(_, c)| match c {
        _ if is_escaped => {
            is_escaped = false;
            false
        }
        '\\' => {
            is_escaped = true;
            false
        }
        c => *c == '"',
    });
    end.map_or("", |(end, _)| &text[end + 1..])
}

/// Copies the places of one tree to another, as far as both have the same shape.
pub(super) fn locate(node: &mut Node, like: &Node) {
    node.place.position = like.place.position;
    match (&mut node.tree, &like.tree) {
        (Tree::List(items), Tree::List(others)) => {
            items.iter_mut().zip(others).for_each(|(item, other)| locate(item, other));
        }
        (Tree::Map(entries), Tree::Map(others)) => {
            for ((key, value), (other_key, other_value)) in entries.iter_mut().zip(others) {
                locate(key, other_key);
                locate(value, other_value);
            }
        }
        _ => {}
    }
}

fn put(node: &mut Node, from: &Source<'_>) {
    node.place.source.clone_from(&from.place.source);
    node.written = match node.written.take() {
        Some(Written::At(range)) if matches!(node.tree, Tree::Int(_) | Tree::Float(_) | Tree::Bool(_)) => {
            from.text.get(range).map(|words| Written::As(words.trim().into()))
        }
        Some(Written::At(_)) | None => None,
        written @ Some(Written::As(_) | Written::Comment(_)) => written,
    };
    match &mut node.tree {
        Tree::List(items) | Tree::Set(items) => items.iter_mut().for_each(|item| {
            put(item, from);
            if let (Tree::Nil, Some((line, _))) = (&item.tree, item.place.position) {
                item.written = from.comment_after_dash(line).map(Written::Comment);
            }
        }),
        Tree::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            put(key, from);
            put(value, from);
            if let (Tree::Nil, Some(at)) = (&value.tree, key.place.position) {
                value.written = from.comment_after_key(at).map(Written::Comment);
                value.place.position = Some(at);
            }
        }),
        _ => {}
    }
}

struct TreeVisitor<P>(PhantomData<P>);

impl<'de, P: Part<'de>> Visitor<'de> for TreeVisitor<P> {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a plain value")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Nil)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
        let too_large = |_| E::custom(format!("{value} is a number too large to mean anything here"));
        i64::try_from(value).map(Tree::Int).map_err(too_large)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Str(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<P>()? {
            items.push(item.node());
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<P::Key>()? {
            let (name, position) = P::key(key);
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format!("the key `{name}` is there twice")));
            }
            let key = Node::new(Tree::Str(name), Position { position, ..Position::default() });
            entries.push((key, map.next_value::<P>()?.node()));
        }
        Ok(Tree::Map(entries))
    }
}
