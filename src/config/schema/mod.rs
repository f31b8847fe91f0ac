//! What may be written: which keys there are, and what each may hold.
//!
//! One table for everything that follows from it: the check that finds every problem at once and names it by its
//! path, the way from a user's casing to the wire's, the nearest known key for one that is unknown, and the JSON
//! Schema for editors. A struct for each of the API's 80 models would say the same a second time, and could do none
//! of these.

mod deployment;
mod instance;
mod json;

pub(super) use deployment::{
    BACKEND, BALANCER_FILTER, CREDENTIALS, DEPLOYMENT, INSTANCE_FILTER, RETRY, STATES,
};
pub(super) use instance::{BACKEND_SET, INSTANCE};
pub use json::json_schema;

use super::casing::kebab;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
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
const TEXT: Kind = Kind::Text { least: 1, most: usize::MAX };
/// A name or an id, as long as the API takes it (docs/oci.md 5).
const NAME: Kind = Kind::Text { least: 1, most: 255 };
/// A string that may be empty.
const ANY_TEXT: Kind = Kind::Text { least: 0, most: usize::MAX };
const COUNT: Kind = Kind::Integer { least: 0, most: i64::MAX };
const ABOVE_ZERO: Kind = Kind::Integer { least: 1, most: i64::MAX };
/// The number of a user or of a group.
const UNIX_ID: Kind = Kind::Integer { least: 0, most: 65535 };

const fn texts(most: usize) -> Kind {
    Kind::Texts { most, words: &[] }
}

const fn many(of: &'static Model) -> Kind {
    Kind::Many { of, least: 0, most: usize::MAX }
}

/// The longest name of a freeform tag, in characters (docs/oci.md 5).
pub(super) const TAG_NAME_LIMIT: usize = 100;
/// The longest value of a freeform tag, in characters.
pub(super) const TAG_VALUE_LIMIT: usize = 256;
/// How many freeform tags a resource takes.
pub(super) const TAGS_LIMIT: usize = 10;
/// How many defined tags a resource takes.
pub(super) const DEFINED_TAGS_LIMIT: usize = 64;

/// A field of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// The name on the wire; of what is ours alone, the name in kebab case.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    /// What an editor says of it; empty where Oracle's own words are the better ones.
    pub(super) about: &'static str,
}

impl Field {
    const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}

/// A word, and the fields that it brings.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) word: &'static str,
    /// The SDK's name of it.
    pub(super) title: &'static str,
    pub(super) fields: &'static [Field],
}

/// A map with known keys. Where `variants` is there, the fields depend on the word in its first field.
#[derive(Debug)]
pub(super) struct Model {
    /// The SDK's name of it, where it is the API's.
    pub(super) title: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) variants: Option<(&'static str, &'static [Variant])>,
    /// The fields of which one must be there and say something.
    pub(super) needs_one_of: &'static [&'static str],
    /// Whether keys that begin with `x-` are the user's own, and `$schema` an editor's.
    pub(super) has_own_keys: bool,
}

impl Model {
    /// The names of its fields, as they are written.
    pub(super) fn names(&self) -> Vec<String> {
        let discriminator = self.variants.map(|(name, _)| name);
        self.fields.iter().map(|field| field.name).chain(discriminator).map(kebab).collect()
    }

    /// Whether a key is one that nobody but the user looks at.
    pub(super) fn is_own_key(&self, name: &str) -> bool {
        self.has_own_keys && (name.starts_with("x-") || name == "$schema")
    }
}

const fn must(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_required: true, about: "" }
}

const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_required: false, about: "" }
}

const fn plain(title: &'static str, fields: &'static [Field]) -> Model {
    Model { title, fields, variants: None, needs_one_of: &[], has_own_keys: false }
}

const fn variant(word: &'static str, title: &'static str, fields: &'static [Field]) -> Variant {
    Variant { word, title, fields }
}

const fn varied(
    title: &'static str,
    fields: &'static [Field],
    discriminator: &'static str,
    variants: &'static [Variant],
) -> Model {
    Model { title, fields, variants: Some((discriminator, variants)), needs_one_of: &[], has_own_keys: false }
}
