//! The user's text as data, before it is interpreted: one tree for EDN, YAML and JSON, with the place of each part.

use std::ops::Range;
use std::sync::Arc;

use secrecy::SecretString;

use super::casing::folded;
use super::exact::{Exact, ExactKind, double};
use super::problem::{Position, Problem};

/// The flag of a value that came from the environment. EDN metadata cannot have this name.
pub(super) const SECRET: &str = "#env";

/// The flags of types that only EDN distinguishes, and only for printing: symbols from keywords, lists from vectors,
/// characters from strings.
pub(super) const SYMBOL: &str = "#symbol";
pub(super) const SEQUENCE: &str = "#sequence";
pub(super) const CHARACTER: &str = "#character";
/// The flag of a text that looks like a tag or a variable but is plain text.
pub(super) const LITERAL: &str = "#literal";

/// A part of the user's text.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) tree: Tree,
    pub(super) place: Position,
    /// The flags of its EDN metadata that are on, such as `replace` for `^:replace`.
    pub(super) flags: Vec<String>,
    /// How YAML or JSON spells a number or a boolean. Within a text, the spelling counts: `2.10`, not `2.1`.
    pub(super) written: Option<Written>,
}

/// The spelling of a scalar.
#[derive(Clone, Debug)]
pub(super) enum Written {
    /// At these bytes of the text that is being read.
    At(Range<usize>),
    /// In these words.
    As(Arc<str>),
    /// Without a value: a YAML comment is in its place.
    Comment(Arc<str>),
}

/// The value of a part.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// An exact EDN number. After evaluation, it becomes one of the kinds above if possible.
    Exact(Exact),
    Str(String),
    /// The result of `#from-b64` if it is not text.
    Bytes(Vec<u8>),
    /// An EDN keyword or symbol, without its colon.
    Key(String),
    List(Vec<Node>),
    Set(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// A tagged literal that is not evaluated yet.
    Tagged(String, Box<Node>),
    /// The result of `#privkey`: PEM text and pass phrase.
    PrivateKey(SecretString, Option<SecretString>),
}

impl Node {
    pub(super) fn new(tree: Tree, place: Position) -> Self {
        Self { tree, place, flags: Vec::new(), written: None }
    }

    pub(super) fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|other| other == flag)
    }

    pub(super) fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        Problem { place: self.place.clone(), path: path.to_owned(), message: message.into() }
    }

    /// The value as text for a message, unless it is secret.
    pub(super) fn quoted(&self) -> String {
        match &self.tree {
            _ if self.has_flag(SECRET) => "a value from the environment".to_owned(),
            Tree::Str(text) | Tree::Key(text) => format!("`{text}`"),
            Tree::Int(_) | Tree::Float(_) | Tree::Bool(_) => self.scalar_text().unwrap_or_default(),
            _ => self.kind().to_owned(),
        }
    }

    /// The text of a scalar within another text: as Clojure's `str` prints it, or as YAML or JSON spells it.
    pub(super) fn scalar_text(&self) -> Option<String> {
        if let Some(Written::As(words)) = &self.written {
            return Some(words.to_string());
        }
        match &self.tree {
            Tree::Str(text) | Tree::Key(text) => Some(text.clone()),
            Tree::Int(number) => Some(number.to_string()),
            Tree::Float(number) => Some(double(*number)),
            Tree::Exact(number) => Some(number.text().to_owned()),
            Tree::Bool(value) => Some(value.to_string()),
            Tree::Nil => Some(String::new()),
            Tree::Bytes(_)
            | Tree::List(_)
            | Tree::Set(_)
            | Tree::Map(_)
            | Tree::Tagged(..)
            | Tree::PrivateKey(..) => None,
        }
    }

    /// Replaces EDN's exact numbers by JSON numbers where possible.
    pub(super) fn settled(self) -> Self {
        let all = |items: Vec<Self>| items.into_iter().map(Self::settled).collect();
        let tree = match self.tree {
            Tree::Exact(number) => settled(&number).unwrap_or(Tree::Exact(number)),
            Tree::List(items) => Tree::List(all(items)),
            Tree::Set(items) => Tree::Set(all(items)),
            Tree::Map(entries) => {
                Tree::Map(entries.into_iter().map(|(key, value)| (key.settled(), value.settled())).collect())
            }
            tree => tree,
        };
        Self { tree, ..self }
    }

    /// Whether the node is an EDN symbol, not a keyword.
    pub(super) fn is_symbol(&self) -> bool {
        matches!(self.tree, Tree::Key(_)) && self.has_flag(SYMBOL)
    }

    pub(super) const fn is_nil(&self) -> bool {
        matches!(self.tree, Tree::Nil)
    }

    /// The text of a string or keyword.
    pub(super) fn text(&self) -> Option<&str> {
        if let Tree::Str(text) | Tree::Key(text) = &self.tree { Some(text) } else { None }
    }

    /// Collects every secret text and number in the node.
    pub(super) fn secrets(&self, found: &mut Vec<String>) {
        match &self.tree {
            Tree::List(items) | Tree::Set(items) => items.iter().for_each(|item| item.secrets(found)),
            Tree::Map(entries) => entries.iter().for_each(|(_, value)| value.secrets(found)),
            Tree::Str(text) | Tree::Key(text) if self.has_flag(SECRET) => found.push(text.clone()),
            Tree::Int(_) | Tree::Float(_) | Tree::Exact(_) if self.has_flag(SECRET) => {
                found.extend(self.scalar_text());
            }
            _ => {}
        }
    }

    /// Whether any part of the node came from the environment.
    pub(super) fn holds_secret(&self) -> bool {
        let mut found = Vec::new();
        self.secrets(&mut found);
        !found.is_empty()
    }

    /// The name of its type, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match &self.tree {
            Tree::Exact(number) => number.name(),
            Tree::Nil => "nothing",
            Tree::Bool(_) => "a boolean",
            Tree::Int(_) | Tree::Float(_) => "a number",
            Tree::Str(_) => "a string",
            Tree::Bytes(_) => "bytes that are not text",
            Tree::Key(_) if self.is_symbol() => "a symbol",
            Tree::Key(_) => "a keyword",
            Tree::List(_) => "a list",
            Tree::Set(_) => "a set",
            Tree::Map(_) => "a map",
            Tree::Tagged(..) => "a tagged literal",
            Tree::PrivateKey(..) => "a private key",
        }
    }

    /// The value of a key, in any casing. `None` if it is nil.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Tree::Map(entries) = &self.tree else { return None };
        let found = entries.iter().find(|(key, _)| key.text().is_some_and(|key| folded(key) == folded(name)));
        found.map(|(_, value)| value).filter(|value| !value.is_nil())
    }

    /// The entries of a list.
    pub(super) fn items(&self) -> &[Self] {
        if let Tree::List(items) = &self.tree { items } else { &[] }
    }

    /// The items of the list under a key.
    pub(super) fn items_of(&self, name: &str) -> &[Self] {
        self.get(name).map(Self::items).unwrap_or_default()
    }

    pub(super) fn entries(&self) -> &[(Self, Self)] {
        if let Tree::Map(entries) = &self.tree { entries } else { &[] }
    }
}

/// The JSON number that is equal to this number, if there is one.
fn settled(number: &Exact) -> Option<Tree> {
    match number.kind {
        ExactKind::Whole => number.text.parse().ok().map(Tree::Int),
        ExactKind::Decimal => {
            number.text.parse().ok().filter(|value: &f64| value.is_finite()).map(Tree::Float)
        }
        ExactKind::Ratio => None,
    }
}
