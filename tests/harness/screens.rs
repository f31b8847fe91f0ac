//! Whole screens: what a command prints on both streams and how it ends. Names replace the texts that differ from run to run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use super::{Ran, World};

/// The address of a guest, which is the same in every run.
const GUEST: &str = "127.0.0.250";

/// The screens of commands, one after the other.
pub(crate) struct Screens<'w> {
    world: &'w World,
    text: String,
    names: Names,
}

/// The names of the texts seen so far.
#[derive(Default)]
struct Names {
    runs: Vec<String>,
    ids: BTreeMap<String, usize>,
    addresses: BTreeMap<String, usize>,
}

impl<'w> Screens<'w> {
    pub(crate) fn of(world: &'w World) -> Self {
        Self { world, text: String::new(), names: Names::default() }
    }

    /// Adds the screen of a command.
    pub(crate) fn take(&mut self, args: &[&str]) -> Ran {
        self.of_command(args, self.world.command(args))
    }

    /// Adds the screen of a command with these `failpoints`.
    pub(crate) fn take_with(&mut self, args: &[&str], failpoints: &str) -> Ran {
        let mut command = self.world.command(args);
        command.env("FAILPOINTS", failpoints);
        self.of_command(args, command)
    }

    /// Adds the screen of a command that the test prepared.
    pub(crate) fn of_command(&mut self, args: &[&str], mut command: Command) -> Ran {
        let ran = Ran::of(&command.output().expect("the program starts"));
        self.add(args, &ran);
        ran
    }

    /// Adds the screen of a command that has run.
    pub(crate) fn add(&mut self, args: &[&str], ran: &Ran) {
        self.know_the_runs();
        let mut screen = format!("$ deployctl {}\n", args.join(" "));
        for (stream, text) in [("", &ran.stdout), ("stderr ", &ran.stderr)] {
            for line in text.lines() {
                writeln!(screen, "{stream}| {line}").expect("a string takes what is written");
            }
        }
        writeln!(screen, "exit {}\n", ran.code).expect("a string takes what is written");
        let screen = self.named(&screen);
        self.text.push_str(&screen);
    }

    /// Names a run of another machine's journal.
    pub(crate) fn know(&mut self, run: String) {
        self.names.runs.push(run);
    }

    pub(crate) fn text(self) -> String {
        self.text
    }

    /// Reads the runs from the journal, including those that were named by the beginning of their id.
    fn know_the_runs(&mut self) {
        let listed = self.world.run(&["history", "--limit", "1000", "--output", "json"]);
        // A journal that cannot be read has no runs.
        let Ok(listed) = serde_json::from_str::<Value>(&listed.stdout) else { return };
        for run in listed["runs"].as_array().into_iter().flatten().rev() {
            let id = run["run_id"].as_str().expect("an id");
            if !self.names.runs.iter().any(|known| known == id) {
                self.names.runs.push(id.to_owned());
            }
        }
    }

    fn named(&mut self, text: &str) -> String {
        let home = self.world.path("").display().to_string();
        let mut text = text.replace('\u{1b}', "ESC").replace(self.world.url(), "http://SANDBOX");
        text = text.replace(home.trim_end_matches('/'), "HOME");
        for end in [" ", ",", ":", "\"", "\n"] {
            text = text.replace(&format!("@{}{end}", host()), &format!("@HOST{end}"));
        }
        for (n, run) in self.names.runs.iter().enumerate() {
            text = text.replace(run.as_str(), &format!("RUN{}", n + 1));
            text = text.replace(&run[..8], &format!("run{}", n + 1));
        }
        let mut named = String::new();
        let mut rest = text.as_str();
        let mut before = ' ';
        while let Some(c) = rest.chars().next() {
            let found = if before.is_alphanumeric() { None } else { self.names.name(rest) };
            let (name, n_bytes) = found.unwrap_or_else(|| (c.to_string(), c.len_utf8()));
            // The width of a column depends on its content.
            let is_gap = c == ' ' && named.ends_with("  ") && !named.trim_end_matches(' ').ends_with('|');
            if !is_gap {
                named.push_str(&name);
            }
            before = rest[..n_bytes].chars().next_back().unwrap_or(' ');
            rest = &rest[n_bytes..];
        }
        let lines: Vec<&str> = named.split('\n').map(str::trim_end).collect();
        lines.join("\n")
    }
}

impl Names {
    /// The name for the beginning of a text, and the length that the name replaces. `None` for a text that is always the
    /// same.
    fn name(&mut self, text: &str) -> Option<(String, usize)> {
        if let Some(rest) = text.strip_prefix("ocid1.") {
            let n_bytes = 6 + span(rest, |c| c.is_ascii_alphanumeric() || ".-_".contains(c));
            let (kind, own) = text[..n_bytes].rsplit_once('.')?;
            let number = own.get(own.len().checked_sub(6)?..)?.parse::<u32>().is_ok();
            return number.then(|| (format!("{kind}.{}", self.id(&own[own.len() - 6..])), n_bytes));
        }
        if let Some(rest) = text.strip_prefix('…') {
            let n_bytes = span(rest, |c| c.is_ascii_digit());
            return (n_bytes == 6).then(|| (format!("…{}", self.id(&rest[..6])), '…'.len_utf8() + 6));
        }
        for (label, name) in [("pid ", "PID"), ("process ", "PID"), ("opc-request-id ", "REQUEST")] {
            if let Some(rest) = text.strip_prefix(label) {
                let n_bytes = span(rest, |c| c.is_ascii_alphanumeric() || "/-".contains(c));
                let is_one = name != "PID" || rest[..n_bytes].parse::<u32>().is_ok();
                return is_one.then(|| (format!("{label}{name}"), label.len() + n_bytes));
            }
        }
        let n_bytes = span(text, |c| c.is_ascii_digit() || ".:-TZms".contains(c));
        let word = text[..n_bytes].trim_end_matches(['.', ':', '-']);
        match shape(word).as_str() {
            "9999-99-99T99:99:99.999Z" | "9999-99-99T99:99:99Z" | "9999-99-99T99:99:99" | "99:99:99" => {
                Some(("TIME".to_owned(), word.len()))
            }
            "9999-99-99" => Some(("DATE".to_owned(), word.len())),
            "9.9s" | "99.9s" | "9m99s" => Some(("0.0s".to_owned(), word.len())),
            _ => {
                let n_bytes = span(text, |c| c.is_ascii_digit() || c == '.');
                let address = text[..n_bytes].trim_end_matches('.');
                let is_ours =
                    address.starts_with("127.") && address.split('.').count() == 4 && address != GUEST;
                let n = self.addresses.len() + 1;
                is_ours.then(|| {
                    (format!("IP{}", self.addresses.entry(address.to_owned()).or_insert(n)), address.len())
                })
            }
        }
    }

    fn id(&mut self, end: &str) -> String {
        let n = self.ids.len() + 1;
        format!("ID{}", self.ids.entry(end.to_owned()).or_insert(n))
    }
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The word with each digit replaced by 9.
fn shape(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect()
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
