//! Everything that can happen to a run, as each reporter shows it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Reporter;
use crate::cli::args::Global;
use crate::cli::io::Io;
use crate::cli::ui::Ui;
use crate::env::Env;
use crate::run::{Failure, Seq, Update, one_event_of_each_kind};

/// The output of a reporter with these flags and variables.
fn shown(global: &Global, variables: &[(&str, &str)], columns: Option<usize>) -> String {
    let (out, err) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let io = match columns {
        Some(columns) => Io::terminal(err.clone(), columns),
        None => Io::writers(out.clone(), err.clone()),
    };
    let env = Env::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut reporter = Reporter::new(&Ui::new(global, &env, io), "web");
    let events = one_event_of_each_kind();
    for event in &events {
        reporter.update(Update::Event(event));
        let Some(seq) = event.kind.step() else { continue };
        if seq == Seq::FIRST && event.n == 2 {
            reporter.update(Update::Progress { seq, text: "is CREATING" });
            let failure = Failure::transient("looking for what was made", "connection reset");
            reporter.update(Update::Trouble { seq, failure: &failure, delay: Duration::from_millis(300) });
            reporter.tick(event.at + Duration::from_secs(31));
        }
    }
    assert!(out.lock().expect("no panic").is_empty(), "progress is no result");
    let shown = err.lock().expect("no panic").clone();
    // Colours become readable text, and trailing spaces that an editor may remove are left out.
    let shown = String::from_utf8(shown).expect("text").replace('\u{1b}', "ESC");
    shown.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_log_has_one_line_an_event() {
    insta::assert_snapshot!(shown(&Global::default(), &[], None));
}

#[test]
fn a_log_for_who_wants_to_know_more_has_what_is_waited_for() {
    let global = Global { verbose: 1, ..Global::default() };
    let (usual, more) = (shown(&Global::default(), &[], None), shown(&global, &[], None));
    let added: Vec<&str> = more.lines().filter(|line| !usual.contains(line)).collect();
    insta::assert_snapshot!(added.join("\n"));
}

#[test]
fn a_terminal_of_80_columns_keeps_what_is_done() {
    insta::assert_snapshot!(shown(&Global::default(), &[("TERM", "xterm")], Some(80)));
}

#[test]
fn a_wide_terminal_without_colour_keeps_what_is_done() {
    insta::assert_snapshot!(shown(&Global::default(), &[("TERM", "xterm"), ("NO_COLOR", "1")], Some(200)));
}

#[test]
fn a_terminal_of_ascii_keeps_what_is_done_in_ascii() {
    let shown = shown(&Global::default(), &[("TERM", "xterm"), ("LANG", "C")], Some(80));
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_terminal_that_cannot_redraw_gets_the_lines_of_a_log() {
    assert_eq!(
        shown(&Global::default(), &[("TERM", "dumb")], Some(80)),
        shown(&Global::default(), &[], None)
    );
}

#[test]
fn quiet_and_json_say_nothing_until_the_end() {
    let json = crate::cli::args::Output::Json;
    for global in [
        Global { quiet: true, ..Global::default() },
        Global { output: json, ..Global::default() },
        Global { quiet: true, output: json, verbose: 2, ..Global::default() },
    ] {
        assert_eq!(shown(&global, &[], None), "", "{global:?}");
    }
}
