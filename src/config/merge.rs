//! Merging maps: Aero's `#merge`, which is Clojure's, and aero-ext's `#meta-merge`, which goes into what is nested and
//! obeys metadata (github.com/weavejester/meta-merge).

use super::edn::print;
use super::node::{Node, Tree};

/// `left` with the entries of `right`, which win; what is nested is not looked into.
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

/// Maps are merged into each other, collections put one behind the other, and otherwise `right` wins; but `^:replace`,
/// `^:displace`, `^:prepend` and `^:append` say what is done with what bears them.
pub(super) fn meta(left: Node, right: Node) -> Node {
    if left.is_nil() || right.is_nil() {
        return if right.is_nil() { left } else { right };
    }
    let weaker = |node: &Node| node.has_flag("displace");
    let stronger = |node: &Node| node.has_flag("replace");
    if weaker(&left) || stronger(&right) {
        return right;
    }
    if stronger(&left) || weaker(&right) {
        return left;
    }
    let goes_first = right.has_flag("prepend") || left.has_flag("prepend");
    let place = right.place.clone();
    let tree = match (left.tree, right.tree) {
        (Tree::Map(left), Tree::Map(right)) => Tree::Map(deep(left, right)),
        (Tree::Set(left), Tree::Set(right)) => Tree::Set(union(left, right)),
        (Tree::List(left), Tree::List(right) | Tree::Set(right)) if goes_first => {
            Tree::List([right, left].concat())
        }
        (Tree::List(left), Tree::List(right) | Tree::Set(right)) => Tree::List([left, right].concat()),
        (_, right) => right,
    };
    Node::new(tree, place)
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
    use super::super::problem::Place;
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
            let form = |text: &str| read(text, &Place::default()).expect(text);
            assert_eq!(print(&meta(form(left), form(right))), expected, "{left} and {right}");
        }
    }
}
