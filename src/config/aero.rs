//! The tags of Aero and aero-ext that a configuration may use (docs/oci.md 6.4).
//!
//! As in Aero, evaluation is lazy: a branch that is not taken is not evaluated. For a missing file, Aero yields a marker; we
//! fail and name the file.

mod choices;
mod conversions;
mod literals;
mod places;
mod surroundings;
#[cfg(test)]
mod tests;
mod values;

use std::borrow::Cow;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::node::{LITERAL, Node, SECRET, Tree};
use super::problem::{Position, Problem, nearest};
use super::{edn, interpolation, merge, read};
use crate::env::NotText;
use crate::file::folder_of;
use conversions::{decoded, finite, joined, keyword, merged, parsed, private_key, public_key, read_edn};
use interpolation::Fault;
use literals::{instant, uuid};
pub(super) use surroundings::Surroundings;
pub(super) use values::first_tag;
use values::{at, bytes_of, items, required_text, string_of, within};

const TAGS: [&str; 30] = [
    "base64",
    "boolean",
    "deep-merge",
    "double",
    "env",
    "envf",
    "file",
    "from-b64",
    "from-edn",
    "hostname",
    "include",
    "inst",
    "join",
    "keyword",
    "long",
    "merge",
    "meta-merge",
    "or",
    "privkey",
    "profile",
    "prop",
    "pubkey",
    "random",
    "read-edn",
    "ref",
    "str",
    "to-b64",
    "to-edn",
    "user",
    "uuid",
];
/// The profile when none is given.
const DEFAULT_PROFILE: &str = "default";
/// The deepest evaluation, counting everything that refs and includes lead to.
const DEPTH_LIMIT: usize = 100;
/// The largest deployment: each value counts one, plus one for each KiB of its text. Without a limit, refs to refs double the
/// size with each line.
const COST_LIMIT: usize = 100_000;

/// Reads a file and evaluates its tags.
pub(super) fn file(path: &Path, surroundings: &Surroundings<'_>) -> Result<Node, Problem> {
    let root = read::file(path)?;
    included(root, path, surroundings, &[], &Spent::default()).map(Node::settled)
}

/// Reads a file that a deployment names, as EDN unless the extension says otherwise.
pub(super) fn part(path: &Path, surroundings: &Surroundings<'_>) -> Result<Node, Problem> {
    include(path, surroundings, &[], &Spent::default()).map(Node::settled)
}

/// Evaluates the tags of a tree that is not a file.
pub(super) fn tree(node: Node, surroundings: &Surroundings<'_>) -> Result<Node, Problem> {
    whole(node, PathBuf::from("."), surroundings, &[], &Spent::default()).map(Node::settled)
}

/// Evaluates the tree of a file or a flag. The tree itself says whether variables are replaced in it.
fn whole(
    root: Node,
    folder: PathBuf,
    surroundings: &Surroundings<'_>,
    includes: &[PathBuf],
    spent: &Spent,
) -> Result<Node, Problem> {
    let root = interpolation::prepared(root, &TAGS)?;
    let evaluated = Document::new(&root, folder, surroundings, includes, spent).evaluate(&root, &[])?;
    Ok(interpolation::without_key(evaluated, &root))
}

fn include(
    path: &Path,
    surroundings: &Surroundings<'_>,
    includes: &[PathBuf],
    spent: &Spent,
) -> Result<Node, Problem> {
    included(read::part(path)?, path, surroundings, includes, spent)
}

fn included(
    root: Node,
    path: &Path,
    surroundings: &Surroundings<'_>,
    includes: &[PathBuf],
    spent: &Spent,
) -> Result<Node, Problem> {
    let folder = folder_of(path).to_owned();
    let includes = [includes, &[path.to_owned()]].concat();
    whole(root, folder, surroundings, &includes, spent)
}

/// How much of the limits a file, and everything it leads to, has used.
#[derive(Default)]
struct Spent {
    cost: Cell<usize>,
    depth: Cell<usize>,
}

/// One file: where its refs and relative paths lead.
struct Document<'d> {
    root: &'d Node,
    folder: PathBuf,
    surroundings: &'d Surroundings<'d>,
    includes: &'d [PathBuf],
    spent: &'d Spent,
    /// Whether evaluation is within `#or`, where a ref that leads nowhere is nil and not an error.
    is_optional: Cell<bool>,
    /// Whether the environment was read since a tag began. If so, the result of that tag is secret.
    is_told: Cell<bool>,
}

impl<'d> Document<'d> {
    fn new(
        root: &'d Node,
        folder: PathBuf,
        surroundings: &'d Surroundings<'d>,
        includes: &'d [PathBuf],
        spent: &'d Spent,
    ) -> Self {
        let (is_optional, is_told) = (Cell::new(false), Cell::new(false));
        Self { root, folder, surroundings, includes, spent, is_optional, is_told }
    }

