//! `${NAME}` and `${NAME:-default}` in the values of a file that says `interpolate: true` at its top.
//!
//! What is read is replaced, and never what was replaced, read from elsewhere or is a key: a value of the environment cannot
//! become anything but text. In a file that says nothing of it such values stay as they are, and are noted once.

use super::node::{LITERAL, Node, Tree, Written};
use super::problem::Problem;

/// The tag of a text in which variables are to be replaced. Nobody can write it.
pub(super) const TAG: &str = "${}";
/// The key that says so.
const KEY: &str = "interpolate";
/// How deep defaults may lie within defaults.
const DEPTH_LIMIT: usize = 16;

/// A file's tree, in which each text that holds a variable is a form of its own, or noted when the file does not say what
/// is meant.
pub(super) fn prepared(mut root: Node, tags: &[&str]) -> Result<Node, Problem> {
    refuse_comments(&root, tags)?;
    let said = root.entries().iter().find(|(key, _)| is_key(key)).map(|(_, value)| value);
    match said.map(|value| (&value.tree, value)) {
        None => each_text(&mut root, &mut |node| {
            if suspicion(node, tags).is_some() {
                node.flags.push(LITERAL.to_owned());
            }
        }),
        Some((Tree::Bool(false), _)) => {}
        Some((Tree::Bool(true), _)) => each_text(&mut root, &mut |node| {
            if node.text().is_some_and(|text| text.contains("${")) {
                let text = Node::new(Tree::Nil, node.place.clone());
                let text = std::mem::replace(node, text);
                node.tree = Tree::Tagged(TAG.to_owned(), Box::new(text));
            }
        }),
        Some((_, value)) => {
            let message = format!("expected true or false, found {}", value.kind());
            return Err(value.problem(KEY, message));
        }
    }
    Ok(root)
}

/// The same tree without the key, which is for the reader alone.
pub(super) fn without_key(mut root: Node, source: &Node) -> Node {
    if let Tree::Map(entries) = &mut root.tree
        && source.entries().iter().any(|(key, _)| is_key(key))
    {
        entries.retain(|(key, _)| !is_key(key));
    }
    root
}

fn is_key(key: &Node) -> bool {
    key.text() == Some(KEY)
}

/// Refuses what is nothing because YAML takes the tag that was to make it for a comment.
fn refuse_comments(node: &Node, tags: &[&str]) -> Result<(), Problem> {
    let refuse = |name: &str, value: &Node| {
        match (&value.tree, &value.written) {
        (Tree::Nil, Some(Written::Comment(comment))) => tag_of(comment, tags).map_or(Ok(()), |tag| {
            let message = format!(
                "{name} has no value: `#{tag}` begins a comment in YAML. Write `${{NAME}}`, with `interpolate: true` at the \
                 top of the file, or put the comment on a line of its own"
            );
            Err(value.problem("", message))
        }),
        _ => refuse_comments(value, tags),
    }
    };
    match &node.tree {
        Tree::List(items) | Tree::Set(items) => items.iter().try_for_each(|item| refuse("an item", item)),
        Tree::Map(entries) => entries
            .iter()
            .try_for_each(|(key, value)| refuse(&format!("`{}`", key.text().unwrap_or_default()), value)),
        _ => Ok(()),
    }
}

/// How many variables are told that are not set. A file may name a million.
const UNSET_LIMIT: usize = 20;

/// The first variables that texts want and that are not set, but for what only a tag may choose.
pub(super) fn unset_in<E>(node: &Node, env: &dyn Fn(&str) -> Result<Option<String>, E>) -> Vec<String> {
    let mut unset = Vec::new();
    collect_unset(node, env, &mut unset);
    unset
}

fn collect_unset<E>(node: &Node, env: &dyn Fn(&str) -> Result<Option<String>, E>, unset: &mut Vec<String>) {
    match &node.tree {
        Tree::Tagged(tag, text) if tag == TAG => {
            let Some(text) = text.text() else { return };
            // What is missing counts as empty, so that the same text tells what else is missing.
            while unset.len() < UNSET_LIMIT {
                let or_empty = |name: &str| {
                    if unset.iter().any(|other| other == name) { Ok(Some(String::new())) } else { env(name) }
                };
                let Err(Fault::Unset(name)) = replaced(text, &or_empty) else { return };
                unset.push(name);
            }
        }
        Tree::List(items) | Tree::Set(items) => items.iter().for_each(|item| collect_unset(item, env, unset)),
        Tree::Map(entries) => entries.iter().for_each(|(_, value)| collect_unset(value, env, unset)),
        _ => {}
    }
}

