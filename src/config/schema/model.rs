//! Of what the table is made: models, their fields, and what each may hold.

use crate::config::casing::kebab;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Kind {
    /// A string of so many characters.
    Text {
        least: usize,
        most: usize,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    Bool,
    /// A whole number, both bounds included.
    Integer {
        least: i64,
        most: i64,
    },
    /// A number above zero.
    Number,
    /// A number that is at least one.
    Factor,
    /// A TCP port.
    Port,
    /// A time such as `90s`, or seconds.
    Duration,
    /// Text in base64.
    Base64,
    /// At most so many strings, each one of these words where there are any.
    Texts {
        most: usize,
        words: &'static [&'static str],
    },
    /// Names of variables, with strings.
    Environment,
    /// Freeform tags.
    Tags,
    /// Defined tags: namespaces of keys with plain values.
    DefinedTags,
    /// A map with anything in it.
    FreeMap,
    One(&'static Model),
    Many {
        of: &'static Model,
        least: usize,
        most: usize,
    },
    /// What the API has and we refuse, with the reason.
    Refused(&'static str),
}

/// A string that must not be empty.
pub(super) const TEXT: Kind = Kind::Text { least: 1, most: usize::MAX };
/// A name or an id, as long as the API takes it (docs/oci.md 5).
pub(super) const NAME: Kind = Kind::Text { least: 1, most: 255 };
/// A string that may be empty.
pub(super) const ANY_TEXT: Kind = Kind::Text { least: 0, most: usize::MAX };
pub(super) const COUNT: Kind = Kind::Integer { least: 0, most: i64::MAX };
pub(super) const ABOVE_ZERO: Kind = Kind::Integer { least: 1, most: i64::MAX };
/// The number of a user or of a group.
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
    /// The name on the wire; of what is ours alone, the name in kebab case.
    pub(in crate::config) name: &'static str,
    pub(in crate::config) kind: Kind,
    pub(in crate::config) is_required: bool,
    /// What an editor says of it; empty where Oracle's own words are the better ones.
    pub(in crate::config) about: &'static str,
}

impl Field {
    pub(super) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}

/// A word, and the fields that it brings.
#[derive(Debug)]
pub(in crate::config) struct Variant {
    pub(in crate::config) word: &'static str,
    /// The SDK's name of it.
    pub(in crate::config) title: &'static str,
    pub(in crate::config) fields: &'static [Field],
}

/// A map with known keys. Where `variants` is there, the fields depend on the word in its first field.
#[derive(Debug)]
pub(in crate::config) struct Model {
    /// The SDK's name of it, where it is the API's.
    pub(in crate::config) title: &'static str,
    pub(in crate::config) fields: &'static [Field],
    pub(in crate::config) variants: Option<(&'static str, &'static [Variant])>,
    /// The fields of which one must be there and say something.
    pub(in crate::config) needs_one_of: &'static [&'static str],
    /// Whether keys that begin with `x-` are the user's own, and `$schema` an editor's.
    pub(in crate::config) has_own_keys: bool,
}

impl Model {
    /// The names of its fields, as they are written.
    pub(in crate::config) fn names(&self) -> Vec<String> {
        let discriminator = self.variants.map(|(name, _)| name);
        self.fields.iter().map(|field| field.name).chain(discriminator).map(kebab).collect()
    }

    /// Whether a key is one that nobody but the user looks at.
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
