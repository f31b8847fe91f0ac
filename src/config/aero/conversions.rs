//! The tags that make one value from another that is already evaluated.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::values::{first_tag, items, required_text, string_of, within};
use crate::config::node::{Node, SECRET, Tree};
use crate::config::problem::Problem;
use crate::config::{edn, merge};
use crate::oci;

pub(super) fn decoded(text: &Node) -> Result<Tree, Problem> {
    let bytes = STANDARD.decode(required_text(text)?.trim());
    let bytes = bytes.map_err(|error| text.problem("", format!("#from-b64 expects base64: {error}")))?;
    Ok(String::from_utf8(bytes).map_or_else(|error| Tree::Bytes(error.into_bytes()), Tree::Str))
}

pub(super) fn private_key(form: &Node) -> Result<Tree, Problem> {
    let secret = |part: &Node, what: &str| match part.text() {
        Some(text) => Ok(SecretString::from(text)),
        None => Err(part.problem("", format!("#privkey expects {what}, found {}", part.kind()))),
    };
    let Tree::List(parts) = &form.tree else {
        return Ok(Tree::PrivateKey(secret(form, "the key's text")?, None));
    };
    let [pem, phrase] = parts.as_slice() else {
        return Err(form.problem("", "#privkey expects the key's text, or a vector of text and pass phrase"));
    };
    Ok(Tree::PrivateKey(secret(pem, "the key's text")?, Some(secret(phrase, "a pass phrase")?)))
}

pub(super) fn public_key(pem: Node) -> Result<Node, Problem> {
    oci::identity::check_public_key(required_text(&pem)?)
        .map_err(|error| pem.problem("", format!("expected a public key: {error}")))?;
    Ok(pem)
}

/// Reads a text as plain EDN, in which tags mean nothing. A blank text is nil, as in Aero.
pub(super) fn read_edn(text: &Node) -> Result<Node, Problem> {
    let source = string_of(text)?;
    let read = edn::read_part(&source, &text.place).map_err(|problem| within(text, &problem))?;
    match first_tag(&read) {
        Some(tag) => {
            let message = format!("#read-edn reads plain EDN, and found #{tag}; #from-edn knows tags");
            Err(text.problem("", message))
        }
        None => Ok(read),
    }
}

/// Merges maps shallowly. If every map is nil, so is the result.
pub(super) fn merged(maps: &Node) -> Result<Tree, Problem> {
    if items(maps)?.iter().all(Node::is_nil) {
        return Ok(Tree::Nil);
    }
    let mut merged: Vec<(Node, Node)> = Vec::new();
    for map in items(maps)? {
        match &map.tree {
            Tree::Nil => {}
            Tree::Map(entries) => merged = merge::shallow(merged, entries.clone()),
            _ => return Err(map.problem("", format!("#merge expects maps, found {}", map.kind()))),
        }
    }
    Ok(Tree::Map(merged))
}

pub(super) fn joined(parts: &Node) -> Result<String, Problem> {
    let mut joined = String::new();
    for part in items(parts)? {
        joined.push_str(&string_of(part)?);
    }
    Ok(joined)
}

/// A double that JSON can hold.
pub(super) fn finite(text: &str) -> Option<Tree> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite()).map(Tree::Float)
}

pub(super) fn keyword(text: &str) -> Option<Tree> {
    let name = text.trim_start_matches(':');
    (!name.is_empty()).then(|| Tree::Key(name.to_owned()))
}

/// Parses a text. Nil cannot be parsed, as in Aero.
pub(super) fn parsed(
    value: &Node,
    parse: impl Fn(&str) -> Option<Tree>,
    expected: &str,
) -> Result<Tree, Problem> {
    let text = string_of(value)?;
    parse(&text).ok_or_else(|| {
        let found = match &value.tree {
            Tree::Nil => "nothing".to_owned(),
            _ if value.has_flag(SECRET) => "what is no such thing".to_owned(),
            _ => format!("`{text}`"),
        };
        value.problem("", format!("expected {expected}, found {found}"))
    })
}
