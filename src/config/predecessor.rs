//! Which instance is the old one, if the filter alone does not say it.

use serde::{Deserialize, Serialize};

use super::node::{Node, Tree};
use super::problem::Findings;

/// How the old instance is identified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predecessor {
    /// By the filter. If it finds none, the run goes on without one. Only in runs of versions that did not ask.
    #[default]
    AsBefore,
    /// By the filter. If it finds none although there are signs of an old instance, the run is refused.
    Expected,
    /// By the filter. If it finds none, the new instance is put beside whatever is there.
    MayBeMissing,
    /// The instance with this OCID, in any state.
    Named(String),
}

impl Predecessor {
    /// Whether this is the variant that was never written.
    pub(super) fn is_as_before(&self) -> bool {
        *self == Self::AsBefore
    }
}

/// Reads `first` and `replace`. A flag wins over both.
pub(super) fn predecessor(root: &Node, flag: Option<&Predecessor>, findings: &mut Findings) -> Predecessor {
    let is_first = root.get("first").is_some_and(|node| match node.tree {
        Tree::Bool(is_first) => is_first,
        _ => {
            let message = format!("expected true or false, found {}", node.kind());
            findings.problems.push(node.problem("first", message));
            false
        }
    });
    let replaced = root.get("replace").and_then(|node| match &node.tree {
        Tree::Str(id) if is_ocid(id) => Some((node, id)),
        _ => {
            let message = format!("expected the OCID of an instance, found {}", node.quoted());
            findings.problems.push(node.problem("replace", message));
            None
        }
    });
    match (flag, replaced) {
        (Some(Predecessor::Named(id)), _) if !is_ocid(id) => {
            let place = super::aero::flag("--replace");
            let message = format!("expected the OCID of an instance, found `{id}`");
            findings.problems.push(Node::new(Tree::Nil, place).problem("", message));
            Predecessor::Expected
        }
        (Some(flag), _) => flag.clone(),
        (None, Some((node, _))) if is_first => {
            let message =
                "says that there is an old instance, and `first` that there is none: keep one of them";
            findings.problems.push(node.problem("replace", message));
            Predecessor::Expected
        }
        (None, Some((_, id))) => Predecessor::Named(id.clone()),
        (None, None) if is_first => Predecessor::MayBeMissing,
        (None, None) => Predecessor::Expected,
    }
}

fn is_ocid(text: &str) -> bool {
    text.starts_with("ocid1.")
}
