//! Merges maps: Aero's `#merge`, which is Clojure's, and aero-ext's `#meta-merge`, which is deep and obeys metadata
//! (github.com/weavejester/meta-merge).

use super::edn::print;
use super::node::{Node, SEQUENCE, Tree};

/// Merges shallowly. The entries of `right` win.
pub(super) fn shallow(mut left: Vec<(Node, Node)>, right: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    for (key, value) in right {
        let name = print(&key);
        match left.iter_mut().find(|(other, _)| print(other) == name) {
            Some((_, earlier)) => *earlier = value,
            None => left.push((key, value)),
        }
    }
    left
}

/// Merges deeply: maps are merged, collections are appended, and otherwise `right` wins. `^:replace`, `^:displace`,
/// `^:prepend` and `^:append` override this for the value that bears them.
pub(super) fn meta(left: Node, right: Node) -> Node {
    let (left, right) = match prioritized(left, right) {
        Ok(chosen) => return chosen,
        Err(both) => *both,
    };
    let goes_first = right.has_flag("prepend") || left.has_flag("prepend");
    let place = right.place.clone();
    let is_larger = |left: &[Node], right: &[Node]| left.len() > right.len();
    // The result bears the flags of the left. The flags of the right are spent, so that the next pair does not see them.
    let (tree, flags) = match (left.tree, right.tree) {
        (Tree::Map(entries), Tree::Map(others)) => (Tree::Map(deep(entries, others)), left.flags),
        (Tree::Set(items), Tree::Set(others)) => {
            let flags = if is_larger(&items, &others) { left.flags } else { right.flags };
            (Tree::Set(union(items, others)), flags)
        }
        (Tree::List(items), Tree::List(others) | Tree::Set(others)) => {
            let mut all = if goes_first { [others, items].concat() } else { [items, others].concat() };
            // Clojure's lists grow at the front.
            if left.flags.iter().any(|flag| flag == SEQUENCE) {
                all.reverse();
            }
            (Tree::List(all), left.flags)
        }
        (Tree::Set(items), Tree::List(others)) => (Tree::Set(union(items, others)), left.flags),
        (_, tree) => (tree, right.flags),
    };
    Node { flags, ..Node::new(tree, place) }
}

/// The side that is taken as a whole, if a flag says so, with the remaining flags of both (`pick-prioritized`). A flag counts
/// for its own pair, which uses it up.
fn prioritized(left: Node, right: Node) -> Result<Node, Box<(Node, Node)>> {
    let without = |node: &Node, spent: &str| -> Vec<String> {
        node.flags.iter().filter(|flag| *flag != spent).cloned().collect()
    };
    // Only the metadata of a dropped value is kept, not its type.
    let with = |node: Node, [others, mut flags]: [Vec<String>; 2]| {
        let is_new = |flag: &String| !flag.starts_with('#') && !flags.contains(flag);
        let new: Vec<String> = others.into_iter().filter(is_new).collect();
        flags.extend(new);
        Node { flags, ..node }
    };
    let both = |flag: &str| left.has_flag(flag) && right.has_flag(flag);
    if left.is_nil() {
        return Ok(right);
    }
    if right.is_nil() {
        let flags = without(&left, "top-displace");
        return Ok(Node { flags, ..left });
    }
    if left.has_flag("top-displace") {
        return Ok(right);
    }
    if both("displace") || both("replace") {
        let flags = [left.flags.clone(), right.flags.clone()];
        return Ok(with(right, flags));
    }
    if left.has_flag("displace") || right.has_flag("replace") {
        let flags = [without(&left, "displace"), without(&right, "replace")];
        return Ok(with(right, flags));
    }
    if left.has_flag("replace") || right.has_flag("displace") {
        let flags = [without(&right, "displace"), without(&left, "replace")];
        return Ok(with(left, flags));
    }
    Err(Box::new((left, right)))
}

fn deep(left: Vec<(Node, Node)>, right: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let mut merged: Vec<(String, Node, Option<Node>)> =
        left.into_iter().map(|(key, value)| (print(&key), key, Some(value))).collect();
    for (key, value) in right {
        let name = print(&key);
        match merged.iter_mut().find(|(other, ..)| *other == name) {
            Some((_, _, earlier)) => *earlier = earlier.take().map(|earlier| meta(earlier, value)),
            None => merged.push((name, key, Some(value))),
        }
    }
    merged.into_iter().filter_map(|(_, key, value)| Some((key, value?))).collect()
}

