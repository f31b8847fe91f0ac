//! The tags of Aero and aero-ext that a configuration may use (OCI.md 6.4).
//!
//! Lazy as Aero is: a branch that is not taken is not evaluated. Where Aero yields a marker for a missing file, we
//! fail and name it.

#[cfg(test)]
mod tests;
mod values;

use std::borrow::Cow;
use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::node::{Node, SECRET, Tree};
use super::problem::{Place, Problem, nearest};
use super::{edn, merge, read};
use crate::oci;
pub(super) use values::first_tag;
use values::{bytes_of, child, items, required_text, string_of, within};

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
/// How many includes may lie within each other.
const INCLUDE_LIMIT: usize = 32;
/// How many forms one file may be evaluated to: refs to refs double with each line otherwise.
const FORM_LIMIT: usize = 100_000;

/// What the tags may ask for.
pub(super) struct Surroundings<'s> {
    /// Aero's profile, `default` unless `--env` says otherwise.
    pub(super) profile: &'s str,
    /// The environment.
    pub(super) env: &'s dyn Fn(&str) -> Option<String>,
}

/// Reads a file and evaluates its tags.
pub(super) fn file(path: &Path, surroundings: &Surroundings<'_>) -> Result<Node, Problem> {
    include(path, surroundings, &[])
}

/// Evaluates the tags of a tree that is no file.
pub(super) fn tree(node: &Node, surroundings: &Surroundings<'_>) -> Result<Node, Problem> {
    let document = Document {
        root: node,
        folder: PathBuf::from("."),
        surroundings,
        includes: Vec::new(),
        n_forms: Cell::new(0),
        is_optional: Cell::new(false),
        has_asked: Cell::new(false),
    };
    document.evaluate(node, &[])
}

fn include(path: &Path, surroundings: &Surroundings<'_>, includes: &[PathBuf]) -> Result<Node, Problem> {
    let root = read::file(path)?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    let mut includes = includes.to_vec();
    includes.push(path.to_owned());
    let (n_forms, is_optional, has_asked) = (Cell::new(0), Cell::new(false), Cell::new(false));
    let document = Document { root: &root, folder, surroundings, includes, n_forms, is_optional, has_asked };
    document.evaluate(&root, &[])
}

/// One file: where its refs and relative paths lead.
struct Document<'d> {
    root: &'d Node,
    folder: PathBuf,
    surroundings: &'d Surroundings<'d>,
    includes: Vec<PathBuf>,
    n_forms: Cell<usize>,
    /// Whether we are within `#or`, where a ref that leads nowhere is nothing and not an error.
    is_optional: Cell<bool>,
    /// Whether the environment was asked since a tag began: what comes of that tag counts as secret.
    has_asked: Cell<bool>,
}

