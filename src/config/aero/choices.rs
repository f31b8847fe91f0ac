//! The tags that choose among forms, and leave alone those that they do not choose.

use std::hash::{BuildHasher as _, RandomState};

use super::Document;
use super::values::items;
use crate::config::node::{Node, Tree};
use crate::config::problem::Problem;

impl Document<'_> {
    /// The branch that the key names, or `:default`. The keys are evaluated, and may be sets.
    pub(super) fn branch(&self, form: &Node, key: &str, refs: &[String]) -> Result<Node, Problem> {
        let form = self.opened(form, refs)?;
        let Tree::Map(branches) = &form.tree else {
            return Err(form.problem("", format!("expected a map of branches, found {}", form.kind())));
        };
        let was_told = self.is_told.get();
        let mut fallback = None;
        for (names, value) in branches {
            let names = self.evaluate(names, refs)?;
            let has = |name: &str| match &names.tree {
                Tree::Set(members) => members.iter().any(|member| member.text() == Some(name)),
                _ => names.text() == Some(name),
            };
            if has(key) {
                self.is_told.set(was_told);
                return self.evaluate(value, refs);
            }
            if has("default") {
                fallback = Some(value);
            }
        }
        // Which branch was taken tells nothing of what is in it.
        self.is_told.set(was_told);
        fallback
            .map_or_else(|| Ok(Node::new(Tree::Nil, form.place.clone())), |value| self.evaluate(value, refs))
    }

    /// The first of the forms that is something; those after it are not evaluated.
    pub(super) fn first_of(&self, node: &Node, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let was_optional = self.is_optional.replace(true);
        let found = self.opened(form, refs).and_then(|form| {
            for item in items(&form)? {
                let value = self.evaluate(item, refs)?;
                if !matches!(value.tree, Tree::Nil | Tree::Bool(false)) {
                    return Ok(value);
                }
            }
            Ok(Node::new(Tree::Nil, node.place.clone()))
        });
        self.is_optional.set(was_optional);
        found
    }

    /// One of the forms, another one each time.
    pub(super) fn any_of(&self, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let form = self.opened(form, refs)?;
        let items = items(&form)?;
        // A hasher of the standard library is seeded by the system.
        let number = usize::try_from(RandomState::new().hash_one(items.len()) >> 32).unwrap_or(0);
        match number.checked_rem(items.len()) {
            Some(n) => self.evaluate(&items[n], refs),
            None => Err(form.problem("", "#random expects a vector with something in it")),
        }
    }

    pub(super) fn hostname(&self) -> String {
        (self.surroundings.env)("HOSTNAME")
            .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }
}