fn union(mut left: Vec<Node>, right: Vec<Node>) -> Vec<Node> {
    for item in right {
        if !left.iter().any(|other| print(other) == print(&item)) {
            left.push(item);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::super::edn::read;
    use super::super::problem::Position;
    use super::*;

    #[test]
    fn metadata_decides_how_things_merge() {
        for (left, right, expected) in [
            ("{:a 1 :b {:c 1}}", "{:b {:d 2}}", "{:a 1, :b {:c 1, :d 2}}"),
            ("{:a [1 2]}", "{:a [3]}", "{:a [1 2 3]}"),
            ("{:a #{1 2}}", "{:a #{2 3}}", "{:a #{1 2 3}}"),
            ("{:a [1]}", "{:a ^:replace [2]}", "{:a [2]}"),
            ("{:a ^:replace [1]}", "{:a [2]}", "{:a [1]}"),
            ("{:a [1]}", "{:a ^:displace [2]}", "{:a [1]}"),
            ("{:a ^:displace [1]}", "{:a [2]}", "{:a [2]}"),
            ("{:a [1]}", "{:a ^:prepend [2]}", "{:a [2 1]}"),
            ("{:a ^:prepend [1]}", "{:a [2]}", "{:a [2 1]}"),
            ("{:a [1]}", "{:a ^:append [2]}", "{:a [1 2]}"),
            ("{:a {:b 1}}", "{:a ^:replace {:c 2}}", "{:a {:c 2}}"),
            ("{:a 1}", "{:a 2}", "{:a 2}"),
            ("{:a 1}", "{:a nil}", "{:a 1}"),
            ("{:a [1]}", "{:a \"x\"}", "{:a \"x\"}"),
        ] {
            let form = |text: &str| read(text, &Position::default()).expect(text);
            assert_eq!(print(&meta(form(left), form(right))), expected, "{left} and {right}");
        }
    }

    /// What meta-merge itself returns for three and more maps.
    #[test]
    fn a_flag_counts_for_its_own_pair() {
        for (maps, expected) in [
            ("[{:c [1]} {:c ^:replace [2]} {:c [3]}]", "{:c [2 3]}"),
            ("[{:c ^:replace [1]} {:c [2]} {:c [3]}]", "{:c [1 3]}"),
            ("[{:c ^:replace [1]} {:c ^:replace [2]} {:c [3]}]", "{:c [2]}"),
            ("[{:c ^:displace [1]} {:c [2]} {:c [3]}]", "{:c [2 3]}"),
            ("[{:c [1]} {:c ^:displace [2]} {:c [3]}]", "{:c [1 3]}"),
            ("[{:c ^:displace [1]} {:c ^:displace [2]} {:c [3]}]", "{:c [3]}"),
            ("[{:c [1]} {:c ^:prepend [2]} {:c [3]}]", "{:c [2 1 3]}"),
            ("[{:c ^:prepend [1]} {:c [2]} {:c [3]}]", "{:c [3 2 1]}"),
            ("[{:c [1]} {:c ^:replace ^:prepend [2]} {:c [3]}]", "{:c [3 2]}"),
            ("[{:c ^:top-displace [1]} {:c [2]} {:c [3]}]", "{:c [2 3]}"),
            ("[{:c ^:top-displace [1]} {:c nil} {:c [3]}]", "{:c [1 3]}"),
            ("[{:c (1 2)} {:c [3]}]", "{:c (3 2 1)}"),
            ("[{:c #{1}} {:c [1 2]}]", "{:c #{1 2}}"),
            ("[{:c {:d 1}} {:c ^:replace {:e 2}} {:c {:f 3}}]", "{:c {:e 2, :f 3}}"),
        ] {
            let Tree::List(maps) = read(maps, &Position::default()).expect(maps).tree else {
                panic!("{maps}")
            };
            assert_eq!(maps.into_iter().reduce(meta).map(|merged| print(&merged)).as_deref(), Some(expected));
        }
    }
}
