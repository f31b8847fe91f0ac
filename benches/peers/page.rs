//! docs/benchmarks.md: a head, and a section for each part. A part replaces its own section and leaves the others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::machine;
use crate::part::Part;

const HEAD: &str = "# Benchmarks

`cargo bench --bench peers` measures the engine, and `benches/run` the program and its rollouts. Both print these tables and write
them into this page. `cargo bench --bench peers -- step resume` measures only these parts; `benches/run history program` does likewise.
Nothing here is a test: a figure is that of one machine in one hour, which the line below each table describes. Compare ratios,
which were measured in one run, and not milliseconds.

Contenders are processes of their own, take turns, and commit with the same durability: SQLite with a write-ahead log and
`synchronous=FULL`, so that what was acknowledged survives a loss of power. *Raw* is sqlx and SQLite alone. *steno* is
[steno](https://github.com/oxidecomputer/steno), the saga library of Oxide, with a store in SQLite (benches/steno). A goal is
what we set out to reach, whether or not it is reached.
";

/// A table, as it is printed and published.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn with_columns<const N: usize>(columns: [&str; N]) -> Self {
        Self { rows: vec![columns.map(ToOwned::to_owned).to_vec()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(cells.len(), self.rows[0].len(), "{cells:?}");
        self.rows.push(Vec::from(cells));
    }

    fn to_markdown(&self) -> String {
        let mut text = String::new();
        for (n, row) in self.rows.iter().enumerate() {
            writeln!(text, "| {} |", row.join(" | ")).expect("memory suffices");
            if n == 0 {
                writeln!(text, "|{}", "---|".repeat(row.len())).expect("memory suffices");
            }
        }
        text
    }
}

/// Prints the section of a part, and puts it into the page.
#[expect(clippy::print_stdout, reason = "a benchmark prints")]
pub(crate) fn publish(part: Part, note: &str, table: &Table) {
    let section = format!(
        "## {}\n\n{note}\n\n{}\n{}\n",
        part.title(),
        table.to_markdown(),
        machine::described(part.command())
    );
    println!("{section}");
    let mut sections = fs::read_to_string(page()).map(|text| sections_of(&text)).unwrap_or_default();
    sections.insert(part, section);
    let mut text = HEAD.to_owned();
    for (part, section) in sections {
        write!(text, "\n{}\n{section}", marker(part)).expect("memory suffices");
    }
    fs::write(page(), text).expect("the page can be written");
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md")
}

fn marker(part: Part) -> String {
    format!("<!-- {} -->", part.name())
}

fn sections_of(page: &str) -> BTreeMap<Part, String> {
    let mut sections = BTreeMap::new();
    for part in Part::ALL {
        if let Some((_, rest)) = page.split_once(&marker(part)) {
            let section = rest.split_once("\n<!-- ").map_or(rest, |(section, _)| section);
            sections.insert(part, format!("{}\n", section.trim()));
        }
    }
    sections
}
