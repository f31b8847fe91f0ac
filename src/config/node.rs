//! What a user wrote, before it means anything: one tree for EDN, YAML and JSON, with the place of each part.

use std::ops::Range;
use std::sync::Arc;

use secrecy::SecretString;

use super::casing::folded;
use super::exact::{Exact, ExactKind, double};
use super::problem::{Position, Problem};

/// The flag of what came from the environment; no metadata can be called so.
pub(super) const SECRET: &str = "#env";

/// The flags of what EDN tells apart and nothing but printing it does: symbols from keywords, lists from vectors,
/// characters from strings.
pub(super) const SYMBOL: &str = "#symbol";
pub(super) const SEQUENCE: &str = "#sequence";
pub(super) const CHARACTER: &str = "#character";
/// The flag of a text that looks like more than it is.
pub(super) const LITERAL: &str = "#literal";

/// A part of what was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) tree: Tree,
    pub(super) place: Position,
    /// The flags of its EDN metadata that are on, such as `replace` of `^:replace`.
    pub(super) flags: Vec<String>,
    /// How YAML or JSON spells a number or a boolean: within a text it is that, `2.10` and not `2.1`.
    pub(super) written: Option<Written>,
}

/// The spelling of a scalar.
#[derive(Clone, Debug)]
pub(super) enum Written {
    /// In the bytes of the text that is being read.
    At(Range<usize>),
    /// In these words.
    As(Arc<str>),
    /// Not at all: in the place of a value there is this comment of YAML.
    Comment(Arc<str>),
}

/// What a part is.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A number that EDN tells apart from those. It becomes one of them when everything is evaluated.
    Exact(Exact),
    Str(String),
    /// What `#from-b64` gives when it is not text.
    Bytes(Vec<u8>),
    /// An EDN keyword or symbol, without its colon.
    Key(String),
    List(Vec<Node>),
    Set(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// A tagged literal that was not evaluated yet.
    Tagged(String, Box<Node>),
    /// What `#privkey` gives: PEM text and pass phrase.
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

    /// Its text for a message, unless it is secret.
    pub(super) fn quoted(&self) -> String {
        match &self.tree {
            _ if self.has_flag(SECRET) => "a value from the environment".to_owned(),
            Tree::Str(text) | Tree::Key(text) => format!("`{text}`"),
            Tree::Int(_) | Tree::Float(_) | Tree::Bool(_) => self.scalar_text().unwrap_or_default(),
            _ => self.kind().to_owned(),
        }
    }

    /// What a scalar is within a text: as Clojure's `str` prints it, or as YAML and JSON spell it.
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

    /// The same with the numbers of JSON in place of EDN's own, where there is one for each.
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

    /// Whether it is a symbol of EDN, and no keyword.
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

    /// Every text and number in it that is secret.
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

    /// Whether the environment had a part in any of it.
    pub(super) fn holds_secret(&self) -> bool {
        let mut found = Vec::new();
        self.secrets(&mut found);
        !found.is_empty()
    }

    /// What it is, for an error.
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

    /// The value of a key, in any casing; nothing where it is nil.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Tree::Map(entries) = &self.tree else { return None };
        let found = entries.iter().find(|(key, _)| key.text().is_some_and(|key| folded(key) == folded(name)));
        found.map(|(_, value)| value).filter(|value| !value.is_nil())
    }

    /// The entries of a list.
    pub(super) fn items(&self) -> &[Self] {
        if let Tree::List(items) = &self.tree { items } else { &[] }
    }

    /// Those of the list under a key.
    pub(super) fn items_of(&self, name: &str) -> &[Self] {
        self.get(name).map(Self::items).unwrap_or_default()
    }

    pub(super) fn entries(&self) -> &[(Self, Self)] {
        if let Tree::Map(entries) = &self.tree { entries } else { &[] }
    }
}

/// The number of JSON that it stands for, where there is one.
fn settled(number: &Exact) -> Option<Tree> {
    match number.kind {
        ExactKind::Whole => number.text.parse().ok().map(Tree::Int),
        ExactKind::Decimal => {
            number.text.parse().ok().filter(|value: &f64| value.is_finite()).map(Tree::Float)
        }
        ExactKind::Ratio => None,
    }
}
