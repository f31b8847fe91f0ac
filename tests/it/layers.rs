//! The arrows of the house (ARCHITECTURE.md): a room may use the rooms below it in this list, and none above. No file of a
//! room uses a file that uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From bottom to top.
const LAYERS: [&str; 13] = [
    "run",
    "crash",
    "file",
    "clock",
    "env",
    "retry",
    "probe",
    "journal",
    "engine",
    "oci",
    "config",
    "workflows",
    "cli",
];
/// Rooms that a room must not use although they are below it.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    ("probe", &["run", "crash", "file", "clock", "env", "retry"]),
    ("retry", &["clock", "env"]),
    ("journal", &["env", "retry"]),
    ("oci", &["retry", "journal", "engine"]),
    ("config", &["clock", "journal", "engine"]),
    ("workflows", &["journal", "retry"]),
    // An independent witness imports nothing.
    ("sandbox", &LAYERS),
    ("engine", &["env", "oci"]),
];

/// A module, by the names on its path from the top of the crate.
type Module = Vec<String>;

/// A path in a file, as it is written.
struct Named {
    path: Vec<String>,
    /// Whether `pub use` only passes it on.
    is_passed_on: bool,
    /// Whether it is in the file's tests.
    is_in_tests: bool,
}

/// The modules of the crate, with the paths that each names outside its comments.
struct House {
    modules: BTreeMap<Module, Vec<Named>>,
}

