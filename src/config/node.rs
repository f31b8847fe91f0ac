//! What a user wrote, before it means anything: one tree for EDN, YAML and JSON, with the place of each part.

use secrecy::SecretString;

use super::casing::folded;
use super::problem::{Place, Problem};

/// The flag of what came from the environment; no metadata can be called so.
pub(super) const SECRET: &str = "#env";

/// The flags of what EDN tells apart and nothing but printing it does: symbols from keywords, lists from vectors,
/// characters from strings.
pub(super) const SYMBOL: &str = "#symbol";
pub(super) const SEQUENCE: &str = "#sequence";
pub(super) const CHARACTER: &str = "#character";

/// A part of what was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) tree: Tree,
    pub(super) place: Place,
    /// The flags of its EDN metadata that are on, such as `replace` of `^:replace`.
    pub(super) flags: Vec<String>,
}

/// What a part is.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    /// What `#from-b64` gives when it is no text.
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
    pub(super) fn new(tree: Tree, place: Place) -> Self {
        Self { tree, place, flags: Vec::new() }
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
            Tree::Int(number) => number.to_string(),
            Tree::Float(number) => number.to_string(),
            Tree::Bool(value) => value.to_string(),
            _ => self.kind().to_owned(),
        }
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
            Tree::Int(number) if self.has_flag(SECRET) => found.push(number.to_string()),
            Tree::Float(number) if self.has_flag(SECRET) => found.push(number.to_string()),
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
    pub(super) const fn kind(&self) -> &'static str {
        match self.tree {
            Tree::Nil => "nothing",
            Tree::Bool(_) => "a boolean",
            Tree::Int(_) | Tree::Float(_) => "a number",
            Tree::Str(_) => "a string",
            Tree::Bytes(_) => "bytes that are no text",
            Tree::Key(_) => "a keyword",
            Tree::List(_) | Tree::Set(_) => "a list",
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
