//! The parts of the table: models, their fields, and what each field may hold.

use crate::config::casing::kebab;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Kind {
    /// A string of limited length, in characters.
    Text {
        least: usize,
        most: usize,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    Bool,
    /// An integer between these bounds, inclusive.
    Integer {
        least: i64,
        most: i64,
    },
    /// A number above zero.
    Number,
    /// A number of at least one.
    Factor,
    /// A TCP port.
    Port,
    /// A duration such as `90s`, or a number of seconds.
    Duration,
    /// Text in base64.
    Base64,
    /// A limited number of strings. If words are given, each string is one of them.
    Texts {
        most: usize,
        words: &'static [&'static str],
    },
    /// Names of variables, with string values.
    Environment,
    /// Freeform tags.
    Tags,
    /// Defined tags: namespaces of keys with plain values.
    DefinedTags,
    /// A map with any content.
    FreeMap,
    One(&'static Model),
    Many {
        of: &'static Model,
        least: usize,
        most: usize,
    },
    /// A field that the API has and we refuse, with the reason.
    Refused(&'static str),
}

/// A string that must not be empty.
pub(super) const TEXT: Kind = Kind::Text { least: 1, most: usize::MAX };
/// A name or an id, with the API's limit (docs/oci.md 5).
pub(super) const NAME: Kind = Kind::Text { least: 1, most: 255 };
/// A string that may be empty.
pub(super) const ANY_TEXT: Kind = Kind::Text { least: 0, most: usize::MAX };
pub(super) const COUNT: Kind = Kind::Integer { least: 0, most: i64::MAX };
pub(super) const ABOVE_ZERO: Kind = Kind::Integer { least: 1, most: i64::MAX };
/// The numeric id of a user or of a group.
pub(super) const UNIX_ID: Kind = Kind::Integer { least: 0, most: 65535 };

pub(super) const fn texts(most: usize) -> Kind {
    Kind::Texts { most, words: &[] }
}

pub(super) const fn many(of: &'static Model) -> Kind {
    Kind::Many { of, least: 0, most: usize::MAX }
}

/// The longest name of a freeform tag, in characters (docs/oci.md 5).
pub(in crate::config) const TAG_NAME_LIMIT: usize = 100;
/// The longest value of a freeform tag, in characters.
pub(in crate::config) const TAG_VALUE_LIMIT: usize = 256;
/// How many freeform tags a resource takes.
pub(in crate::config) const TAGS_LIMIT: usize = 10;
/// How many defined tags a resource takes.
pub(in crate::config) const DEFINED_TAGS_LIMIT: usize = 64;

/// A field of a model.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Field {
    /// The wire name. For our own fields, the name in kebab case.
    pub(in crate::config) name: &'static str,
    pub(in crate::config) kind: Kind,
    pub(in crate::config) is_required: bool,
    /// The description that an editor shows. Empty if Oracle's own words are better.
    pub(in crate::config) about: &'static str,
}

impl Field {
    pub(super) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}

/// A word, and the fields that it adds.
#[derive(Debug)]
pub(in crate::config) struct Variant {
    pub(in crate::config) word: &'static str,
    /// The SDK's name for it.
    pub(in crate::config) title: &'static str,
    pub(in crate::config) fields: &'static [Field],
}

/// A map with known keys. If there are `variants`, the fields depend on the word in its first field.
#[derive(Debug)]
pub(in crate::config) struct Model {
    /// The SDK's name for it, if it is a model of the API.
    pub(in crate::config) title: &'static str,
    pub(in crate::config) fields: &'static [Field],
    pub(in crate::config) variants: Option<(&'static str, &'static [Variant])>,
    /// Fields of which at least one must be there and not be empty.
    pub(in crate::config) needs_one_of: &'static [&'static str],
    /// Whether keys that begin with `x-` are the user's own, and `$schema` the editor's.
    pub(in crate::config) has_own_keys: bool,
}

impl Model {
    /// The names of its fields, as users write them.
    pub(in crate::config) fn names(&self) -> Vec<String> {
        let discriminator = self.variants.map(|(name, _)| name);
        self.fields.iter().map(|field| field.name).chain(discriminator).map(kebab).collect()
    }

    /// Whether a key is the user's own (`x-…`) or the editor's (`$schema`).
    pub(in crate::config) fn is_own_key(&self, name: &str) -> bool {
        self.has_own_keys && (name.starts_with("x-") || name == "$schema")
    }
}

pub(super) const fn must(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_required: true, about: "" }
}

pub(super) const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_required: false, about: "" }
}

pub(super) const fn plain(title: &'static str, fields: &'static [Field]) -> Model {
    Model { title, fields, variants: None, needs_one_of: &[], has_own_keys: false }
}

pub(super) const fn variant(word: &'static str, title: &'static str, fields: &'static [Field]) -> Variant {
    Variant { word, title, fields }
}

pub(super) const fn varied(
    title: &'static str,
    fields: &'static [Field],
    discriminator: &'static str,
    variants: &'static [Variant],
) -> Model {
    Model { title, fields, variants: Some((discriminator, variants)), needs_one_of: &[], has_own_keys: false }
}