/// Does something with each text that is a value, but for those that are read as EDN of their own.
fn each_text(node: &mut Node, act: &mut impl FnMut(&mut Node)) {
    match &mut node.tree {
        Tree::Str(_) => act(node),
        Tree::List(items) | Tree::Set(items) => items.iter_mut().for_each(|item| each_text(item, act)),
        Tree::Map(entries) => entries.iter_mut().for_each(|(_, value)| each_text(value, act)),
        Tree::Tagged(tag, form) if !matches!(tag.as_str(), "from-edn" | "read-edn") => each_text(form, act),
        _ => {}
    }
}

/// What is odd about a text that is sent as it is.
pub(super) fn suspicion(node: &Node, tags: &[&str]) -> Option<String> {
    let Tree::Str(text) = &node.tree else { return None };
    if let Some(tag) = tag_of(text, tags) {
        return Some(format!("begins with `#{tag}`"));
    }
    text.contains("${").then(|| "holds `${`".to_owned())
}

/// How many places a warning names besides the first.
const PLACES_LIMIT: usize = 5;

/// One warning about all texts that look like more than they are.
pub(super) fn warning(literals: &[Node], tags: &[&str]) -> Option<Problem> {
    let (first, others) = literals.split_first()?;
    let mut message = format!(
        "{}, and is sent as it is: `interpolate: true` at the top of its file has `${{NAME}}` and `${{NAME:-default}}` \
         replaced, and `interpolate: false` says that it is meant as it is",
        suspicion(first, tags)?
    );
    if !others.is_empty() {
        let places: Vec<String> =
            others.iter().take(PLACES_LIMIT).map(|node| node.place.to_string()).collect();
        message.extend(["; the same goes for ", &places.join(", ")]);
        if others.len() > PLACES_LIMIT {
            message.extend([" and ", &(others.len() - PLACES_LIMIT).to_string(), " more"]);
        }
    }
    Some(first.problem("", message))
}

/// The tag that a text begins with: its name, and something after it that a form may begin with.
pub(super) fn tag_of<'t>(text: &str, tags: &[&'t str]) -> Option<&'t str> {
    let rest = text.trim_start().strip_prefix('#')?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))?;
    let (name, after) = rest.split_at(end);
    let is_tag = after.starts_with(|c: char| c.is_whitespace() || "[{(\"#:^".contains(c));
    tags.iter().copied().find(|tag| is_tag && *tag == name)
}

/// Why a text cannot be what it says. It may be secret, and is not repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault<E> {
    /// There is no such variable.
    Unset(String),
    /// There is no end.
    Open,
    /// Something else than a name.
    NoName,
    /// Too many defaults within each other.
    Deep,
    /// The variable cannot be read.
    Unreadable(E),
}

impl<E: std::fmt::Display> Fault<E> {
    pub(super) fn message(&self) -> String {
        match self {
            Self::Unset(name) => format!(
                "the variable {name} is not set, and `${{{name}}}` has no default: set it, or write `${{{name}:-default}}`"
            ),
            Self::Open => {
                "holds a `${` that is not closed: write `$${` for one that is sent as it is".to_owned()
            }
            Self::NoName => {
                "holds a `${` that begins neither `${NAME}` nor `${NAME:-default}`: write `$${` for one \
                             that is sent as it is"
                    .to_owned()
            }
            Self::Deep => format!("has more than {DEPTH_LIMIT} defaults within each other"),
            Self::Unreadable(error) => error.to_string(),
        }
    }
}

/// The text with its variables replaced. `$${` is `${`; a variable that is empty has the default, as in a shell.
pub(super) fn replaced<E>(
    text: &str,
    env: &dyn Fn(&str) -> Result<Option<String>, E>,
) -> Result<String, Fault<E>> {
    at_depth(text, env, 0)
}

