//! Prints a form as text.

use crate::config::exact;
use crate::config::node::{CHARACTER, Node, SEQUENCE, SYMBOL, Tree};

/// Prints the form as text that reads as the same form, as Clojure's `pr-str` does.
pub(in crate::config) fn print(node: &Node) -> String {
    let all = |items: &[Node]| items.iter().map(print).collect::<Vec<_>>().join(" ");
    match &node.tree {
        Tree::Nil => "nil".to_owned(),
        Tree::Bool(value) => value.to_string(),
        Tree::Int(number) => number.to_string(),
        Tree::Float(number) => exact::double(*number),
        Tree::Exact(number) => number.printed(),
        Tree::Str(text) if node.has_flag(CHARACTER) => character(text),
        Tree::Str(text) => quoted(text),
        Tree::Bytes(_) => "#bytes".to_owned(),
        Tree::Key(name) if node.has_flag(SYMBOL) => name.clone(),
        Tree::Key(name) => format!(":{name}"),
        Tree::List(items) if node.has_flag(SEQUENCE) => format!("({})", all(items)),
        Tree::List(items) => format!("[{}]", all(items)),
        Tree::Set(items) => format!("#{{{}}}", all(items)),
        Tree::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{} {}", print(key), print(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Tree::Tagged(tag, form) => format!("#{tag} {}", print(form)),
        Tree::PrivateKey(..) => "#privkey \"***\"".to_owned(),
    }
}

fn character(text: &str) -> String {
    let name = match text {
        "\n" => "newline",
        "\r" => "return",
        " " => "space",
        "\t" => "tab",
        "\u{8}" => "backspace",
        "\u{c}" => "formfeed",
        other => other,
    };
    format!("\\{name}")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