    /// `refs` are the refs being followed, to detect a ref that leads to itself.
    fn evaluate(&self, node: &Node, refs: &[String]) -> Result<Node, Problem> {
        let depth = self.spent.depth.get() + 1;
        if depth > DEPTH_LIMIT {
            let message =
                format!("is nested more than {DEPTH_LIMIT} deep, with what its refs and includes lead to");
            return Err(node.problem("", message));
        }
        self.spent.depth.set(depth);
        let evaluated = self.evaluate_at_depth(node, refs);
        self.spent.depth.set(depth - 1);
        let evaluated = evaluated?;
        let length = match &evaluated.tree {
            Tree::Str(text) | Tree::Key(text) => text.len(),
            Tree::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        let cost = self.spent.cost.get() + 1 + length / 1024;
        self.spent.cost.set(cost);
        if cost > COST_LIMIT {
            let message =
                format!("the deployment comes to more than {COST_LIMIT} values or KiB: its refs multiply");
            return Err(node.problem("", message));
        }
        Ok(evaluated)
    }

    fn evaluate_at_depth(&self, node: &Node, refs: &[String]) -> Result<Node, Problem> {
        let all = |items: &[Node]| {
            items.iter().map(|item| self.evaluate(item, refs)).collect::<Result<Vec<_>, _>>()
        };
        // The older spelling of `#ref`.
        if node.has_flag("ref") {
            return self.reference(node, node, refs);
        }
        let tree = match &node.tree {
            Tree::Tagged(tag, form) => {
                let was_told = self.is_told.replace(false);
                let evaluated = self.tag(node, tag, form, refs);
                let is_secret = self.is_told.get();
                self.is_told.set(was_told || is_secret);
                // A value that was read from a text is secret down to its last leaf. In other collections, each leaf carries
                // its own mark.
                let is_read = matches!(tag.as_str(), "read-edn" | "from-edn");
                return evaluated.map(|value| if is_secret { secret(value, is_read) } else { value });
            }
            Tree::List(items) => Tree::List(all(items)?),
            Tree::Set(items) => Tree::Set(all(items)?),
            Tree::Map(entries) => {
                let mut evaluated = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    evaluated.push((self.evaluate(key, refs)?, self.evaluate(value, refs)?));
                }
                Tree::Map(evaluated)
            }
            Tree::Nil
            | Tree::Bool(_)
            | Tree::Int(_)
            | Tree::Float(_)
            | Tree::Exact(_)
            | Tree::Str(_)
            | Tree::Bytes(_)
            | Tree::Key(_)
            | Tree::PrivateKey(..) => {
                if node.has_flag(LITERAL) {
                    self.surroundings.note_literal(node);
                }
                return Ok(node.clone());
            }
        };
        Ok(Node { flags: node.flags.clone(), ..Node::new(tree, node.place.clone()) })
    }

