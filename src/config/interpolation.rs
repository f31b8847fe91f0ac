//! `${NAME}` and `${NAME:-default}` in the values of a file that says `interpolate: true` at its top.
//!
//! Only text that was written in the file is replaced: never a replacement, a value from elsewhere, or a key. A value of the
//! environment therefore stays text. In a file without `interpolate`, such texts stay as they are, and one warning names
//! them.

use super::node::{LITERAL, Node, Tree, Written};
use super::problem::Problem;

/// The tag of a text whose variables are to be replaced. No user can write this tag.
pub(super) const TAG: &str = "${}";
/// The key that turns replacement on.
const KEY: &str = "interpolate";
/// The deepest nesting of defaults within defaults.
const DEPTH_LIMIT: usize = 16;

/// Prepares a file's tree: each text with a variable becomes a form of its own. If the file does not say whether variables
/// are replaced, the text is noted instead.
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

/// Returns the tree without the key, which only the reader needs.
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

/// Refuses values that are missing because YAML takes the tag that should produce them for a comment.
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

/// How many unset variables are reported. A file may name a million.
const UNSET_LIMIT: usize = 20;

/// The first unset variables that the texts need, except those that only a chosen branch of a tag may need.
pub(super) fn unset_in<E>(node: &Node, env: &dyn Fn(&str) -> Result<Option<String>, E>) -> Vec<String> {
    let mut unset = Vec::new();
    collect_unset(node, env, &mut unset);
    unset
}

fn collect_unset<E>(node: &Node, env: &dyn Fn(&str) -> Result<Option<String>, E>, unset: &mut Vec<String>) {
    match &node.tree {
        Tree::Tagged(tag, text) if tag == TAG => {
            let Some(text) = text.text() else { return };
            // An unset variable counts as empty, so that the same text reveals the other unset ones.
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

/// Calls `act` on each text that is a value, except texts that are read as EDN documents of their own.
fn each_text(node: &mut Node, act: &mut impl FnMut(&mut Node)) {
    match &mut node.tree {
        Tree::Str(_) => act(node),
        Tree::List(items) | Tree::Set(items) => items.iter_mut().for_each(|item| each_text(item, act)),
        Tree::Map(entries) => entries.iter_mut().for_each(|(_, value)| each_text(value, act)),
        Tree::Tagged(tag, form) if !matches!(tag.as_str(), "from-edn" | "read-edn") => each_text(form, act),
        _ => {}
    }
}

/// Why a text that is sent as it is looks suspicious.
pub(super) fn suspicion(node: &Node, tags: &[&str]) -> Option<String> {
    let Tree::Str(text) = &node.tree else { return None };
    if let Some(tag) = tag_of(text, tags) {
        return Some(format!("begins with `#{tag}`"));
    }
    text.contains("${").then(|| "holds `${`".to_owned())
}

/// How many places a warning names after the first.
const PLACES_LIMIT: usize = 5;

/// One warning about all texts that look like tags or variables.
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

/// The tag that a text begins with: its name, followed by something with which a form may begin.
pub(super) fn tag_of<'t>(text: &str, tags: &[&'t str]) -> Option<&'t str> {
    let rest = text.trim_start().strip_prefix('#')?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))?;
    let (name, after) = rest.split_at(end);
    let is_tag = after.starts_with(|c: char| c.is_whitespace() || "[{(\"#:^".contains(c));
    tags.iter().copied().find(|tag| is_tag && *tag == name)
}

/// Why the variables of a text cannot be replaced. The text may be secret, so it is not repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault<E> {
    /// The variable does not exist.
    Unset(String),
    /// The closing brace is missing.
    Open,
    /// The text between the braces is not a name.
    NoName,
    /// Defaults are nested too deeply.
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

/// Replaces the variables of a text. `$${` becomes `${`. An empty variable takes the default, as in a shell.
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

/// The position of the brace that closes one opened before the text. A brace opened within the text is closed first.
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