#[test]
fn no_room_uses_one_that_lies_above_it() {
    let wrong = wrong_arrows(&House::of_the_crate());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_uses_one_of_its_room_that_uses_it() {
    let circles = House::of_the_crate().circles();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn every_way_to_name_a_room_is_seen() {
    let seen = |text: &str| wrong_arrows(&House::of(&[("journal/lease.rs", text), ("cli/mod.rs", "")]));
    for text in [
        "use crate::cli::Exit;",
        "use crate::{cli::{Exit, Env}, run::RunId};",
        "use super::super::cli::Exit;",
        "fn leave() -> crate::cli::Exit {}",
        "fn leave() { super::super::cli::run(); }",
        "pub(super) use crate::cli::Exit;",
        "#[cfg(test)]\nmod tests {\n    use super::super::super::cli::Exit;\n}",
    ] {
        assert_eq!(seen(text), ["journal/lease uses cli"], "{text}");
    }
    for text in [
        "// crate::cli::run",
        "/// [`crate::cli::run`]",
        "use super::cli::Exit;",
        "pub(in crate::cli) fn a() {}",
    ] {
        assert!(seen(text).is_empty(), "{text}");
    }
}

#[test]
fn a_circle_is_seen_through_what_a_room_passes_on() {
    let circles = |below: &str| {
        House::of(&[
            ("journal/mod.rs", "mod lease;\nmod take;\npub use lease::Lease;\npub use take::Take;"),
            ("journal/lease.rs", "use super::take::Take;"),
            ("journal/take.rs", below),
        ])
        .circles()
    };
    for below in ["use super::Lease;", "use crate::journal::Lease;", "fn of() { super::lease::renew(); }"] {
        assert_eq!(circles(below), ["journal/lease -> journal/take -> journal/lease"], "{below}");
    }
    for apart in ["use crate::run::RunId;", "#[cfg(test)]\nmod tests {\n    use crate::journal::Lease;\n}"] {
        assert!(circles(apart).is_empty(), "{apart}");
    }
}

#[test]
fn sql_stays_in_the_journal() {
    let house = House::of_the_crate();
    let is_sql = |named: &Named| named.path.first().is_some_and(|first| first == "sqlx");
    let with_sql = house.modules.iter().filter(|(_, named)| named.iter().any(is_sql));
    let wrong: Vec<String> =
        with_sql.map(|(module, _)| module.join("/")).filter(|file| !file.starts_with("journal/")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The rooms that serve anybody's workflows. They must not name the cloud, its protocol, or this program.
const OF_ANYBODY: [&str; 5] = ["clock", "engine", "journal", "retry", "run"];
const NOT_OF_ANYBODY: [&str; 9] =
    ["oci", "OCI", "opc", "Oracle", "HTTP", "balancer", "container", "deployctl", "DEPLOYCTL"];

#[test]
fn the_rooms_of_the_engine_name_neither_the_cloud_nor_the_program() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    visit(&sources, &mut |path, text| {
        let file = path.strip_prefix(&sources).expect("below src").display().to_string();
        let room = file.split(['/', '.']).next().unwrap_or_default();
        let is_of_tests = ["tests.rs", "samples.rs"].iter().any(|name| file.ends_with(name));
        if !OF_ANYBODY.contains(&room) || is_of_tests {
            return;
        }
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            // The codes of all rows depend on this line.
            let is_kept = line.starts_with("const PURPOSE: &[u8] = b\"deployctl: the rows of the journal\"");
            // Examples name the crate.
            let line = line.replace("use deployctl::", "use ");
            let mut words = line.split(|c: char| !c.is_alphanumeric());
            if !is_kept && words.any(|word| NOT_OF_ANYBODY.contains(&word)) {
                wrong.push(format!("{file}:{}: {line}", number + 1));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong_arrows(house: &House) -> Vec<String> {
    let height = |room: &str| LAYERS.iter().position(|layer| *layer == room);
    let mut wrong = BTreeSet::new();
    for (module, named) in &house.modules {
        let room = module.first().map_or("", String::as_str);
        for named in named {
            let inner: &[String] = if named.is_in_tests { &["tests".to_owned()] } else { &[] };
            let Some(path) = house.absolute(&[module, inner].concat(), &named.path) else { continue };
            let Some(used) = path.first() else { continue };
            let is_above = height(room).zip(height(used)).is_some_and(|(mine, theirs)| theirs > mine);
            let is_forbidden =
                FORBIDDEN.iter().any(|(who, what)| *who == room && what.contains(&used.as_str()));
            if is_above || is_forbidden {
                wrong.insert(format!("{} uses {used}", module.join("/")));
            }
        }
    }
    wrong.into_iter().collect()
}

impl House {
    fn of_the_crate() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        visit(&root, &mut |path, text| {
            let inside = path.strip_prefix(&root).expect("below src").display().to_string();
            files.push((inside, text));
        });
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        Self::of(&files)
    }

    fn of(files: &[(&str, &str)]) -> Self {
        let modules = files.iter().map(|(path, text)| {
            let mut module: Module = path.trim_end_matches(".rs").split('/').map(ToOwned::to_owned).collect();
            if module.last().is_some_and(|name| name == "mod") {
                module.pop();
            }
            (module, named(text))
        });
        Self { modules: modules.collect() }
    }

    /// A path that `module` names, seen from the top of the crate. `None` for a path into another crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Module> {
        let first = path.first()?.as_str();
        let is_child = || self.modules.contains_key(&[module, &path[..1]].concat());
        let mut absolute = match first {
            "crate" => Module::new(),
            "self" | "super" => module.to_vec(),
            _ if is_child() => module.to_vec(),
            _ => return None,
        };
        for name in path {
            match name.as_str() {
                "crate" | "self" => {}
                "super" => drop(absolute.pop()),
                name => absolute.push(name.to_owned()),
            }
        }
        Some(absolute)
    }

    /// The module in which a path ends. An item that a module only passes on belongs to the module that it comes from.
    fn home(&self, path: &[String]) -> Module {
        let is_module = |depth: &usize| self.modules.contains_key(&path[..*depth]);
        let depth = (1..=path.len()).rev().find(is_module).unwrap_or(0);
        let (module, rest) = path.split_at(depth);
        let passed_on = rest.first().and_then(|name| {
            let mut named = self.modules.get(module)?.iter().filter(|named| named.is_passed_on);
            let origin = named.find(|named| named.path.last() == Some(name))?;
            self.absolute(module, &origin.path)
        });
        match passed_on {
            Some(origin) if origin != path => self.home(&origin),
            Some(_) | None => module.to_vec(),
        }
    }

    /// The modules of its own room that each module uses.
    fn arrows(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let used = |module: &Module, named: &[Named]| -> BTreeSet<Module> {
            let used = named.iter().filter(|named| !named.is_passed_on && !named.is_in_tests);
            let homes = used.filter_map(|named| Some(self.home(&self.absolute(module, &named.path)?)));
            homes.filter(|home| home != module && home.first() == module.first()).collect()
        };
        self.modules.iter().map(|(module, named)| (module, used(module, named))).collect()
    }

    /// The circles in which files use one another.
    fn circles(&self) -> Vec<String> {
        let arrows = self.arrows();
        let mut known = BTreeSet::new();
        let mut circles = Vec::new();
        for start in self.modules.keys() {
            if known.contains(start) {
                continue;
            }
            if let Some(way) = way_back(&arrows, start) {
                let names: Vec<String> = way.iter().map(|module| module.join("/")).collect();
                circles.push(names.join(" -> "));
                known.extend(way);
            }
        }
        circles
    }
}

/// The shortest way from a module back to itself, if there is one.
fn way_back(arrows: &BTreeMap<&Module, BTreeSet<Module>>, start: &Module) -> Option<Vec<Module>> {
    let mut ways = vec![vec![start.clone()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in arrows.get(way.last()?).into_iter().flatten() {
                let further: Vec<Module> = way.iter().chain([next]).cloned().collect();
                if next == start {
                    return Some(further);
                }
                if seen.insert(next.clone()) {
                    longer.push(further);
                }
            }
        }
        ways = longer;
    }
    None
}

/// Every path that a file names, in its `use`s and in its code.
fn named(text: &str) -> Vec<Named> {
    let tests = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let (code, tests) = text.split_at(tests);
    let named = |text, is_in_tests| named_in(text).map(move |named| Named { is_in_tests, ..named });
    named(code, false).chain(named(tests, true)).collect()
}

fn named_in(text: &str) -> impl Iterator<Item = Named> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    while let Some(line) = lines.next() {
        let (visibility, rest) = match line.trim_start().strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(')').unwrap_or(("", rest)),
            Some(rest) => ("pub", rest),
            None => ("", line),
        };
        let Some(tree) = rest.trim_start().strip_prefix("use ") else {
            found.extend(in_code(rest));
            continue;
        };
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            let Some(more) = lines.next() else { break };
            tree.push_str(more);
        }
        let is_passed_on = !visibility.is_empty();
        let paths = expanded(tree.split(';').next().unwrap_or_default());
        found.extend(paths.into_iter().map(|path| Named { path, is_passed_on, is_in_tests: false }));
    }
    found.into_iter()
}

/// The paths in a line of code.
fn in_code(line: &str) -> impl Iterator<Item = Named> {
    let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| word.contains("::")).map(|word| {
        let path = word.split("::").map(ToOwned::to_owned).collect();
        Named { path, is_passed_on: false, is_in_tests: false }
    })
}

/// `a::{b, c::{d, e}}` as the paths that it stands for.
fn expanded(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.split(" as ").next().unwrap_or_default().trim();
    let Some((before, inside)) = tree.split_once('{') else {
        return vec![tree.split("::").map(|name| name.trim().to_owned()).collect()];
    };
    let inside = inside.rsplit_once('}').map_or(inside, |(inside, _)| inside);
    let before: Vec<String> =
        before.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in inside.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match (c, parts.last_mut()) {
            (',', _) if depth == 0 => parts.push(String::new()),
            (c, Some(part)) => part.push(c),
            (_, None) => {}
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expanded(part)).map(|path| [before.clone(), path].concat()).collect()
}

fn visit(folder: &Path, look: &mut impl FnMut(&Path, String)) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            look(&path, text);
        }
    }
}
