//! The tags that choose among forms and do not evaluate the others.

use std::hash::{BuildHasher as _, RandomState};

use super::Document;
use super::values::items;
use crate::config::node::{Node, SYMBOL, Tree};
use crate::config::problem::Problem;

impl Document<'_> {
    /// The branch that the profile names (a keyword), or `:default`.
    pub(super) fn branch_of_profile(&self, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let is_meant = |name: &Node| is_keyword(name, self.surroundings.profile);
        self.branch(form, &is_meant, refs)
    }

    /// The branch that a variable names (a string). If the variable is unset, `:default`.
    pub(super) fn branch_of(
        &self,
        node: &Node,
        form: &Node,
        variable: &str,
        refs: &[String],
    ) -> Result<Node, Problem> {
        let value =
            self.surroundings.env.text(variable).map_err(|error| node.problem("", error.to_string()))?;
        let is_meant = |name: &Node| matches!(&name.tree, Tree::Str(text) if Some(text) == value.as_ref());
        self.branch(form, &is_meant, refs)
    }

    /// The last branch whose key matches, or `:default`. The keys are evaluated, and may be sets.
    fn branch(
        &self,
        form: &Node,
        is_meant: &dyn Fn(&Node) -> bool,
        refs: &[String],
    ) -> Result<Node, Problem> {
        let form = self.opened(form, refs)?;
        let Tree::Map(branches) = &form.tree else {
            return Err(form.problem("", format!("expected a map of branches, found {}", form.kind())));
        };
        let was_told = self.is_told.get();
        let (mut meant, mut fallback) = (None, None);
        for (names, value) in branches {
            let names = self.evaluate(names, refs)?;
            let has = |is_meant: &dyn Fn(&Node) -> bool| match &names.tree {
                Tree::Set(members) => members.iter().any(is_meant),
                _ => is_meant(&names),
            };
            if has(is_meant) {
                meant = Some(value);
            }
            if has(&|name| is_keyword(name, "default")) {
                fallback = Some(value);
            }
        }
        // Which branch was taken reveals nothing of its content.
        self.is_told.set(was_told);
        meant
            .or(fallback)
            .map_or_else(|| Ok(Node::new(Tree::Nil, form.place.clone())), |value| self.evaluate(value, refs))
    }

    /// The first form that is not nil. Later forms are not evaluated.
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

    /// One of the forms, at random.
    pub(super) fn any_of(&self, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let form = self.opened(form, refs)?;
        let items = items(&form)?;
        // The system seeds the standard library's hashers.
        let number = usize::try_from(RandomState::new().hash_one(items.len()) >> 32).unwrap_or(0);
        match number.checked_rem(items.len()) {
            Some(n) => self.evaluate(&items[n], refs),
            None => Err(form.problem("", "#random expects a vector with something in it")),
        }
    }
}

/// Whether the node is this keyword, not a string or a symbol of that name.
fn is_keyword(node: &Node, name: &str) -> bool {
    matches!(&node.tree, Tree::Key(key) if key == name) && !node.has_flag(SYMBOL)
}