impl Document<'_> {
    /// `refs` are those being followed, to notice one that leads to itself.
    fn evaluate(&self, node: &Node, refs: &[String]) -> Result<Node, Problem> {
        self.n_forms.set(self.n_forms.get() + 1);
        if self.n_forms.get() > FORM_LIMIT {
            return Err(node
                .problem("", format!("the file comes to more than {FORM_LIMIT} values: its refs multiply")));
        }
        let all = |items: &[Node]| {
            items.iter().map(|item| self.evaluate(item, refs)).collect::<Result<Vec<_>, _>>()
        };
        // The older spelling of `#ref`.
        if node.has_flag("ref") {
            return self.reference(node, node, refs);
        }
        let tree = match &node.tree {
            Tree::Tagged(tag, form) => {
                let had_asked = self.has_asked.replace(false);
                let evaluated = self.tag(node, tag, form, refs);
                let is_secret = self.has_asked.get();
                self.has_asked.set(had_asked || is_secret);
                // What was read from a text is secret to its last leaf; of other collections the leaves know themselves.
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
            | Tree::Str(_)
            | Tree::Bytes(_)
            | Tree::Key(_)
            | Tree::PrivateKey(..) => return Ok(node.clone()),
        };
        Ok(Node { flags: node.flags.clone(), ..Node::new(tree, node.place.clone()) })
    }

    fn tag(&self, node: &Node, tag: &str, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let give = |tree: Tree| Ok(Node::new(tree, node.place.clone()));
        match tag {
            "env" => give(self.env(form)?.map_or(Tree::Nil, Tree::Str)),
            "envf" => give(Tree::Str(self.envf(form, refs)?)),
            "prop" => give(Tree::Nil),
            "or" => self.first_of(node, form, refs),
            "profile" => self.branch(form, self.surroundings.profile, refs),
            "hostname" => self.branch(form, &self.hostname(), refs),
            "user" => self.branch(form, &(self.surroundings.env)("USER").unwrap_or_default(), refs),
            "include" => {
                let path = self.path(&self.evaluate(form, refs)?)?;
                self.include(node, &path)
            }
            "file" => give(Tree::Str(read::text_of(&self.path(&self.evaluate(form, refs)?)?)?)),
            "base64" => {
                let text = read::text_of(&self.path(&self.evaluate(form, refs)?)?)?;
                give(Tree::Str(STANDARD.encode(text)))
            }
            "to-b64" => give(Tree::Str(STANDARD.encode(bytes_of(&self.evaluate(form, refs)?)?))),
            "from-b64" => give(self.decoded(form, refs)?),
            "privkey" => give(self.private_key(form, refs)?),
            "pubkey" => {
                let pem = self.evaluate(form, refs)?;
                oci::identity::check_public_key(required_text(&pem)?)
                    .map_err(|error| form.problem("", format!("expected a public key: {error}")))?;
                Ok(pem)
            }
            "to-edn" => give(Tree::Str(edn::print(&self.evaluate(form, refs)?))),
            "from-edn" => self.as_document(form, refs),
            "read-edn" => self.read_edn(form, refs),
            "random" => self.any_of(form, refs),
            // Literals of EDN itself, which stay the text that they are.
            "inst" | "uuid" => give(Tree::Str(required_text(form)?.to_owned())),
            "ref" => self.reference(node, form, refs),
            "merge" => self.merge(form, refs),
            "meta-merge" | "deep-merge" => {
                let evaluated: Result<Vec<Node>, Problem> =
                    items(form)?.iter().map(|item| self.evaluate(item, refs)).collect();
                Ok(evaluated?
                    .into_iter()
                    .reduce(merge::meta)
                    .unwrap_or(Node::new(Tree::Nil, form.place.clone())))
            }
            "join" => {
                let mut joined = String::new();
                for item in items(form)? {
                    joined.push_str(&string_of(&self.evaluate(item, refs)?)?);
                }
                give(Tree::Str(joined))
            }
            "str" => give(Tree::Str(string_of(&self.evaluate(form, refs)?)?)),
            "long" => {
                self.number(form, refs, |text| text.trim().parse().map(Tree::Int).ok(), "a whole number")
            }
            "double" => self.number(form, refs, |text| text.trim().parse().map(Tree::Float).ok(), "a number"),
            "keyword" => {
                give(Tree::Key(string_of(&self.evaluate(form, refs)?)?.trim_start_matches(':').to_owned()))
            }
            "boolean" => {
                let text = string_of(&self.evaluate(form, refs)?)?;
                give(Tree::Bool(text.trim().eq_ignore_ascii_case("true")))
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

    fn env(&self, form: &Node) -> Result<Option<String>, Problem> {
        self.has_asked.set(true);
        Ok((self.surroundings.env)(required_text(form)?))
    }

    /// `["%s:%s" HOST PORT]`, with `%s` for each variable in turn.
    fn envf(&self, form: &Node, refs: &[String]) -> Result<String, Problem> {
        let [format, variables @ ..] = items(form)? else {
            return Err(form.problem("", "#envf expects a format and the names of variables"));
        };
        let mut text = required_text(&self.evaluate(format, refs)?)?.to_owned();
        for variable in variables {
            let value = self.env(variable)?.unwrap_or_default();
            text = text.replacen("%s", &value, 1);
        }
        Ok(text)
    }

    /// The branch that the key names, or `:default`; keys may be sets.
    fn branch(&self, form: &Node, key: &str, refs: &[String]) -> Result<Node, Problem> {
        let Tree::Map(branches) = &form.tree else {
            return Err(form.problem("", format!("expected a map of branches, found {}", form.kind())));
        };
        let names = |branch: &Node, name: &str| match &branch.tree {
            Tree::Set(members) => members.iter().any(|member| member.text() == Some(name)),
            _ => branch.text() == Some(name),
        };
        let find = |name: &str| branches.iter().find(|(branch, _)| names(branch, name));
        match find(key).or_else(|| find("default")) {
            Some((_, value)) => self.evaluate(value, refs),
            None => Ok(Node::new(Tree::Nil, form.place.clone())),
        }
    }

    fn include(&self, node: &Node, path: &Path) -> Result<Node, Problem> {
        // The same file may be spelt in many ways.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_again = self.includes.iter().any(|earlier| real(earlier) == real(path));
        if is_again || self.includes.len() > INCLUDE_LIMIT {
            let chain: Vec<String> = self.includes.iter().map(|path| path.display().to_string()).collect();
            return Err(node.problem(
                "",
                format!("includes go in a circle: {} -> {}", chain.join(" -> "), path.display()),
            ));
        }
        include(path, self.surroundings, &self.includes)
    }

    /// A relative path starts from the file that names it.
    fn path(&self, form: &Node) -> Result<PathBuf, Problem> {
        let path = self.folder.join(required_text(form)?);
        if path.exists() {
            return Ok(path);
        }
        Err(form.problem("", format!("there is no file {}", path.display())))
    }

    fn private_key(&self, form: &Node, refs: &[String]) -> Result<Tree, Problem> {
        let evaluated = self.evaluate(form, refs)?;
        if let Tree::List(parts) = &evaluated.tree {
            if let [pem, phrase] = parts.as_slice() {
                let phrase = required_text(phrase)?.to_owned().into();
                return Ok(Tree::PrivateKey(required_text(pem)?.to_owned().into(), Some(phrase)));
            }
            return Err(
                form.problem("", "#privkey expects the key's text, or a vector of text and pass phrase")
            );
        }
        Ok(Tree::PrivateKey(required_text(&evaluated)?.to_owned().into(), None))
    }

    fn reference(&self, node: &Node, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let path: Vec<String> = items(form)?.iter().map(string_of).collect::<Result<_, _>>()?;
        let name = format!("[:{}]", path.join(" :"));
        if refs.contains(&name) {
            return Err(node.problem("", format!("refs go in a circle: {} -> {name}", refs.join(" -> "))));
        }
        let mut refs = refs.to_vec();
        refs.push(name.clone());
        let mut here = Cow::Borrowed(self.root);
        for key in &path {
            // What lies on the way may itself be a tag that must be evaluated first.
            if matches!(here.tree, Tree::Tagged(..)) || here.has_flag("ref") {
                here = Cow::Owned(self.evaluate(&here, &refs)?);
            }
            let next = match here {
                Cow::Borrowed(map) => child(map, key).map(Cow::Borrowed),
                Cow::Owned(map) => child(&map, key).cloned().map(Cow::Owned),
            };
            here = match next {
                Some(next) => next,
                // Aero warns and goes on with nil; what is missing must not reach production unsaid.
                None if self.is_optional.get() => return Ok(Node::new(Tree::Nil, node.place.clone())),
                None => {
                    return Err(node.problem("", format!("#ref {name} leads nowhere: there is no `{key}`")));
                }
            };
        }
        self.evaluate(&here, &refs)
    }

    fn merge(&self, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let mut merged: Vec<(Node, Node)> = Vec::new();
        for item in items(form)? {
            let map = self.evaluate(item, refs)?;
            if map.is_nil() {
                continue;
            }
            let Tree::Map(entries) = map.tree else {
                return Err(map.problem("", format!("#merge expects maps, found {}", map.kind())));
            };
            merged = merge::shallow(merged, entries);
        }
        Ok(Node::new(Tree::Map(merged), form.place.clone()))
    }

    /// The first of the forms that is something; those after it are not evaluated.
    fn first_of(&self, node: &Node, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let was_optional = self.is_optional.replace(true);
        let mut found = Ok(Node::new(Tree::Nil, node.place.clone()));
        for item in items(form)? {
            let value = self.evaluate(item, refs);
            if !matches!(&value, Ok(Node { tree: Tree::Nil | Tree::Bool(false), .. })) {
                found = value;
                break;
            }
        }
        self.is_optional.set(was_optional);
        found
    }

    /// One of the forms, another one each time.
    fn any_of(&self, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let items = items(form)?;
        // A hasher of the standard library is seeded by the system.
        let number = usize::try_from(RandomState::new().hash_one(items.len()) >> 32).unwrap_or(0);
        match number.checked_rem(items.len()) {
            Some(n) => self.evaluate(&items[n], refs),
            None => Err(form.problem("", "#random expects a vector with something in it")),
        }
    }

    fn decoded(&self, form: &Node, refs: &[String]) -> Result<Tree, Problem> {
        let evaluated = self.evaluate(form, refs)?;
        let text = required_text(&evaluated)?;
        let bytes = STANDARD.decode(text.trim());
        let bytes = bytes.map_err(|error| form.problem("", format!("#from-b64 expects base64: {error}")))?;
        Ok(String::from_utf8(bytes).map_or_else(|error| Tree::Bytes(error.into_bytes()), Tree::Str))
    }

    /// A text as a document of its own, with its tags and refs.
    fn as_document(&self, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let text = self.evaluate(form, refs)?;
        let root = edn::read(required_text(&text)?, &form.place).map_err(|problem| within(form, &problem))?;
        let document = Document {
            root: &root,
            folder: self.folder.clone(),
            surroundings: self.surroundings,
            includes: self.includes.clone(),
            n_forms: Cell::new(self.n_forms.get()),
            is_optional: Cell::new(false),
            has_asked: Cell::new(false),
        };
        let evaluated = document.evaluate(&root, &[]).map_err(|problem| within(form, &problem))?;
        self.n_forms.set(document.n_forms.get());
        Ok(evaluated)
    }

    /// A text as plain EDN, in which tags mean nothing.
    fn read_edn(&self, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let text = self.evaluate(form, refs)?;
        if text.is_nil() {
            return Ok(text);
        }
        let read = edn::read(&string_of(&text)?, &form.place).map_err(|problem| within(form, &problem))?;
        match first_tag(&read) {
            Some(tag) => Err(form
                .problem("", format!("#read-edn reads plain EDN, and found #{tag}; #from-edn knows tags"))),
            None => Ok(read),
        }
    }

    fn hostname(&self) -> String {
        (self.surroundings.env)("HOSTNAME")
            .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }

    fn number(
        &self,
        form: &Node,
        refs: &[String],
        parse: impl Fn(&str) -> Option<Tree>,
        expected: &str,
    ) -> Result<Node, Problem> {
        let value = self.evaluate(form, refs)?;
        if value.is_nil() {
            return Ok(value);
        }
        let text = string_of(&value)?;
        let tree = parse(&text).ok_or_else(|| {
            let found =
                if value.has_flag(SECRET) { "what is no such thing".to_owned() } else { format!("`{text}`") };
            form.problem("", format!("expected {expected}, found {found}"))
        })?;
        Ok(Node::new(tree, form.place.clone()))
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

/// The place of a flag, for what has no file.
pub(super) fn flag(name: &str) -> Place {
    Place { source: Some(Arc::new(PathBuf::from(name))), position: None }
}