fn at_depth<E>(
    text: &str,
    env: &dyn Fn(&str) -> Result<Option<String>, E>,
    depth: usize,
) -> Result<String, Fault<E>> {
    if depth > DEPTH_LIMIT {
        return Err(Fault::Deep);
    }
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            done.push_str(before);
            done.push_str("${");
            rest = after;
            continue;
        }
        done.push_str(before);
        let end = closing(after).ok_or(Fault::Open)?;
        let (name, default) = match after[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&after[..end], None),
        };
        if !is_name(name) {
            return Err(Fault::NoName);
        }
        match (env(name).map_err(Fault::Unreadable)?, default) {
            (None, None) => return Err(Fault::Unset(name.to_owned())),
            (Some(value), None) => done.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => done.push_str(&value),
            (Some(_) | None, Some(default)) => done.push_str(&at_depth(default, env, depth + 1)?),
        }
        rest = &after[end + 1..];
    }
    done.push_str(rest);
    Ok(done)
}

/// Where the brace closes that was opened before the text: one that is opened within it closes first.
fn closing(text: &str) -> Option<usize> {
    let mut n_open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => n_open += 1,
            '}' if n_open == 1 => return Some(at),
            '}' => n_open -= 1,
            _ => {}
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let is_in = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Result<Option<String>, String> {
        Ok(match name {
            "TAG" => Some("2.4".to_owned()),
            "EMPTY" => Some(String::new()),
            "EVIL" => Some("${TAG}".to_owned()),
            "ODD" => return Err("ODD is not text".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_replaced_once_and_as_text() {
        for (text, expected) in [
            ("httpd:${TAG}", "httpd:2.4"),
            ("${TAG}${TAG}-${NONE:-x}", "2.42.4-x"),
            ("${NONE:-}", ""),
            ("${EMPTY}|${EMPTY:-full}", "|full"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${NONE:-${OTHER:-${TAG}}}", "2.4"),
            ("${NONE:-{\"a\": {}}}!", "{\"a\": {}}!"),
            ("${EVIL}", "${TAG}"),
            ("$${TAG} $TAG $$ $(TAG) {TAG} $", "${TAG} $TAG $$ $(TAG) {TAG} $"),
            ("é${TAG}é", "é2.4é"),
        ] {
            assert_eq!(replaced(text, &env).as_deref(), Ok(expected), "{text}");
        }
        for (text, fault) in [
            ("${NONE}", Fault::Unset("NONE".to_owned())),
            ("${NONE:-${OTHER}}", Fault::Unset("OTHER".to_owned())),
            ("${TAG", Fault::Open),
            ("a${", Fault::Open),
            ("${}", Fault::NoName),
            ("${TAG%%.*}", Fault::NoName),
            ("${TAG:?no}", Fault::NoName),
            ("${1}", Fault::NoName),
            ("${ TAG }", Fault::NoName),
            ("${ODD}", Fault::Unreadable("ODD is not text".to_owned())),
        ] {
            assert_eq!(replaced(text, &env), Err(fault), "{text}");
        }
        let deep = format!("{}{}", "${A:-".repeat(100_000), "}".repeat(100_000));
        assert_eq!(replaced(&deep, &env), Err(Fault::Deep));
    }

    #[test]
    fn a_text_begins_with_a_tag_when_a_form_could_follow() {
        let tags = ["env", "or", "join"];
        for (text, tag) in [
            ("#env TAG", Some("env")),
            (" #or [1]", Some("or")),
            ("#join[1]", Some("join")),
            ("#env", None),
            ("#environment x", None),
            ("#env-like x", None),
            ("a #env TAG", None),
            ("# env TAG", None),
            ("#or,", None),
        ] {
            assert_eq!(tag_of(text, &tags), tag, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_replaced_or_refused(text in "([$]|[{]|[}]|:-|TAG|NONE|é|x){0,24}") {
            drop(replaced(&text, &env));
            if !text.contains("${") {
                proptest::prop_assert_eq!(replaced(&text, &env).ok(), Some(text));
            }
        }
    }
}
