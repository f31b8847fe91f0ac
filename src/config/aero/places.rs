//! The tags that lead elsewhere: to another place in the file, or to other files.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::values::{child, items, plain_of, required_text};
use super::{Document, include};
use crate::config::node::{Node, Tree};
use crate::config::problem::Problem;

/// The deepest nesting of includes.
const INCLUDE_LIMIT: usize = 32;

impl Document<'_> {
    /// The value at a path of keys, which may be refs themselves: `#ref [:ports #ref [:which]]`.
    pub(super) fn reference(&self, node: &Node, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let mut path = Vec::new();
        for key in items(&*self.opened_path(form, refs)?)? {
            path.push(plain_of(&self.evaluate(key, refs)?)?);
        }
        let name = format!("[:{}]", path.join(" :"));
        if refs.contains(&name) {
            return Err(node.problem("", format!("refs go in a circle: {} -> {name}", refs.join(" -> "))));
        }
        let refs = [refs, std::slice::from_ref(&name)].concat();
        let was_told = self.is_told.get();
        let mut here = Cow::Borrowed(self.root);
        for key in &path {
            // A value on the way may itself be a tag, which must be evaluated first.
            if matches!(here.tree, Tree::Tagged(..)) || here.has_flag("ref") {
                here = Cow::Owned(self.evaluate(&here, &refs)?);
            }
            let next = match here {
                Cow::Borrowed(map) => child(map, key).map(Cow::Borrowed),
                Cow::Owned(map) => child(&map, key).cloned().map(Cow::Owned),
            };
            here = match next {
                Some(next) => next,
                // Aero warns and goes on with nil. We fail, because a missing value must not reach production unnoticed.
                None if self.is_optional.get() => return Ok(Node::new(Tree::Nil, node.place.clone())),
                None => {
                    return Err(node.problem("", format!("#ref {name} leads nowhere: there is no `{key}`")));
                }
            };
        }
        let value = self.evaluate(&here, &refs)?;
        // Values beside the path may be secret when the result is not.
        self.is_told.set(was_told);
        self.note_secrets(&value);
        Ok(value)
    }

    /// The path of a ref. In the older spelling, the path itself bears the flag.
    fn opened_path<'n>(&self, form: &'n Node, refs: &[String]) -> Result<Cow<'n, Node>, Problem> {
        if matches!(form.tree, Tree::Tagged(..)) { self.opened(form, refs) } else { Ok(Cow::Borrowed(form)) }
    }

    pub(super) fn include(&self, node: &Node, path: &Path) -> Result<Node, Problem> {
        // One file may be spelt in many ways.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_again = self.includes.iter().any(|earlier| real(earlier) == real(path));
        let chain: Vec<String> = self.includes.iter().map(|path| path.display().to_string()).collect();
        let chain = format!("{} -> {}", chain.join(" -> "), path.display());
        if is_again {
            return Err(node.problem("", format!("includes go in a circle: {chain}")));
        }
        if self.includes.len() > INCLUDE_LIMIT {
            let message = format!("includes lie more than {INCLUDE_LIMIT} deep within each other: {chain}");
            return Err(node.problem("", message));
        }
        let included = include(path, self.surroundings, self.includes, self.spent)?;
        self.note_secrets(&included);
        Ok(included)
    }

    /// A relative path starts from the folder of the file that names it.
    pub(super) fn path(&self, form: &Node) -> Result<PathBuf, Problem> {
        let path = self.surroundings.path(&self.folder, required_text(form)?);
        if path.exists() {
            return Ok(path);
        }
        Err(form.problem("", format!("there is no file {}", path.display())))
    }
}
