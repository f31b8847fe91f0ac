//! Reads a `deps.edn` as a deployment: the `:exec-args` of its aliases, as `clojure -X:deploy:staging` would pass them.

use std::path::Path;

use super::aero::{self, Surroundings};
use super::merge;
use super::node::{Node, Tree};
use super::problem::{Problem, nearest};
use super::read;

/// Reads the deployment: the file itself, or the aliases of a `deps.edn`.
pub(super) fn deployment(
    path: &Path,
    aliases: &[String],
    surroundings: &Surroundings<'_>,
) -> Result<Node, Problem> {
    if path.file_name().is_some_and(|name| name == "deps.edn") {
        let args = exec_args(&read::file(path)?, aliases)?;
        return aero::tree(args, surroundings);
    }
    let root = aero::file(path, surroundings)?;
    match aliases.first() {
        None => Ok(root),
        Some(alias) => {
            let message = format!("has no aliases: --alias {alias} is for a deps.edn");
            Err(Problem { place: root.place, path: String::new(), message })
        }
    }
}

/// Merges the maps of the aliases in order, as the Clojure CLI does: a later one wins, and the merge is shallow (`:exec-args`
/// in <https://clojure.org/reference/clojure_cli>).
fn exec_args(root: &Node, aliases: &[String]) -> Result<Node, Problem> {
    let all = root.get("aliases").map(Node::entries).unwrap_or_default();
    let usable: Vec<&str> = all
        .iter()
        .filter(|(_, alias)| alias.get("exec-args").is_some())
        .filter_map(|(name, _)| name.text())
        .collect();
    let list = if usable.is_empty() { "none".to_owned() } else { usable.join(", ") };
    if aliases.is_empty() {
        let message =
            format!("say with --alias which of its aliases is deployed; those with :exec-args are {list}");
        return Err(root.problem("aliases", message));
    }
    let mut merged = Vec::new();
    for alias in aliases {
        let name = alias.trim_start_matches(':');
        let Some((_, found)) = all.iter().find(|(key, _)| key.text() == Some(name)) else {
            let meant = nearest(name, usable.iter().copied())
                .map_or_else(|| format!("there are {list}"), |meant| format!("did you mean {meant}?"));
            return Err(root.problem("aliases", format!("there is no alias {name}; {meant}")));
        };
        let path = format!("aliases.{name}.exec-args");
        match found.get("exec-args") {
            None => {}
            Some(Node { tree: Tree::Map(entries), .. }) => merged = merge::shallow(merged, entries.clone()),
            Some(other) => {
                return Err(other.problem(&path, format!("expected a map, found {}", other.kind())));
            }
        }
    }
    // The Clojure CLI reads plain EDN, so it would have refused this tag.
    if let Some((key, tag)) =
        merged.iter().find_map(|(key, value)| aero::first_tag(value).map(|tag| (key, tag.to_owned())))
    {
        let message =
            format!("a deps.edn is plain EDN, and #{tag} means nothing in it: put it into a file of its own");
        return Err(key.problem(key.text().unwrap_or_default(), message));
    }
    Ok(Node::new(Tree::Map(merged), root.place.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::edn;
    use super::super::problem::Position;
    use super::*;

    fn args(text: &str, aliases: &[&str]) -> Result<String, String> {
        let root = edn::read(text, &Position::default()).expect("EDN");
        let aliases: Vec<String> = aliases.iter().map(|&alias| alias.to_owned()).collect();
        exec_args(&root, &aliases).map(|node| edn::print(&node)).map_err(|problem| problem.to_string())
    }

    const DEPS: &str = "{:deps {} :aliases {:test {:extra-paths [\"test\"]} :deploy {:exec-fn x/y :exec-args {:a 1 :b {:c 1}}}
        :staging {:exec-args {:b {:d 2}}} :odd {:exec-args {:a #env X}}}}";

    #[test]
    fn the_aliases_are_merged_in_order() {
        assert_eq!(args(DEPS, &["deploy"]).as_deref(), Ok("{:a 1, :b {:c 1}}"));
        assert_eq!(args(DEPS, &[":deploy", "staging"]).as_deref(), Ok("{:a 1, :b {:d 2}}"));
        assert_eq!(args(DEPS, &["staging", "deploy"]).as_deref(), Ok("{:b {:c 1}, :a 1}"));
        assert_eq!(args(DEPS, &["test", "deploy"]).as_deref(), Ok("{:a 1, :b {:c 1}}"));
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        for (aliases, expected) in [
            (&[][..], "those with :exec-args are deploy, staging, odd"),
            (&["deply"], "there is no alias deply; did you mean deploy?"),
            (&["zzz"], "there are deploy, staging, odd"),
            (&["odd"], "#env means nothing in it"),
        ] {
            let problem = args(DEPS, aliases).expect_err(expected);
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
