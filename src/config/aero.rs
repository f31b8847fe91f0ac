//! The tags of Aero and aero-ext that a configuration may use (OCI.md 6.4).
//!
//! Lazy as Aero is: a branch that is not taken is not evaluated. Where Aero yields a marker for a missing file, we
//! fail and name it.

use std::borrow::Cow;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::node::{Node, Tree};
use super::problem::{Place, Problem, nearest};
use super::read;

const TAGS: [&str; 20] = [
    "base64", "boolean", "double", "env", "envf", "file", "hostname", "include", "join", "keyword", "long",
    "merge", "or", "privkey", "profile", "prop", "ref", "str", "to-b64", "user",
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
    };
    document.evaluate(node, &[])
}

fn include(path: &Path, surroundings: &Surroundings<'_>, includes: &[PathBuf]) -> Result<Node, Problem> {
    let root = read::file(path)?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    let mut includes = includes.to_vec();
    includes.push(path.to_owned());
    let document = Document { root: &root, folder, surroundings, includes, n_forms: Cell::new(0) };
    document.evaluate(&root, &[])
}

/// One file: where its refs and relative paths lead.
struct Document<'d> {
    root: &'d Node,
    folder: PathBuf,
    surroundings: &'d Surroundings<'d>,
    includes: Vec<PathBuf>,
    n_forms: Cell<usize>,
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
        let tree = match &node.tree {
            Tree::Tagged(tag, form) => return self.tag(node, tag, form, refs),
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
            | Tree::Key(_)
            | Tree::PrivateKey(..) => return Ok(node.clone()),
        };
        Ok(Node::new(tree, node.place.clone()))
    }

    fn tag(&self, node: &Node, tag: &str, form: &Node, refs: &[String]) -> Result<Node, Problem> {
        let give = |tree: Tree| Ok(Node::new(tree, node.place.clone()));
        match tag {
            "env" => give(self.env(form)?.map_or(Tree::Nil, Tree::Str)),
            "envf" => give(Tree::Str(self.envf(form, refs)?)),
            "prop" => give(Tree::Nil),
            "or" => {
                for item in items(form)? {
                    let value = self.evaluate(item, refs)?;
                    if !matches!(value.tree, Tree::Nil | Tree::Bool(false)) {
                        return Ok(value);
                    }
                }
                give(Tree::Nil)
            }
            "profile" => self.branch(form, self.surroundings.profile, refs),
            "hostname" => self.branch(form, &(self.surroundings.env)("HOSTNAME").unwrap_or_default(), refs),
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
            "to-b64" => give(Tree::Str(STANDARD.encode(required_text(&self.evaluate(form, refs)?)?))),
            "privkey" => give(self.private_key(form, refs)?),
            "ref" => self.reference(node, form, refs),
            "merge" => self.merge(form, refs),
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
        if self.includes.iter().any(|earlier| earlier == path) || self.includes.len() > INCLUDE_LIMIT {
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
            if matches!(here.tree, Tree::Tagged(..)) {
                here = Cow::Owned(self.evaluate(&here, &refs)?);
            }
            let next = match here {
                Cow::Borrowed(map) => child(map, key).map(Cow::Borrowed),
                Cow::Owned(map) => child(&map, key).cloned().map(Cow::Owned),
            };
            here = next
                .ok_or_else(|| node.problem("", format!("#ref {name} leads nowhere: there is no `{key}`")))?;
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
            for (key, value) in entries {
                match merged
                    .iter_mut()
                    .find(|(other, _)| other.text().is_some() && other.text() == key.text())
                {
                    Some((_, earlier)) => *earlier = value,
                    None => merged.push((key, value)),
                }
            }
        }
        Ok(Node::new(Tree::Map(merged), form.place.clone()))
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
        let tree =
            parse(&text).ok_or_else(|| form.problem("", format!("expected {expected}, found `{text}`")))?;
        Ok(Node::new(tree, form.place.clone()))
    }
}

/// What a map or a list holds under a key.
fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    if let Tree::List(items) = &node.tree {
        return items.get(key.parse::<usize>().ok()?);
    }
    node.entries().iter().find(|(entry, _)| entry.text() == Some(key)).map(|(_, value)| value)
}

fn items(form: &Node) -> Result<&[Node], Problem> {
    let Tree::List(items) = &form.tree else {
        return Err(form.problem("", format!("expected a vector, found {}", form.kind())));
    };
    Ok(items)
}

fn required_text(form: &Node) -> Result<&str, Problem> {
    form.text().ok_or_else(|| form.problem("", format!("expected a string, found {}", form.kind())))
}