    /// Evaluates a form only down to its outermost tag, so that a tag which chooses among the form's parts leaves the others
    /// alone.
    fn opened<'n>(&self, form: &'n Node, refs: &[String]) -> Result<Cow<'n, Node>, Problem> {
        if matches!(form.tree, Tree::Tagged(..)) || form.has_flag("ref") {
            return self.evaluate(form, refs).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(form))
    }

    /// Notes that a value from elsewhere depends on the environment.
    fn note_secrets(&self, value: &Node) {
        if value.holds_secret() {
            self.is_told.set(true);
        }
    }

    fn tag(&self, node: &Node, tag: &str, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        match tag {
            "or" => self.first_of(node, form, refs),
            "profile" => self.branch_of_profile(form, refs),
            "hostname" => self.branch_of(node, form, "HOSTNAME", refs),
            "user" => self.branch_of(node, form, "USER", refs),
            "random" => self.any_of(form, refs),
            "ref" => self.reference(node, form, refs),
            interpolation::TAG => {
                let replaced = interpolation::replaced(required_text(form)?, &|name| self.variable(name));
                let text = replaced.map_err(|fault| node.problem("", self.told_with_others(&fault)))?;
                Ok(Node::new(Tree::Str(text), node.place.clone()))
            }
            known if TAGS.contains(&known) => {
                let value = self.evaluate(form, refs)?;
                self.converted(node, tag, value)
            }
            unknown => Err(node.problem(
                "",
                match nearest(unknown, TAGS) {
                    Some(known) => format!("no reader for the tag #{unknown}, did you mean #{known}?"),
                    None => format!("no reader for the tag #{unknown}; there are #{}", TAGS.join(" #")),
                },
            )),
        }
    }

    /// The problem with a text, together with the other variables of its file that are unset.
    fn told_with_others(&self, fault: &Fault<NotText>) -> String {
        let Fault::Unset(name) = fault else { return fault.message() };
        let mut others = interpolation::unset_in(self.root, &|name| self.variable(name));
        others.retain(|other| other != name);
        let others =
            if others.is_empty() { String::new() } else { format!("; nor is {}", others.join(", ")) };
        fault.message() + &others
    }

    /// Applies the other tags to their form, which is already evaluated. This is a function apart from `tag`, so that nested
    /// forms take little of the stack.
    fn converted(&self, node: &Node, tag: &str, value: Node) -> Result<Node, Problem> {
        let tree = match tag {
            "include" => return self.include(node, &self.path(&value)?),
            "file" => Tree::Str(at(&value, read::text_of(&self.path(&value)?))?),
            "base64" => Tree::Str(STANDARD.encode(at(&value, read::bytes_of(&self.path(&value)?))?)),
            "env" => self.env(&value)?.map_or(Tree::Nil, Tree::Str),
            "envf" => Tree::Str(self.envf(&value)?),
            "prop" => Tree::Nil,
            "to-b64" => Tree::Str(STANDARD.encode(bytes_of(&value)?)),
            "from-b64" => decoded(&value)?,
            "privkey" => private_key(&value)?,
            "pubkey" => return public_key(value),
            "to-edn" => Tree::Str(edn::print(&value)),
            "from-edn" => return self.as_document(&value),
            "read-edn" => return read_edn(&value),
            "inst" => Tree::Str(instant(&value)?),
            "uuid" => Tree::Str(uuid(&value)?),
            "merge" => merged(&value)?,
            "meta-merge" | "deep-merge" => {
                let nothing = Node::new(Tree::Nil, value.place.clone());
                return Ok(items(&value)?.iter().cloned().reduce(merge::meta).unwrap_or(nothing));
            }
            "join" => Tree::Str(joined(&value)?),
            "str" => Tree::Str(string_of(&value)?),
            "long" => parsed(&value, |text| text.trim().parse().map(Tree::Int).ok(), "a whole number")?,
            "double" => parsed(&value, finite, "a number")?,
            "keyword" => parsed(&value, keyword, "a name")?,
            "boolean" => Tree::Bool(string_of(&value)?.trim().eq_ignore_ascii_case("true")),
            _ => unreachable!("`tag` lets only known ones pass"),
        };
        Ok(Node::new(tree, node.place.clone()))
    }

    fn env(&self, name: &Node) -> Result<Option<String>, Problem> {
        self.variable(&string_of(name)?).map_err(|error| name.problem("", error.to_string()))
    }

    fn variable(&self, name: &str) -> Result<Option<String>, NotText> {
        let value = self.surroundings.env.text(name)?;
        // A default that replaces an unset variable was written in the file.
        self.is_told.set(self.is_told.get() || value.is_some());
        Ok(value)
    }

    /// `["%s:%s" HOST PORT]`, with `%s` for each variable in turn; `%%` is a percent sign.
    fn envf(&self, form: &Node) -> Result<String, Problem> {
        let [format, variables @ ..] = items(form)? else {
            return Err(form.problem("", "#envf expects a format and the names of variables"));
        };
        let mut variables = variables.iter();
        let mut text = String::new();
        let mut rest = required_text(format)?;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            match after.chars().next() {
                Some('s') => match variables.next() {
                    Some(variable) => text.push_str(&self.env(variable)?.unwrap_or_default()),
                    None => return Err(format.problem("", "has more `%s` than there are variables after it")),
                },
                Some('%') => text.push('%'),
                Some(_) | None => {
                    return Err(format.problem("", "expected `%s` or `%%` after a percent sign"));
                }
            }
            rest = &after[1..];
        }
        Ok(text + rest)
    }

    /// Evaluates a text as a document of its own, with its tags and refs.
    fn as_document(&self, text: &Node) -> Result<Node, Problem> {
        let source = edn::with_line_feeds(required_text(text)?);
        let root = edn::read_part(&source, &text.place).map_err(|problem| within(text, &problem))?;
        let folder = self.folder.clone();
        // aero-ext reads the text without options.
        let surroundings = Surroundings::new(DEFAULT_PROFILE, self.surroundings.env);
        let document = Document::new(&root, folder, &surroundings, self.includes, self.spent);
        let evaluated = document.evaluate(&root, &[]).map_err(|problem| within(text, &problem))?;
        self.note_secrets(&evaluated);
        Ok(evaluated)
    }
}

/// Marks a value as secret, because it came from the environment.
fn secret(mut node: Node, is_deep: bool) -> Node {
    match node.tree {
        Tree::List(items) if is_deep => {
            node.tree = Tree::List(items.into_iter().map(|item| secret(item, true)).collect());
        }
        Tree::Map(entries) if is_deep => {
            let entries = entries.into_iter().map(|(key, value)| (key, secret(value, true)));
            node.tree = Tree::Map(entries.collect());
        }
        Tree::List(_) | Tree::Set(_) | Tree::Map(_) => {}
        _ => node.flags.push(SECRET.to_owned()),
    }
    node
}

/// The position of a flag, for values without a file.
pub(super) fn flag(name: &str) -> Position {
    Position { source: Some(Arc::new(PathBuf::from(name))), position: None }
}
