//! The arguments of tags: texts, bytes, the items of a vector, and the value under a key.

use crate::config::node::{Node, SECRET, SYMBOL, Tree};
use crate::config::problem::Problem;

/// A problem within a text. A text from the environment is not repeated.
pub(super) fn within(text: &Node, problem: &Problem) -> Problem {
    let at = problem.place.position.map(|(line, column)| format!(" at {line}:{column}")).unwrap_or_default();
    let what = if text.has_flag(SECRET) { "does not read as EDN" } else { &problem.message };
    text.problem("", format!("the text{at} {what}"))
}

/// The content of a file, or the problem with it at the place that names the file.
pub(super) fn at<T>(name: &Node, read: Result<T, Problem>) -> Result<T, Problem> {
    read.map_err(|problem| name.problem("", problem.to_string()))
}

/// The first tag in the node, except EDN's own tags.
pub(in crate::config) fn first_tag(node: &Node) -> Option<&str> {
    match &node.tree {
        Tree::Tagged(tag, form) if matches!(tag.as_str(), "inst" | "uuid") => first_tag(form),
        Tree::Tagged(tag, _) => Some(tag),
        Tree::List(items) | Tree::Set(items) => items.iter().find_map(first_tag),
        Tree::Map(entries) => {
            entries.iter().find_map(|(key, value)| first_tag(key).or_else(|| first_tag(value)))
        }
        _ => None,
    }
}

/// The value of a map or a list under a key. A map's keys may be numbers.
pub(super) fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    if let Tree::List(items) = &node.tree {
        return items.get(key.parse::<usize>().ok()?);
    }
    let is_meant = |entry: &Node| !entry.is_nil() && entry.scalar_text().as_deref() == Some(key);
    node.entries().iter().find(|(entry, _)| is_meant(entry)).map(|(_, value)| value)
}

pub(super) fn items(form: &Node) -> Result<&[Node], Problem> {
    match &form.tree {
        Tree::List(items) | Tree::Set(items) => Ok(items),
        _ => Err(form.problem("", format!("expected a vector, found {}", form.kind()))),
    }
}

pub(super) fn required_text(form: &Node) -> Result<&str, Problem> {
    form.text().ok_or_else(|| form.problem("", format!("expected a string, found {}", form.kind())))
}

pub(super) fn bytes_of(form: &Node) -> Result<&[u8], Problem> {
    if let Tree::Bytes(bytes) = &form.tree { Ok(bytes) } else { required_text(form).map(str::as_bytes) }
}

/// A scalar as Clojure's `str` prints it: a keyword keeps its colon.
pub(super) fn string_of(form: &Node) -> Result<String, Problem> {
    if let Tree::Key(name) = &form.tree
        && !form.has_flag(SYMBOL)
    {
        return Ok(format!(":{name}"));
    }
    plain_of(form)
}

/// A scalar as text, without the mark that distinguishes keywords from strings.
pub(super) fn plain_of(form: &Node) -> Result<String, Problem> {
    form.scalar_text().ok_or_else(|| form.problem("", format!("expected a string, found {}", form.kind())))
}