fn string_of(form: &Node) -> Result<String, Problem> {
    match &form.tree {
        Tree::Str(text) | Tree::Key(text) => Ok(text.clone()),
        Tree::Int(number) => Ok(number.to_string()),
        Tree::Float(number) => Ok(number.to_string()),
        Tree::Bool(value) => Ok(value.to_string()),
        Tree::Nil => Ok(String::new()),
        Tree::List(_) | Tree::Set(_) | Tree::Map(_) | Tree::Tagged(..) | Tree::PrivateKey(..) => {
            Err(form.problem("", format!("expected a string, found {}", form.kind())))
        }
    }
}

/// The place of a flag, for what has no file.
pub(super) fn flag(name: &str) -> Place {
    Place { source: Some(Arc::new(PathBuf::from(name))), position: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "TAG").then(|| "2.4".to_owned())
    }

    fn evaluate(text: &str) -> Result<Node, Problem> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        file("main.edn", text);
        file("base.edn", "{:shape \"S\" :inner #ref [:shape]}");
        file("circle.edn", "#include \"circle.edn\"");
        file("note.txt", "hello");
        super::file(&folder.path().join("main.edn"), &Surroundings { profile: "prod", env: &env })
    }

    fn text(form: &str) -> String {
        let node = evaluate(&format!("{{:x {form} :name \"web\" :deep {{:port 80}}}}")).expect(form);
        node.get("x").map_or_else(|| "nil".to_owned(), |x| string_of(x).expect("a scalar"))
    }

    #[test]
    fn each_tag_gives_what_aero_gives() {
        for (form, expected) in [
            ("#env TAG", "2.4"),
            ("#env NONE", "nil"),
            ("#or [#env NONE \"b\" #file \"missing\"]", "b"),
            ("#join [\"httpd:\" #env TAG]", "httpd:2.4"),
            ("#envf [\"v%s\" TAG]", "v2.4"),
            ("#profile {:dev #file \"missing\" :prod 1 :default 2}", "1"),
            ("#profile {#{:test :prod} 1 :default 2}", "1"),
            ("#profile {:dev 1 :default 2}", "2"),
            ("#long \"80\"", "80"),
            ("#double \"1.5\"", "1.5"),
            ("#boolean \"True\"", "true"),
            ("#keyword \"a\"", "a"),
            ("#ref [:name]", "web"),
            ("#ref [:deep :port]", "80"),
            ("#file \"note.txt\"", "hello"),
            ("#to-b64 #file \"note.txt\"", "aGVsbG8="),
            ("#base64 \"note.txt\"", "aGVsbG8="),
        ] {
            assert_eq!(text(form), expected, "{form}");
        }
    }

    #[test]
    fn maps_are_merged_and_included() {
        let node = evaluate("{:x #merge [#include \"base.edn\" {:shape \"T\" :more 1}]}").expect("EDN");
        let x = node.get("x").expect("merged");
        assert_eq!(x.get("shape").and_then(Node::text), Some("T"));
        assert_eq!(x.get("inner").and_then(Node::text), Some("S"));
        assert!(x.get("more").is_some());
    }

    #[test]
    fn refs_that_multiply_are_an_error_and_not_a_machine_without_memory() {
        let doubled = (1..40).map(|n| format!(":a{n} [#ref [:a{0}] #ref [:a{0}]]", n - 1));
        let text = doubled.collect::<Vec<_>>().join(" ");
        let problem = evaluate(&format!("{{:a0 [1 1] {text}}}")).expect_err("too many");
        assert!(problem.message.contains("multiply"), "{problem}");
    }

    #[test]
    fn what_aero_lets_pass_fails_here_with_its_place() {
        for (form, expected) in [
            ("{:x #include \"none.edn\"}", "there is no file"),
            ("{:x #file \"none.txt\"}", "there is no file"),
            ("{:x #ref [:nothing]}", "leads nowhere"),
            ("{:x #ref [:y] :y #ref [:x]}", "refs go in a circle: [:y] -> [:x] -> [:y]"),
            ("{:x #include \"circle.edn\"}", "includes go in a circle"),
            ("{:x #profil {}}", "did you mean #profile?"),
            ("{:x #long \"eighty\"}", "expected a whole number, found `eighty`"),
        ] {
            let problem = evaluate(form).expect_err(form);
            assert!(problem.to_string().contains(expected), "{form}: {problem}");
            assert!(problem.place.position.is_some(), "{form}: {problem}");
        }
    }
}
